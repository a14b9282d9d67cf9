"""A draft model through llama.cpp: same greedy text with a right and with a wrong one, and which models
are refused.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

import gguf
import pytest

from bench.layers import write_layers
from gateway.engine.backend import BackendError, Batch, Part, StepResult
from gateway.engine.cache.prefix_cache import PrefixCache
from gateway.engine.cache.reasons import Comparison
from gateway.engine.cache.tiers.ram import RamTier
from gateway.engine.embedding.engine import EmbeddingEngine
from gateway.engine.engine import Engine
from gateway.engine.llama.backend import LlamaBackend
from gateway.engine.llama.load import load_llama
from gateway.engine.llama.model import ModelError
from gateway.engine.options import EngineOptions
from gateway.engine.protocol import Delta, Finished
from gateway.engine.schedule.pace import Pace
from gateway.engine.schedule.placement import Placement
from gateway.engine.schedule.scheduler import Scheduler
from gateway.engine.sequence.lookup import Lookup
from gateway.engine.sequence.request import GenerationRequest
from gateway.engine.sequence.sequence import Sequence
from gateway.engine.speculative.choice import DraftCosts
from gateway.engine.speculative.drafting import Drafting
from gateway.models.storage import DEMO_MODEL, resolve
from gateway.sampling import Sampling
from telemetry.events import CacheReason
from tests.engine.tiny_bert import write_bert

SLOTS = 3
MODEL = resolve(DEMO_MODEL).path
PLACES = ("a lighthouse", "a bakery", "the moon", "a library", "an old ship", "a garden")


@pytest.fixture(scope="module")
def shallow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A draft model that is fast and mostly wrong: the model's first layers."""
    return write_layers(tmp_path_factory.mktemp("draft") / "shallow.gguf", MODEL, kept=3)


def loaded(folder: Path, *, draft_model: str = "", speculative: str = "ngram") -> Engine:
    options = EngineOptions(
        model="tiny",
        path=str(MODEL),
        digest_cache=str(folder / "digests.json"),
        slots=SLOTS,
        n_ctx=480,
        threads=1,
        draft_model=draft_model,
        speculative=speculative,
    )
    engine = load_llama(options, lambda _message: None)
    assert not isinstance(engine, EmbeddingEngine)
    return engine


class Rig:
    """A loaded engine without its process. Drafting seems to cost nothing, so that it goes on however slow
    it is here.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        if isinstance(engine.drafting, Drafting):
            engine.drafting.costs = DraftCosts(1, 1, 1)
        self.cache = PrefixCache(RamTier(10**9))
        pace = Pace(3e6, int(10e9), 512, kernel_min_rows=engine.backend.kernel_min_rows)
        self.scheduler = Scheduler(
            placement=Placement(SLOTS, engine.backend, self.cache, pace, time.monotonic_ns),
            n_ctx=480,
            max_batch=512,
            pace=pace,
            vocabulary=engine.tokens,
            drafting=engine.drafting,
        )
        self.texts: dict[str, str] = {}
        self.drafted = self.accepted = self.step_ns = 0

    def add(self, name: str, prompt: str, count: int) -> None:
        request = GenerationRequest(
            id=name,
            prompt=self.engine.tokens.tokenize(prompt),
            sampling=Sampling(temperature=0.0),
            max_tokens=count,
        )
        lookup = Lookup(cacheable=True, comparison=Comparison(CacheReason.NEW_CONVERSATION))
        self.scheduler.add(Sequence(request, time.monotonic_ns(), lookup=lookup))

    def turn(self) -> None:
        """A step takes 100 ms on this clock, its drafts nothing."""
        batch = self.scheduler.plan(self.step_ns)
        if not batch.parts:
            return
        if batch.draft_requests and self.engine.draft_model is not None:
            drafts = self.engine.draft_model.draft(batch.draft_requests)
            drafts.rounds, drafts.caught_up = (
                [(rows, 1) for rows, _ in drafts.rounds],
                (drafts.caught_up[0], 1),
            )
            batch = self.scheduler.drafting.take(batch, drafts)
        sampled = self.engine.backend.compute(batch)
        self.drafted += batch.drafted
        self.accepted += sum(len(sampled[part.slot]) - 1 for part in batch.parts if part.drafted)
        outcome = self.scheduler.apply(batch, StepResult(self.step_ns, self.step_ns + 100_000_000, sampled))
        self.step_ns += 100_000_000
        said: list[Delta | Finished] = [*outcome.deltas, *outcome.finished]
        for told in said:
            self.texts[told.id] = self.texts.get(told.id, "") + told.text
        self.scheduler.check_integrity()
        self._check_states()

    def run(self) -> dict[str, str]:
        while not self.scheduler.idle:
            self.turn()
        return self.texts

    def _check_states(self) -> None:
        """What the draft model's slots are believed to hold is what is in them."""
        if self.engine.draft_model is not None:
            backend = self.engine.draft_model.backend
            assert isinstance(backend, LlamaBackend)
            for slot, held in enumerate(self.engine.draft_model.states.tokens):
                assert backend.holds(slot) == len(held), f"slot {slot}"


