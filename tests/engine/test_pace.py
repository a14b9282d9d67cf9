"""The pace: chunks follow measured speed."""

from __future__ import annotations

from gateway.engine.pace import MIN_CHUNK, Pace


def test_budget_follows_measured_speed() -> None:
    """When prompt tokens turn out slower, later chunks get smaller; when decodes take most of the time, smaller still."""
    pace = Pace(prefill_token_ns=1e6, max_stall_ns=250_000_000, max_chunk=512)
    assert pace.budget(decoding=1) == 250
    assert pace.budget(decoding=0) == 500
    for _ in range(50):
        pace.learn(duration_ns=200_000_000, prefill_tokens=100, decode_tokens=0)
    assert 120 <= pace.budget(decoding=1) <= 130
    for _ in range(50):
        pace.learn(duration_ns=125_000_000, prefill_tokens=0, decode_tokens=8)
    assert 60 <= pace.budget(decoding=8) <= 65


def test_a_prompt_always_advances() -> None:
    """Even on a machine whose decode alone breaks the limit, prompts get a least chunk."""
    pace = Pace(prefill_token_ns=1e9, max_stall_ns=1_000_000, max_chunk=512, decode_step_ns=5e9)
    assert pace.budget(decoding=4) == MIN_CHUNK
