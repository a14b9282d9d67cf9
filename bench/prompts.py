"""Prompts of a known length: words that are one token each for the demo model, drawn by a seed."""

from __future__ import annotations

import random

WORDS = (  # noqa: SIM905 - prose is easier to read than 80 quotes
    "time people year way day man world life part house water place work week case point company number group"
    " problem fact hand eye night home story book word business side kind head father power line end law car"
    " city name team minute idea body information back face level office door health art war history party"
    " result change morning reason research girl moment air teacher force education foot boy age policy"
    " process music market sense"
).split()


def words(count: int, salt: str) -> str:
    """Text of `count` tokens that differs from its first word on for every `salt`."""
    draw = random.Random(salt)
    return " ".join(draw.choice(WORDS) for _ in range(count))


def question(salt: str, count: int = 20) -> str:
    """A short request with an answer of some length; `count` is the words that make it unlike others."""
    return f"{words(count, salt)}. Tell a long story with these words."


CODE = "\n".join(
    f"def step_{number}(value):\n    result = value * {number} + {number * 7 % 10}\n    return result\n"
    for number in range(1, 11)
)
"""A file of 40 lines in which a line is much like others, as code is."""


def edit(salt: str) -> str:
    """A task whose answer repeats most of its prompt."""
    return f"# {words(5, salt)}\n{CODE}\nRepeat this code exactly, with step_3 renamed to third."
