"""Samplers, rules and log-probabilities on the real model, without a gateway."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import llama_cpp.llama_cpp as llama
import numpy as np
import pytest

from gateway.engine.backend import Batch, Part
from gateway.engine.llama.backend import ContextOptions, LlamaBackend
from gateway.engine.llama.model import LlamaModel
from gateway.engine.llama.sampler_chain import chain_of
from gateway.engine.logits.resolve import resolve
from gateway.models.storage import DEMO_MODEL
from gateway.models.storage import resolve as model_file
from gateway.sampling import NEVER, ChosenLogprob, Sampling, TokenRules

PROMPT = "Once upon a time, there was a little"
LOOP = "red green blue red green blue red green blue red green"
GREEDY = Sampling(temperature=0.0)
EVERY = Sampling(
    dry_multiplier=1.0,
    repeat_penalty=1.1,
    top_n_sigma=2.0,
    typical_p=0.9,
    xtc_probability=0.1,
    dynatemp_range=0.2,
)

Answer: TypeAlias = tuple[list[int], list[ChosenLogprob]]


@pytest.fixture(scope="module")
def model() -> LlamaModel:
    return LlamaModel(model_file(DEMO_MODEL).path, gpu_layers=0, progress=lambda _fraction: None)


@pytest.fixture(scope="module")
def backend(model: LlamaModel) -> Iterator[LlamaBackend]:
    made = LlamaBackend(model, ContextOptions(n_ctx=256, slots=1, n_batch=256, n_ubatch=256, threads=1))
    yield made
    made.free()


@pytest.fixture(scope="module")
def answer(model: LlamaModel, backend: LlamaBackend) -> Callable[..., Answer]:
    """Makes so many tokens that follow a prompt, with log-probabilities; `guesses` follow the first one."""

    def make(
        count: int = 8,
        sampling: Sampling = GREEDY,
        *,
        prompt: str = PROMPT,
        logprobs: int | None = None,
        guesses: tuple[int, ...] = (),
        **rules: Any,
    ) -> Answer:
        tokens = model.plain_tokens(prompt)
        resolved = resolve(TokenRules(**rules), (), model)
        backend.open(0, sampling, backend.sampler(sampling, tokens, resolved, logprobs))
        part = Part(0, tokens, 0, sample=True, prefill=True)
        found: list[int] = []
        scored: list[ChosenLogprob] = []
        while len(found) < count:
            found += backend.compute(Batch((part,)))[0]
            scored += backend.logprobs.get(0, [])
            drafted, guesses = guesses, ()
            position = len(tokens) + len(found) - 1
            fed = (found[-1], *drafted)
            part = Part(0, fed, position, sample=True, prefill=False, drafted=len(drafted))
        backend.close(0)
        backend.trim(0, 0)
        return found, scored

    return make


def names(model: LlamaModel, sampling: Sampling) -> list[str]:
    """The samplers of a chain, in order."""
    chain = chain_of(sampling, model, ())
    if chain is None:
        return []
    found = [
        llama.llama_sampler_chain_get(chain, index) for index in range(llama.llama_sampler_chain_n(chain))
    ]
    told = [llama.llama_sampler_name(one).decode() for one in found]
    llama.llama_sampler_free(chain)
    return told


def test_the_order_is_llama_cpps(model: LlamaModel) -> None:
    """All of them; those that are off are not there."""
    order = [
        "penalties",
        "dry",
        "top-n-sigma",
        "top-k",
        "typical",
        "top-p",
        "min-p",
        "xtc",
        "temp-ext",
        "dist",
    ]
    assert names(model, EVERY) == order
    assert names(model, Sampling()) == ["top-k", "top-p", "min-p", "temp", "dist"]
    assert names(model, Sampling(top_k=0, top_p=1, min_p=0)) == ["temp", "dist"]
    assert names(model, Sampling(xtc_probability=0.5, xtc_threshold=0.6)) == names(model, Sampling())
    assert names(model, Sampling(dry_multiplier=1, dry_penalty_last_n=0)) == names(model, Sampling())


def test_greedy_is_an_argmax_unless_something_else_may_be_chosen(model: LlamaModel) -> None:
    """What cannot take the likeliest token away costs nothing."""
    assert names(model, GREEDY) == names(model, Sampling(temperature=0, top_n_sigma=1, mirostat=2)) == []
    assert names(model, Sampling(temperature=0, dry_multiplier=1)) == ["dry", "greedy"]
    assert names(model, Sampling(temperature=0, xtc_probability=1))[-2:] == ["xtc", "greedy"]
    assert names(model, Sampling(temperature=0, dynatemp_range=1))[-2:] == ["temp-ext", "dist"]


def test_mirostat_stands_alone(model: LlamaModel) -> None:
    """With the temperature before it, as in llama.cpp; the others are left out."""
    assert names(model, Sampling(mirostat=1, dry_multiplier=1)) == ["temp", "mirostat"]
    assert names(model, Sampling(mirostat=2, xtc_probability=1)) == ["temp", "mirostat-v2"]


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=1.5, top_n_sigma=0.001, top_k=0, seed=1),
        Sampling(temperature=1.5, mirostat=2, mirostat_tau=0.01, mirostat_eta=0, seed=1),
    ],
    ids=["top-n-sigma", "mirostat"],
)
def test_narrow_ones_are_greedy(answer: Callable[..., Answer], sampling: Sampling) -> None:
    """At the end of their range only the likeliest token is left, however hot."""
    tokens = answer(4, sampling, logprobs=0)[0]
    assert tokens == answer(4)[0]


def test_xtc_and_dry_take_the_likeliest_away(answer: Callable[..., Answer], model: LlamaModel) -> None:
    """XTC leaves the last token above the threshold; DRY what would go on with a run of the prompt."""
    xtc = Sampling(temperature=0, top_k=0, top_p=1, min_p=0, xtc_probability=1, xtc_threshold=0.05)
    (first,), (scored,) = answer(1, xtc, logprobs=20)
    above = [one.token for one in scored.top if one.logprob >= math.log(0.05)]
    assert len(above) > 1
    assert first == above[-1]
    blue = model.plain_tokens(" blue")[0]
    dry = Sampling(temperature=0, dry_multiplier=10.0, dry_sequence_breakers=("\n",))
    assert answer(1, prompt=LOOP)[0] == [blue]
    assert answer(1, dry, prompt=LOOP)[0] != [blue]


@pytest.mark.parametrize("change", [{"mirostat": 1}, {"typical_p": 0.3}, {"dynatemp_range": 0.5}])
def test_a_seed_repeats_what_they_choose(answer: Callable[..., Answer], change: dict[str, Any]) -> None:
    """As any other sampler's."""
    sampling = Sampling(temperature=1.0, seed=5, **change)
    assert answer(6, sampling)[0] == answer(6, sampling)[0]


