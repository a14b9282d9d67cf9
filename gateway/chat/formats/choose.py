"""Which format a model writes: its own description of it, else the family that its chat template, or its
name, is of.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.chat.formats.families import FORMATS, GENERIC
from gateway.chat.formats.format import Format
from gateway.chat.formats.response_template import UnsupportedTemplateError, format_of

HINTS = (
    ("gpt-oss", "harmony"),
    ("kimi-k3", "kimi-k3"),
    ("kimi", "kimi-k2"),
    ("deepseek-v3.2", "deepseek-dsml"),
    ("deepseek-v4", "deepseek-dsml"),
    ("deepseek-v3", "deepseek"),
    ("gemma-4", "gemma"),
    ("mistral", "mistral"),
    ("ministral", "mistral"),
    ("magistral", "mistral"),
    ("devstral", "mistral"),
    ("glm-4.5", "glm"),
    ("glm-4.6", "glm"),
    ("glm-4.7", "glm"),
    ("glm-5", "glm"),
    ("qwen3-coder", "qwen-xml"),
    ("qwen3.", "qwen-xml"),
    ("granite-3", "granite"),
    ("granite-4", "hermes"),
    ("hermes", "hermes"),
    ("qwen", "hermes"),
    ("llama-4", "llama4"),
    ("llama-3", "llama3"),
)
"""Parts of models' names, in lower case, with the format of the first that fits."""


def choose(template: str, model: str = "", response_template: Mapping[str, Any] | None = None) -> Format:
    """The format of a model with this chat template, this name, and, if it brings one, this
    `response_template`; that counts for more than the chat template's marks, and those for more than the
    name.
    """
    if response_template:
        try:
            return format_of(response_template)
        except UnsupportedTemplateError:
            pass
    for candidate in FORMATS:
        if any(all(text in template for text in sign) for sign in candidate.signs):
            return candidate
    wanted = next((name for part, name in HINTS if part in model.lower()), GENERIC.name)
    return named(wanted)


def named(name: str) -> Format:
    """The format of that name.

    Raises:
        KeyError: there is none.
    """
    return {candidate.name: candidate for candidate in FORMATS}[name]
