"""A gateway that may use one CPU of several: by a cgroup's quota where one can be made, else by affinity."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.chats import Chat, hold
from bench.comparison import N_CTX, Comparison, Row, rounds
from bench.prompts import question
from bench.server import Server

NAME = "cpu-quota"
ABOUT = "one CPU of several: threads as chosen, against one thread"
GROUP = "firsttoken-bench"
V1, V2 = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")
CHATS = 4


class LimitedServer(Server):
    """A gateway that joins a cgroup, or binds itself to a CPU, before it starts."""

    def __init__(self, group: Path | None, *flags: str) -> None:
        super().__init__(flags=("--engine-n-ctx", str(N_CTX), *flags))
        join = f"echo $$ > {group}/cgroup.procs" if group else "taskset -p -c 0 $$ > /dev/null"
        self._command = ["sh", "-c", f'{join}; exec "$@"', "sh", *self._command]


def run() -> Comparison:
    """What the number of threads that was chosen gives."""
    with ExitStack() as stack:
        group = stack.enter_context(_group())
        chosen, one = LimitedServer(group), LimitedServer(group, "--engine-threads", "1")
        chosen.name, one.name = "as chosen", "one thread"
        with chosen, one:
            found = rounds((chosen, one), 3, _measure)
    rows = [
        Row("decode, one stream", "tokens/s", *found["decode"], least=0.95),
        Row("4 chats of 60 words", "tokens/s", *found["output"], least=0.95),
    ]
    about = f"{ABOUT}, by {'a cgroup quota' if group else 'affinity'}"
    return Comparison(NAME, about, rows, sides=("as chosen", "one thread"))


@contextmanager
def _group() -> Iterator[Path | None]:
    """A cgroup with a quota of one CPU; None where none can be made."""
    group = None
    for top, write in ((V1, _limit_v1), (V2, _limit_v2)):
        with contextlib.suppress(OSError):
            candidate = top / GROUP
            candidate.mkdir(exist_ok=True)
            write(candidate)
            group = candidate
            break
    yield group
    if group is not None:
        with contextlib.suppress(OSError):  # a process may take a moment to leave it
            group.rmdir()


def _limit_v1(group: Path) -> None:
    (group / "cpu.cfs_period_us").write_text("100000")
    (group / "cpu.cfs_quota_us").write_text("100000")


def _limit_v2(group: Path) -> None:
    (group / "cpu.max").write_text("100000 100000")


def _measure(server: Server, salt: str) -> dict[str, float]:
    alone = hold(server, f"{salt}-alone", [Chat(questions=[question(salt)], max_tokens=96)])
    chats = [Chat(questions=[question(f"{salt} {number}", 60)], max_tokens=32) for number in range(CHATS)]
    crowd = hold(server, f"{salt}-crowd", chats, workers=CHATS)
    return {"decode": alone.percentile(0.5, lambda turn: turn.decode_tps), "output": crowd.tokens_per_second}
