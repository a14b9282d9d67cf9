"""KV types: which pairs go, and that the real model computes with those that are said to."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from gateway.engine.llama.kv_types import TYPES, refusal, share
from tests.e2e.serving import MODEL, Served, until


@pytest.mark.parametrize("values", ["q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"])
def test_quantised_values_need_flash_attention(values: str) -> None:
    """The refusal names the setting and the remedy."""
    assert "engine.flash_attention" in refusal("f16", values, flash_attention=False)
    assert refusal("f16", values, flash_attention=True) == ""
    assert refusal(values, "f16", flash_attention=False) == "", "keys may be quantised without it"


def test_share_of_memory() -> None:
    """Relative to f16 for both."""
    assert share("f16", "f16") == 1
    assert share("q8_0", "q8_0") == pytest.approx(0.531, abs=0.001)


def test_quantised_kv_on_the_real_model(launch: Callable[..., Served]) -> None:
    """The types are in the configuration, a chat works, and its second turn comes from the cache."""
    served = launch(
        "--engine-kv-type-k", "q8_0", "--engine-kv-type-v", "q4_0", "--engine-n-ctx", "1024"
    ).start()
    config = httpx.get(f"{served.base_url}/v1/models/{MODEL}").json()
    assert '"q8_0"' in str(config).replace("'", '"')
    first = [{"role": "user", "content": "What is a clock?"}]
    answer = served.chat(messages=first).json()["choices"][0]["message"]["content"]
    again = served.chat(
        messages=[
            *first,
            {"role": "assistant", "content": answer},
            {"role": "user", "content": "And a watch?"},
        ]
    ).json()
    assert again["timings"]["cache_n"] > 20
    assert served.stop() == 0


def test_wrong_pair_is_refused_with_the_reason(launch: Callable[..., Served]) -> None:
    """Readiness says why, and what to do."""
    served = launch(
        "--engine-kv-type-v", "q8_0", "--engine-flash-attention", "false", "--engine-n-ctx", "512"
    ).start(wait=False)

    def said() -> str:
        try:
            text = httpx.get(f"{served.base_url}/readyz", timeout=5).text
        except httpx.TransportError:
            return ""
        return text if "quantised" in text else ""

    assert "engine.flash_attention" in until(said, 60, "the reason")
    assert set(TYPES) >= {"f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"}
