"""The tables of fields in docs/openai.md: `python -m gateway.api.openai.docs docs/openai.md` writes them
again, from the structs that bodies are read with and the lists of what is refused.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gateway.api.dialect import Endpoint
from gateway.api.openai.chat_fields import NEUTRAL, REFUSED
from gateway.api.openai.completions import NOT_SERVED
from gateway.api.openai.dialect import CHAT, COMPLETIONS, EMBEDDINGS, RERANK

BEGIN, END = "<!-- fields: begin -->\n", "<!-- fields: end -->\n"
"""The lines between which the tables stand."""

ENDPOINTS = (CHAT, COMPLETIONS, EMBEDDINGS, RERANK)


def tables() -> str:
    """A table for each endpoint."""
    return "\n".join(_table(endpoint) for endpoint in ENDPOINTS)


def with_tables(text: str) -> str:
    """A document with the tables in place of those that it has.

    Raises:
        ValueError: the document does not have both marks.
    """
    before, found, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not (found and ended):
        raise ValueError(f"{BEGIN.strip()} and {END.strip()} have to be there, in this order")
    return f"{before}{BEGIN}\n{tables()}\n{END}{after}"


def _table(endpoint: Endpoint) -> str:
    obeyed = endpoint.request.__struct_fields__
    refused = _refused(endpoint)
    rows = [
        f"### `POST {endpoint.path}`\n",
        "| | fields |\n| --- | --- |",
        f"| obeyed | {_listed(obeyed)} |",
        (
            "| refused, unless they ask for nothing |"
            f" {_listed(name for name in refused if name not in obeyed)} |"
        ),
    ]
    if endpoint is CHAT:
        rows.append(f"| taken, and told as ignored unless they ask for nothing | {_listed(NEUTRAL)} |")
    rows.append("| any other | taken, and told as ignored |\n")
    return "\n".join(rows)


def _refused(endpoint: Endpoint) -> Iterable[str]:
    lists: Mapping[str, Iterable[Any]] = {CHAT.path: REFUSED, COMPLETIONS.path: (*NOT_SERVED, *REFUSED)}
    return sorted(set(lists.get(endpoint.path, ())))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


if __name__ == "__main__":
    document = Path(sys.argv[1])
    document.write_text(with_tables(document.read_text("utf-8")), "utf-8")
