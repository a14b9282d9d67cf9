"""The text of a prompt: a chat as the model's template writes it, or what was given."""

from __future__ import annotations

from typing import Any

from gateway.chat.ending import cut, tagged
from gateway.chat.formats.format import Format
from gateway.chat.history import for_template
from gateway.chat.template import ChatTemplate, TemplateError
from gateway.chat.untaught import plain_messages, speaks_of_tools
from gateway.engine.protocol import Submit

PROMPT_END_CHARS = 64
"""Of a prompt that is told: enough to see whether the template has opened the model's thinking."""

PLAIN = frozenset(("role", "content"))
"""Of a message that every template understands."""


def render(template: ChatTemplate | None, request: Submit, chosen: Format) -> str:
    """The prompt's text; "" where it was given as tokens. Calls are written as `chosen` says where the
    template does not write them.

    Raises:
        TemplateError: there is no template, or it refuses the messages.
    """
    if request.prompt is not None:
        return request.prompt if isinstance(request.prompt, str) else ""
    if template is None:
        raise TemplateError("this model has no chat template; it cannot be used for chat")
    messages = _messages(template, request, chosen)
    if request.ending == "open_message":
        return cut(template.render(tagged(messages), generation_prompt=False, tools=request.tools))
    generation_prompt = request.ending == "generation_prompt"
    return template.render(messages, generation_prompt=generation_prompt, tools=request.tools)


def _messages(template: ChatTemplate, request: Submit, chosen: Format) -> list[dict[str, Any]]:
    """The messages in the form that the template wants."""
    if not _is_special(request):
        return request.messages
    messages = for_template(request.messages, template.source)
    if speaks_of_tools(template.source) or not _is_about_tools(request):
        return messages
    return plain_messages(messages, () if request.tool_choice == "none" else request.tools, chosen)


def _is_about_tools(request: Submit) -> bool:
    """True where there are tools, calls or results of calls."""
    if request.tools:
        return True
    return any(message["role"] == "tool" or message.get("tool_calls") for message in request.messages)


def _is_special(request: Submit) -> bool:
    """True where messages have what templates want in several forms: calls, results of calls, thinking."""
    if request.tools:
        return True
    return any(message.keys() - PLAIN or message["role"] == "tool" for message in request.messages)
