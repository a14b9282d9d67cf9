"""The text of a prompt: a chat as the model's template writes it, or what was given."""

from __future__ import annotations

from gateway.chat.ending import cut, tagged
from gateway.chat.history import for_template
from gateway.chat.template import ChatTemplate, TemplateError
from gateway.engine.protocol import Submit

PROMPT_END_CHARS = 64
"""Of a prompt that is told: enough to see whether the template has opened the model's thinking."""

PLAIN = frozenset(("role", "content"))
"""Of a message that every template understands."""


def render(template: ChatTemplate | None, request: Submit) -> str:
    """The prompt's text; "" where it was given as tokens.

    Raises:
        TemplateError: there is no template, or it refuses the messages.
    """
    if request.prompt is not None:
        return request.prompt if isinstance(request.prompt, str) else ""
    if template is None:
        raise TemplateError("this model has no chat template; it cannot be used for chat")
    messages = for_template(request.messages, template.source) if _is_special(request) else request.messages
    if request.ending == "open_message":
        return cut(template.render(tagged(messages), generation_prompt=False, tools=request.tools))
    generation_prompt = request.ending == "generation_prompt"
    return template.render(messages, generation_prompt=generation_prompt, tools=request.tools)


def _is_special(request: Submit) -> bool:
    """True where messages have what templates want in several forms: calls, results of calls, thinking."""
    if request.tools:
        return True
    return any(message.keys() - PLAIN or message["role"] == "tool" for message in request.messages)
