r"""Tool calls as a grammar: what `gateway.chat.formats.constraint` says of a request, in Lark.

Forced calls are the whole answer, behind the thinking if there is any. For `auto` the answer is free up to
what begins a call (`CallShape.trigger`), and from there on a call; where nothing begins one but its own
text, an answer that begins like a call is one.

The library's lexer takes the longest text and does not go back, so that no two free texts stand side by side,
and what ends a free text is told to it: lazily (the first one ends it), or as a control token, which no text
has in it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from llguidance import regex_to_lark

from gateway.chat.formats.constraint import Constraint, Json, Maybe, Pattern, Piece, Text, Until
from gateway.chat.formats.format import Span
from gateway.engine.grammar.constraint import ToolCalls
from gateway.engine.grammar.control import ControlTokens, named
from gateway.engine.grammar.schema import compilable, read_schema

TERMINALS = (r"ANY: /(.|\n)*/", r"TEXT: /(.|\n)+/", r"SPACE: /[ \t\r\n]+/")
QUOTE = '<|"|>'
"""The control token that may stand in a raw value: Gemma's quotes."""

_META = frozenset("\\.+*?()|[]{}^$#&-~/")
_CONTROLS = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def calls_grammar(wanted: Constraint, control: ControlTokens, *, template: str, prompt_end: str) -> ToolCalls:
    """The grammar of an answer with these calls. `template` is the model's chat template: it shows in which
    marks it thinks; `prompt_end` shows whether it is thinking already.

    Raises:
        GrammarRefusedError: a schema is none, or asks for what cannot be held to.
    """
    writer = _Writer(wanted, control, template, prompt_end)
    start = writer.forced() if wanted.mode == "forced" else writer.free()
    return ToolCalls("\n".join(("%llguidance {}", f"start: {start}", *writer.rules, *TERMINALS, "")))


