"""The APIs that are served. A new one is a folder beside this file, and a line here."""

from __future__ import annotations

from gateway.api.openai.dialect import OPENAI

DIALECTS = (OPENAI,)
