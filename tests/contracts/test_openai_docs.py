"""The tables of docs/openai.md are those that the schemas make, and every field of OpenAI's API is in one
of them.
"""

from __future__ import annotations

from typing import Any, get_type_hints

import pytest
from openai.types import completion_create_params
from openai.types.chat import completion_create_params as chat_create_params

from gateway.api.dialect import Endpoint
from gateway.api.openai.chat_fields import NEUTRAL, REFUSED
from gateway.api.openai.completions import NOT_SERVED
from gateway.api.openai.dialect import CHAT, COMPLETIONS
from gateway.api.openai.docs import tables
from telemetry.ignored_fields import LABELS
from tests.contracts.sources import ROOT


def test_the_tables_are_those_of_the_schemas() -> None:
    """`make docs` writes them again."""
    assert tables() in (ROOT / "docs" / "openai.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("endpoint", "params", "refused"),
    [
        (CHAT, chat_create_params.CompletionCreateParamsBase, REFUSED),
        (COMPLETIONS, completion_create_params.CompletionCreateParamsBase, (*NOT_SERVED, *REFUSED)),
    ],
)
def test_every_field_of_the_api_is_obeyed_refused_or_known_as_ignored(
    endpoint: Endpoint, params: type, refused: Any
) -> None:
    """By the types of the official client."""
    known = {*endpoint.request.__struct_fields__, *refused, *NEUTRAL, *LABELS}
    assert set(get_type_hints(params)) - known == set()
