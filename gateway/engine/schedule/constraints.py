"""What holds an answer: the form that a request asks for, or calls to its tools, as the model writes them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.chat.formats.choose import choose
from gateway.chat.formats.constraint import constraint
from gateway.chat.template import ChatTemplate
from gateway.engine.grammar.calls import QUOTE, calls_grammar
from gateway.engine.grammar.compiler import GrammarCompiler
from gateway.engine.grammar.constraint import Constraint, JsonSchema
from gateway.engine.grammar.errors import GrammarRefusedError
from gateway.engine.grammar.matcher import Matcher
from gateway.engine.protocol import Submit
from gateway.engine.schedule.rendering import PROMPT_END_CHARS

SHOWN_BESIDE = (QUOTE, "<|constrain|>")
"""Marks that no format's description has, and that stand in calls."""


class RefusedFormError(Exception):
    """An answer cannot be held to what the request asks for; `param` is the field that asks."""

    def __init__(self, words: str, param: str) -> None:
        super().__init__(words)
        self.param = param


class Constraints:
    """Those of one engine. To be used by one thread. `model` is its name: some formats are known by that."""

    def __init__(self, template: ChatTemplate | None, model: str, grammars: GrammarCompiler | None) -> None:
        self._template = "" if template is None else template.source
        self._grammars = grammars
        self.format = choose(self._template, model)
        marks = (*self.format.marks, *SHOWN_BESIDE)
        self.shown: Mapping[int, bytes] = {} if grammars is None else grammars.control.shown(marks)
        """Control tokens that are marks of the model's format, with their texts: whoever reads the answer
        needs them."""

    def matcher(self, request: Submit, prompt: str) -> Matcher | None:
        """A matcher of its own for a request with this prompt; None where nothing holds the answer.

        Raises:
            RefusedFormError: the answer cannot be held to what was asked for.
        """
        if request.constraint is not None:
            try:
                return self._compiler().compile(request.constraint)
            except GrammarRefusedError as error:
                param = f"{request.constraint_param or 'constraint'}{error.path}"
                raise RefusedFormError(str(error), param) from None
        if not request.tools or request.tool_choice == "none":
            return None
        if self._grammars is None and request.tool_choice == "auto":
            return None
        try:
            return self._compiler().compile(self._calls(request, prompt))
        except GrammarRefusedError as error:
            raise self._blamed(request, error) from None

    def _calls(self, request: Submit, prompt: str) -> Constraint:
        wanted = constraint(
            self.format,
            request.tools,
            request.tool_choice,
            template=self._template,
            parallel=request.parallel_tool_calls,
        )
        control = self._compiler().control
        end = str.__str__(prompt[-PROMPT_END_CHARS:])
        return calls_grammar(wanted, control, template=self._template, prompt_end=end)

    def _blamed(self, request: Submit, error: GrammarRefusedError) -> RefusedFormError:
        """The refusal with the first tool whose schema is refused by itself."""
        for path, schema in _schemas(request):
            try:
                self._compiler().compile(JsonSchema(json.dumps(schema, ensure_ascii=False)))
            except GrammarRefusedError as alone:
                return RefusedFormError(str(alone), f"{path}{alone.path}")
        return RefusedFormError(str(error), "tools")

    def _compiler(self) -> GrammarCompiler:
        if self._grammars is None:
            raise GrammarRefusedError("this model's vocabulary cannot be constrained")
        return self._grammars


def _schemas(request: Submit) -> Iterator[tuple[str, Any]]:
    """The schema of each tool that has one, and its place in the request."""
    for index, tool in enumerate(request.tools):
        if parameters := tool["function"].get("parameters"):
            yield f"tools[{index}].function.parameters", parameters
