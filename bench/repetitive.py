"""Prompt-lookup decoding: where the answer repeats the prompt, and where it does not."""

from __future__ import annotations

from contextlib import ExitStack

from bench.chats import Chat, hold
from bench.comparison import Comparison, Row, ours, rounds
from bench.prompts import edit, question
from bench.server import Server, ServerError

NAME = "repetitive"
ABOUT = "decode with prompt lookup and without"
FLAG = "--engine-speculative"


def run() -> Comparison:
    """Code to repeat with one change, and free text."""
    with ExitStack() as stack:
        try:
            lookup, plain = (stack.enter_context(ours(2, FLAG, value)) for value in ("ngram", "off"))
        except ServerError as error:
            return Comparison(NAME, ABOUT, not_measured=f"the server refuses {FLAG}: {_reason(error)}")
        found = rounds((lookup, plain), 4, _measure)
    rows = [
        Row("repeated code", "tokens/s", *found["code"], least=1.3),
        Row("free text", "tokens/s", *found["free"], least=0.97),
    ]
    return Comparison(NAME, ABOUT, rows, sides=("ngram", "off"))


def _measure(server: Server, salt: str) -> dict[str, float]:
    code = hold(server, salt, [Chat(questions=[edit(salt)], max_tokens=256)])
    free = hold(
        server,
        f"{salt}-free",
        [Chat(questions=[question(f"{salt} {number}")], max_tokens=128) for number in range(2)],
    )
    return {
        name: held.percentile(0.5, lambda turn: turn.decode_tps)
        for name, held in (("code", code), ("free", free))
    }


def _reason(error: ServerError) -> str:
    """The last line with words in it, without the frame that the command line draws around its errors."""
    lines = [line.strip(" │╭╰─╯╮") for line in str(error).splitlines()]
    return next((line for line in reversed(lines) if line), "no reason given")[:200]
