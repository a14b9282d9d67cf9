"""Rules of requests as tokens, and what they do to logits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gateway.engine.logits.resolve import RulesError, resolve
from gateway.engine.logits.rules import LogitRules
from gateway.sampling import NEVER, TokenRules

SIZE = 128
END, OTHER_END = 3, 4


class Ascii:
    """A character is a token."""

    n_vocab = SIZE
    end_tokens = (END, OTHER_END)

    def plain_tokens(self, text: str) -> list[int]:
        return [ord(character) for character in text]


def rules(stop_tokens: tuple[int, ...] = (), **given: Any) -> LogitRules:
    found = resolve(TokenRules(**given), stop_tokens, Ascii())
    assert found is not None
    return found


def forbidden(made: LogitRules, answer: str | list[int] = "") -> set[int]:
    """The tokens that cannot follow an answer."""
    logits = np.zeros(SIZE, dtype=np.float32)
    sampled = [ord(one) for one in answer] if isinstance(answer, str) else answer
    assert made.apply(logits, sampled) is None
    return set(np.flatnonzero(logits == NEVER).tolist())


def test_no_rules_are_none() -> None:
    """So that nothing is done for a request that has none."""
    assert resolve(TokenRules(), (7,), Ascii()) is None


def test_biases_are_added() -> None:
    """Of tokens and of all tokens of a text; several for one token add up; `NEVER` is never."""
    made = rules(logit_bias=((65, 1.5), ("AB", 2.0), (67, NEVER), (67, 100.0)))
    logits = np.ones(SIZE, dtype=np.float32)
    assert made.apply(logits, []) is None
    assert (logits[65], logits[66], logits[67], logits[68]) == (4.5, 3.0, NEVER, 1.0)


def test_ends_are_ignored_or_come_late() -> None:
    """`ignore_eos` forbids them always, `min_tokens` them and stop tokens until there are so many."""
    assert forbidden(rules(ignore_eos=True), "x" * 50) == {END, OTHER_END}
    late = rules(stop_tokens=(66, SIZE + 5), min_tokens=2)
    assert forbidden(late) == forbidden(late, "x") == {END, OTHER_END, 66}
    assert forbidden(late, "xx") == set()


def test_bad_words_are_not_completed() -> None:
    """Those of one token are forbidden, the last of several behind the others; with a space before it too."""
    made = rules(bad_words=("cat", "b", "at"))
    assert forbidden(made) == {ord("b")}
    assert forbidden(made, "a c") == {ord("b")}
    assert forbidden(made, " ca") == forbidden(made, "ca") == {ord("b"), ord("t")}
    assert forbidden(made, "c") == {ord("b")}
    assert forbidden(rules(bad_words=("ab",)), "xa") == {ord("b")}
    assert forbidden(rules(bad_words=(" ",)), "") == {ord(" ")}


def test_only_allowed_tokens_are_left() -> None:
    """And of them those that no other rule forbids."""
    made = rules(allowed_tokens=(70, 71, 72), logit_bias=((71, NEVER),))
    assert set(range(SIZE)) - forbidden(made) == {70, 72}


def test_where_nothing_may_follow_the_answer_ends() -> None:
    """The run of two letters is all that the allowed ones can be."""
    made = rules(allowed_tokens=(ord("b"),), bad_words=("ab", "bb"))
    logits = np.zeros(SIZE, dtype=np.float32)
    assert made.apply(logits, [ord("b")]) == END


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"logit_bias": ((SIZE, 1.0),)}, "logit_bias"),
        ({"logit_bias": ((-1, 1.0),)}, "logit_bias"),
        ({"allowed_tokens": (5, SIZE)}, "allowed_token_ids"),
        ({"allowed_tokens": (END,), "ignore_eos": True}, "allowed_token_ids"),
    ],
)
def test_what_cannot_be_obeyed_is_blamed_on_its_field(given: dict[str, Any], param: str) -> None:
    """With the size of the vocabulary where that is why."""
    with pytest.raises(RulesError) as error:
        rules(**given)
    assert error.value.param == param
    assert (str(SIZE) in str(error.value)) == ("ignore_eos" not in given)