def chats(rig: Rig) -> dict[str, str]:
    """Six stories in three slots; one is cancelled; then each goes on for a second turn, where its slot is
    or another one.
    """
    draw = random.Random(3)
    prompts = {place: f"Once upon a time there was {place}, and" for place in PLACES}
    for place, prompt in prompts.items():
        rig.add(place, prompt, 40)
        for _ in range(draw.randrange(8)):
            rig.turn()
    rig.add("cancelled", "One, two, three, four,", 60)
    for _ in range(4):
        rig.turn()
    rig.scheduler.cancel("cancelled", rig.step_ns)
    first = dict(rig.run())
    first.pop("cancelled", None)
    for place in reversed(PLACES):
        rig.add(f"{place} again", f"{prompts[place]}{first[place]} Then one day", 30)
    again = rig.run()
    return {name: text for name, text in again.items() if name != "cancelled"}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is said without a draft model."""
    return chats(Rig(loaded(tmp_path_factory.mktemp("plain"))))


def test_a_draft_model_that_is_right(plain: dict[str, str], tmp_path: Path) -> None:
    """The model as its own draft model: nearly every guess is accepted, and the text is the same."""
    rig = Rig(loaded(tmp_path, draft_model=str(MODEL)))
    assert chats(rig) == plain
    assert rig.drafted > 200
    assert rig.accepted > 0.9 * rig.drafted


def test_a_draft_model_that_is_mostly_wrong(plain: dict[str, str], shallow: Path, tmp_path: Path) -> None:
    """Its guesses are taken back, from both models' states, and the text is the same."""
    rig = Rig(loaded(tmp_path, draft_model=str(shallow)))
    assert chats(rig) == plain
    assert rig.drafted > 20
    assert rig.accepted < 0.7 * rig.drafted
    assert {"weights", "kv", "compute"} <= set(rig.engine.buffers)
    assert rig.engine.config.draft_model.startswith("shallow.gguf (")


def test_its_memory_is_counted(shallow: Path, tmp_path: Path) -> None:
    """Each part is larger by what the draft model has of it."""
    without, with_draft = loaded(tmp_path), loaded(tmp_path, draft_model=str(shallow))
    assert {part for part, size in with_draft.buffers.items() if size > without.buffers[part]} == {
        "weights",
        "kv",
        "compute",
    }
    assert with_draft.config.config_id != without.config.config_id


def test_off_means_off(shallow: Path, tmp_path: Path) -> None:
    """Without speculative decoding the draft model is not even loaded."""
    engine = loaded(tmp_path, draft_model=str(shallow), speculative="off")
    assert engine.draft_model is None
    assert engine.config.draft_model == ""


def test_a_draft_that_is_given_up(shallow: Path, tmp_path: Path) -> None:
    """The brake stops the draft model's computation too."""
    engine = loaded(tmp_path, draft_model=str(shallow))
    assert engine.draft_model is not None
    backend = engine.draft_model.backend
    assert isinstance(backend, LlamaBackend)
    backend._abort_flag.clear = lambda: None  # type: ignore[method-assign]  # it is set while the computation runs
    backend.abort()
    with pytest.raises(BackendError, match="given up"):
        backend.compute(Batch((Part(0, (1, 2, 3), 0, sample=True, prefill=True),)))


def rewritten(path: Path, source: Path, **changed: object) -> Path:
    """A copy of a model file with other metadata."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(path, "llama")
    for field in reader.fields.values():
        if field.name == "general.architecture" or field.name.startswith("GGUF."):
            continue
        kind = field.types[0]
        element = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(
            field.name, changed.get(field.name.replace(".", "_"), field.contents()), kind, sub_type=element
        )
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def tokens_of(path: Path) -> list[str]:
    return list(gguf.GGUFReader(path).fields["tokenizer.ggml.tokens"].contents())


def refusal(draft: Path, folder: Path) -> str:
    with pytest.raises(ModelError) as refused:
        loaded(folder, draft_model=str(draft))
    assert "engine.draft_model" in str(refused.value)
    assert "give another model" in str(refused.value)
    return str(refused.value)


def test_another_vocabulary_is_refused(shallow: Path, tmp_path: Path) -> None:
    """Of another kind, with another end of text, or with one token that means something else: each is
    named.
    """
    assert "model for embeddings" in refusal(write_bert(tmp_path / "bert.gguf"), tmp_path)
    other_end = rewritten(tmp_path / "end.gguf", shallow, tokenizer_ggml_eos_token_id=7)
    assert "ends with token 7" in refusal(other_end, tmp_path)
    tokens = tokens_of(shallow)
    tokens[1000] = "firsttokens"
    other_token = rewritten(tmp_path / "token.gguf", shallow, tokenizer_ggml_tokens=tokens)
    assert "token 1000 is 'firsttokens' in it" in refusal(other_token, tmp_path)


def test_a_file_that_was_cut_short_is_refused(shallow: Path, tmp_path: Path) -> None:
    """A download that broke off."""
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(shallow.read_bytes()[: shallow.stat().st_size // 2])
    assert "complete GGUF file" in refusal(cut, tmp_path)
