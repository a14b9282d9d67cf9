"""The pace: chunks follow measured speed."""

from __future__ import annotations

from gateway.engine.schedule.pace import MIN_CHUNK, Pace


def test_budget_follows_measured_speed() -> None:
    """When prompt tokens turn out slower, later chunks get smaller; when decodes take most of the time,
    smaller still.
    """
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


def test_the_two_kernels_of_a_prompt_are_not_mixed_up() -> None:
    """Short prompts, which the slower kernel computes, do not make the chunks of a long one small."""
    pace = Pace(prefill_token_ns=4e6, max_stall_ns=250_000_000, max_chunk=512, kernel_min_rows=64)
    for _ in range(50):
        pace.learn(duration_ns=350_000_000, prefill_tokens=35, decode_tokens=0)
    assert pace.budget(decoding=3) == 64
    assert (pace.token_ns(35), pace.token_ns(64)) == (10e6, 4e6)


def test_a_chunk_too_small_for_the_fast_kernel_keeps_the_limit_with_the_slow_one() -> None:
    """Where 64 rows would take far too long, the chunk is what the slower kernel computes in time."""
    pace = Pace(prefill_token_ns=10e6, max_stall_ns=250_000_000, max_chunk=512, kernel_min_rows=64)
    assert pace.budget(decoding=3) == 25
    pace.learn(duration_ns=500_000_000, prefill_tokens=25, decode_tokens=0)
    assert pace.budget(decoding=3) == MIN_CHUNK


def test_an_old_figure_of_the_faster_kernel_does_not_keep_it_unused() -> None:
    """Chunks became too small for it while the machine was slow; when small ones are fast again, it is
    tried again.
    """
    pace = Pace(prefill_token_ns=20e6, max_stall_ns=250_000_000, max_chunk=512, kernel_min_rows=64)
    assert pace.budget(decoding=1) < 64
    for _ in range(30):
        pace.learn(duration_ns=64_000_000, prefill_tokens=16, decode_tokens=0)
    assert pace.budget(decoding=1) >= 62


def test_a_machine_that_changes_is_noticed_within_a_few_steps() -> None:
    """Three times slower at once: after three steps the figure is nearer to the new speed than to the old
    one.
    """
    pace = Pace(prefill_token_ns=3e6, max_stall_ns=250_000_000, max_chunk=512, kernel_min_rows=64)
    for _ in range(3):
        pace.learn(duration_ns=64 * 9_000_000, prefill_tokens=64, decode_tokens=0)
    assert pace.prefill_token_ns > 7e6