class _Writer:
    """Writes one grammar; `rules` are those beside `start`. What methods return are expressions in Lark."""

    def __init__(self, wanted: Constraint, control: ControlTokens, template: str, prompt_end: str) -> None:
        self.rules: list[str] = []
        self._wanted = wanted
        self._control = control
        end = prompt_end.rstrip()
        self._open = next((span for span in wanted.reasoning if end.endswith(span.open)), None)
        self._may_open = [] if self._open else [span for span in wanted.reasoning if _thinks(span, template)]

    def forced(self) -> str:
        """Calls, and nothing else behind the thinking."""
        return f"{self._thinking()} {self._section(self._wanted.begin)}"

    def free(self) -> str:
        """Any answer in which a call, once it is begun, is one."""
        wanted = self._wanted
        if wanted.bare:
            start = self._bare()
        else:
            opening = wanted.begin.rstrip() or wanted.calls[0].trigger
            start = self._triggered(opening)
        return f"{self._thinking()} ({start})" + self._only_thought()

    def _triggered(self, trigger: str) -> str:
        """Free text, and calls behind the trigger."""
        first, *more = self._control.parts(trigger)
        if isinstance(first, int):
            rest = more[0] if more and isinstance(more[0], str) else ""
            return self._behind_token(first, rest)
        opener = self._rule("opener", f"ANY {json.dumps(first, ensure_ascii=False)}", lazy=True)
        others = named(self._control.others(self._thinking_tokens()))
        lead, free = (f"(TEXT? {others})*", f"(TEXT? {others})* TEXT?") if others else ("", "TEXT?")
        call = f"{lead} {opener} ({self._behind(first)})"
        return f"({call})* {free}" if self._wanted.parallel else f"{call} | {free}"

    def _behind_token(self, token: int, rest: str) -> str:
        """The same for a trigger that begins with a control token, and goes on with this text."""
        others = named(self._control.others((token, *self._thinking_tokens())))
        turns = [f"{others} TEXT?"] if others else []
        spelled = named((token,))
        if rest:
            no_call = self._not(_escaped(rest))
            turns.append(f"{spelled} {no_call}?")
        free = f"TEXT? ({' | '.join(turns)})*" if turns else "TEXT?"
        opening = self._control.text(token) + rest
        call = f"{self._control.spelled(opening)} ({self._behind(opening)})"
        return f"{free} ({call} {free})*" if self._wanted.parallel else f"{free} ({call})?"

    def _behind(self, opening: str) -> str:
        """What follows that opening, which begins a section, or a call to any tool."""
        if self._wanted.begin:
            return self._section(self._wanted.begin.removeprefix(opening))
        return self._any_call(opening)

    def _bare(self) -> str:
        """A call that nothing begins, or an answer that does not look like one."""
        triggers = "|".join(_escaped(call.trigger) for call in self._wanted.calls)
        answer = self._not(rf"[ \t\r\n]*({triggers})")
        others = named(self._control.others(self._thinking_tokens()))
        rest = f" ({others} TEXT?)*" if others else ""
        return f"SPACE? ({self._any_call()}) | {answer}?{rest}"

    def _section(self, begin: str) -> str:
        """All calls, with what stands around and between them."""
        calls = self._rule("call", self._any_call())
        between, end = self._control.spelled(self._wanted.between), self._control.spelled(self._wanted.end)
        more = f"({between} {calls})*" if self._wanted.parallel else ""
        return f"{self._control.spelled(begin)} {calls} {more} {end}"

    def _any_call(self, opening: str = "") -> str:
        """A call to any of the tools, without this opening."""
        return " | ".join(self._pieces(call.pieces, opening) for call in self._wanted.calls)

    def _pieces(self, pieces: Sequence[Piece], said: str = "") -> str:
        """These pieces one after the other; `said` of the first text is there already."""
        return " ".join(self._piece(piece, _said(pieces, index, said)) for index, piece in enumerate(pieces))

    def _piece(self, piece: Piece, said: str) -> str:
        match piece:
            case Text(text):
                return self._control.spelled(text.removeprefix(said))
            case Pattern(regex):
                return f"/{regex_to_lark(_in_line(regex), '')}/"
            case Json(schema):
                text = json.dumps(schema, ensure_ascii=False)
                return f"%json {compilable(read_schema(text), compact=True)}"
            case Until(stop):
                return self._until(stop)
            case Maybe(inner):
                return f"({self._pieces(inner)})?"

    def _until(self, stop: str) -> str:
        """Any text up to this one, and that."""
        before, token, rest = _at_token(self._control.parts(stop))
        if token is None:
            return self._rule("until", f"ANY {json.dumps(stop, ensure_ascii=False)}", lazy=True)
        text = self._not(rf"(.|\n)*{_escaped(stop)}", rf"(.|\n)*{_escaped(before)}")
        quote = named(part for part in self._control.parts(QUOTE) if isinstance(part, int))
        quoted = f"(TEXT? {quote})* " if quote else ""
        behind = " ".join(self._control.spelled(self._control.text(part)) for part in (token, *rest))
        return f"{quoted}{text} {behind}"

    def _thinking(self) -> str:
        """The thinking, if the model is in it, or if it may begin with it; with its end."""
        space = "SPACE?" if self._wanted.mode == "forced" else ""
        if self._open:
            return f"{self._thought(self._open)} {space}"
        thoughts = [f"{self._control.spelled(span.open)} {self._thought(span)}" for span in self._may_open]
        return f"(({' | '.join(thoughts)}) {space})?" if thoughts else ""

    def _thought(self, span: Span) -> str:
        return "(" + " | ".join(map(self._until, span.closes)) + ")"

    def _only_thought(self) -> str:
        """A free answer may end while it is still thinking."""
        if not self._open:
            return ""
        closes = "|".join(map(_escaped, self._open.closes))
        thought = self._not(rf"(.|\n)*({closes})")
        return f" | {thought}?"

    def _thinking_tokens(self) -> list[int]:
        """The tokens that begin to think: that is done at the begin of an answer only."""
        parts = (self._control.parts(span.open)[0] for span in self._may_open)
        return [part for part in parts if isinstance(part, int) and part not in self._trigger_tokens()]

    def _trigger_tokens(self) -> list[int]:
        """Tokens of what begins a call."""
        texts = (self._wanted.begin, *(call.trigger for call in self._wanted.calls))
        return [part for text in texts for part in self._control.parts(text) if isinstance(part, int)]

    def _rule(self, name: str, body: str, *, lazy: bool = False) -> str:
        """A rule of its own; its name."""
        made = f"{name}_{len(self.rules)}"
        self.rules.append(f"{made}{'[lazy]' if lazy else ''}: {body}")
        return made

    def _not(self, begin: str, fits: str = r"(.|\n)+") -> str:
        """A terminal of its own: texts that this fits, and that begin otherwise; both regular expressions."""
        made = f"TEXT_{len(self.rules)}"
        self.rules.append(rf"{made}: /{fits}/ & ~/({begin})(.|\n)*/")
        return made


def _thinks(span: Span, template: str) -> bool:
    """Whether models with that template think in those marks."""
    return span.open in template or any(close in template for close in span.closes)


def _said(pieces: Sequence[Piece], index: int, opening: str) -> str:
    """What of a piece is said already: the opening, or the end of the raw text before it."""
    before = pieces[index - 1] if index else None
    if isinstance(before, Until):
        return before.stop
    return "" if index else opening


def _at_token(parts: Sequence[str | int]) -> tuple[str, int | None, list[str | int]]:
    """The text before the first control token, that, and what follows it."""
    before = ""
    for index, part in enumerate(parts):
        if isinstance(part, int):
            return before, part, list(parts[index + 1 :])
        before = part
    return before, None, []


def _escaped(text: str) -> str:
    """A text as a regular expression between slashes."""
    return "".join(_CONTROLS.get(char, f"\\{char}" if char in _META else char) for char in text)


def _in_line(regex: str) -> str:
    """A regular expression without line breaks in it, escaped or not."""
    return regex.replace("\\\n", r"\n").replace("\n", r"\n")
