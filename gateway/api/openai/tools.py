"""Tools of a chat request: functions that the model may call, and messages that are about calls."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.api.openai.chat_schema import Tool
from gateway.errors import InvalidRequestError

MAX_TOOLS = 256
CHOICES = ("auto", "none", "required")

_NAME = re.compile(r"[A-Za-z0-9_.:/-]{1,128}")


def tools_of(given: list[Any] | None) -> tuple[dict[str, Any], ...]:
    """The tools of a request, in the form that chat templates know.

    Raises:
        InvalidRequestError: `param` names the tool and the field.
    """
    given = given or []
    if len(given) > MAX_TOOLS:
        raise InvalidRequestError(f"There are {len(given)} tools; the most is {MAX_TOOLS}.", param="tools")
    tools = [_tool(tool, f"tools[{index}]") for index, tool in enumerate(given)]
    names = [tool["function"]["name"] for tool in tools]
    for index, name in enumerate(names):
        if name in names[:index]:
            text = f"Two tools have the name {name!r}; names must differ."
            raise InvalidRequestError(text, param=f"tools[{index}].function.name")
    return tuple(tools)


def _tool(given: Any, path: str) -> dict[str, Any]:
    kind = given.get("type") if isinstance(given, dict) else None
    if kind != "function":
        text = f"Tools of type {str(kind)[:50]!r} are not served; only `function` is."
        raise InvalidRequestError(text, code="unsupported_tool", param=f"{path}.type")
    try:
        tool = msgspec.convert(given, Tool)
    except msgspec.ValidationError as error:
        raise InvalidRequestError(f"{error}.", param=f"{path}.function") from None
    if not _NAME.fullmatch(tool.function.name):
        text = "A function's name has 1 to 128 of the characters A-Z a-z 0-9 _ - . : /"
        raise InvalidRequestError(text, param=f"{path}.function.name")
    return {"type": "function", "function": msgspec.to_builtins(tool.function)}


def choice_of(given: Any, tools: Sequence[dict[str, Any]]) -> str | dict[str, Any]:
    """`tool_choice`: one of `CHOICES`, or an object that names a tool.

    Raises:
        InvalidRequestError: it is none of that, or asks for what is not there.
    """
    if given is None:
        return "auto"
    if given in CHOICES:
        if given == "required" and not tools:
            raise InvalidRequestError(
                "`tool_choice` is required, and there are no tools.", param="tool_choice"
            )
        return str(given)
    named = given.get("function", given) if isinstance(given, dict) else None
    name = named.get("name") if isinstance(named, dict) else None
    if not isinstance(name, str):
        text = f"`tool_choice` must be one of {', '.join(CHOICES)}, or name a function."
        raise InvalidRequestError(text, param="tool_choice")
    if all(tool["function"]["name"] != name for tool in tools):
        text = f"`tool_choice` names {name[:100]!r}, which is none of the tools."
        raise InvalidRequestError(text, param="tool_choice.function.name")
    return {"type": "function", "function": {"name": name}}


def calls_of(given: Any, path: str) -> list[dict[str, Any]]:
    """The calls of an assistant's message, as templates know them.

    Raises:
        InvalidRequestError: `param` names the call and the field.
    """
    if not isinstance(given, list):
        raise InvalidRequestError("`tool_calls` must be a list.", param=path)
    return [_call(call, f"{path}[{index}]") for index, call in enumerate(given)]


def _call(given: Any, path: str) -> dict[str, Any]:
    function = given.get("function") if isinstance(given, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(function, dict) or not isinstance(name, str):
        raise InvalidRequestError("A tool call needs a `function` with a `name`.", param=f"{path}.function")
    arguments = function.get("arguments", "{}")
    if not isinstance(arguments, str | dict):
        text = "The `arguments` of a call are a JSON object, as text."
        raise InvalidRequestError(text, param=f"{path}.function.arguments")
    made = {"type": "function", "function": {"name": name, "arguments": arguments}}
    return made if given.get("id") is None else {"id": str(given["id"]), **made}
