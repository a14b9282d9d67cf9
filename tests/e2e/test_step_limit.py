"""A step that takes too long, on the real model: its prompt is refused, streams go on, and the process is
the same one.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.e2e.serving import Served, frames, together

LONG = " ".join(
    f"Paragraph {number}: the clock in room {number} is {number * 7} years old." for number in range(200)
)
WHOLE_PROMPT_IN_A_STEP = (
    "--engine-n-batch",
    "4096",
    "--engine-n-ubatch",
    "4096",
    "--engine-max-stall-ms",
    "600000",
)


def test_a_step_that_takes_too_long(launch: Callable[..., Served]) -> None:
    """The long prompt gets an error that says what to do, the stream beside it all its tokens, and the
    next request an answer.
    """
    served = launch(
        "--engine-n-ctx",
        "6144",
        "--engine-slots",
        "2",
        "--engine-step-timeout-s",
        "2",
        *WHOLE_PROMPT_IN_A_STEP,
    ).start()
    pid = served.engine_pid

    def stream() -> int:
        with served.stream(max_tokens=120) as response:
            return sum(
                bool(
                    frame != "[DONE]" and frame.get("choices") and frame["choices"][0]["delta"].get("content")
                )
                for frame in frames(response)
            )

    tokens, refused = together(stream, lambda: served.chat(LONG, max_tokens=4))
    assert refused.status_code == 500, refused.text
    assert "engine.step_timeout_s" in refused.json()["error"]["message"]
    assert tokens > 60
    assert served.chat("Hi!").status_code == 200
    assert served.engine_pid == pid