def test_logprobs_are_of_the_model(answer: Callable[..., Answer], model: LlamaModel) -> None:
    """The greedy token is the likeliest; a sampler, a bias and what is forbidden change none of them."""
    tokens, scored = answer(6, logprobs=20)
    assert [one.chosen.token for one in scored] == tokens == answer(6)[0]
    for one in scored:
        assert one.top[0] == one.chosen
        values = [other.logprob for other in one.top]
        assert values == sorted(values, reverse=True)
        assert sum(map(math.exp, values)) <= 1 + 1e-4
    assert b"".join(one.chosen.piece for one in scored) == b"".join(map(model.piece, tokens))
    biased = answer(1, Sampling(temperature=3.0, seed=3), logprobs=20, logit_bias=((tokens[0], NEVER),))[1][0]
    assert biased.top == scored[0].top
    assert biased.chosen.token != tokens[0]
    assert answer(1, logprobs=0)[1][0].top == ()


def test_guesses_change_no_logprob(answer: Callable[..., Answer]) -> None:
    """Right ones are scored with the same step, a wrong one by what was sampled in its place."""
    tokens, scored = answer(8, logprobs=5)
    for guesses in (tuple(tokens[1:5]), (tokens[1], tokens[2], tokens[2] + 1)):
        guessed, found = answer(8, logprobs=5, guesses=guesses)
        assert guessed[:8] == tokens
        for one, other in zip(scored, found, strict=False):
            assert one.chosen.logprob == pytest.approx(other.chosen.logprob, abs=1e-3)
            assert [top.token for top in one.top] == [top.token for top in other.top]


def test_a_bias_forces_and_forbids(answer: Callable[..., Answer], model: LlamaModel) -> None:
    """Also of each token of a text, and against sampling."""
    tokens = answer(6)[0]
    assert tokens[0] not in answer(6, logit_bias=((tokens[0], NEVER),))[0]
    fox = model.plain_tokens(" fox")
    assert set(answer(3, Sampling(seed=1), logit_bias=((" fox", 100.0),))[0]) == set(fox)
    assert set(answer(4, Sampling(temperature=2, seed=1), allowed_tokens=tuple(tokens[:2]))[0]) <= set(
        tokens[:2]
    )


def test_a_bad_word_is_not_completed(answer: Callable[..., Answer], model: LlamaModel) -> None:
    """One of two tokens, which greedy sampling says; each of its tokens may still stand elsewhere."""
    tokens = answer(8)[0]
    word = b"".join(map(model.piece, tokens[2:4])).decode()
    assert model.plain_tokens(word) == tokens[2:4]
    without = answer(8, bad_words=(word,))[0]
    assert without[:3] == tokens[:3]
    assert without[3] != tokens[3]


def test_an_answer_goes_on_where_it_would_end(answer: Callable[..., Answer], model: LlamaModel) -> None:
    """With `ignore_eos` for ever, with `min_tokens` up to so many."""
    end = model.end_tokens[0]
    wish = ((end, 100.0),)
    assert answer(2, logit_bias=wish)[0] == [end, end]
    assert end not in answer(5, logit_bias=wish, ignore_eos=True)[0]
    late = answer(5, logit_bias=wish, min_tokens=3)[0]
    assert (late.index(end), late[3]) == (3, end)


def test_rules_leave_others_alone(model: LlamaModel, backend: LlamaBackend) -> None:
    """The logits are written to only where the sequence's own token is sampled."""
    before = backend.logits(model.plain_tokens(PROMPT), 0)[-1]
    backend.trim(0, 0)
    rules = resolve(TokenRules(ignore_eos=True, allowed_tokens=(7, 8)), (), model)
    backend.open(0, GREEDY, backend.sampler(GREEDY, (), rules, None))
    part = Part(0, model.plain_tokens(PROMPT), 0, sample=True, prefill=True)
    assert backend.compute(Batch((part,)))[0][0] in (7, 8)
    backend.close(0)
    backend.trim(0, 0)
    assert np.array_equal(backend.logits(model.plain_tokens(PROMPT), 0)[-1], before)
    backend.trim(0, 0)
