"""A finding of the regression watch: a speed that changed with the engine's configuration."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SpeedChange:
    """A measure of one model and context bucket that changed
    beyond noise from one engine configuration to the next.

    `before` and `after` are medians in tokens per second, `p_value` the chance that they differ by chance.
    """

    model: str
    context_bucket: str
    measure: str
    before_config_id: str
    after_config_id: str
    before: float
    after: float
    before_count: int
    after_count: int
    p_value: float

    @property
    def key(self) -> tuple[str, ...]:
        """The key that makes it one event, reported once."""
        return self.before_config_id, self.after_config_id, self.context_bucket, self.measure

    @property
    def direction(self) -> str:
        """`faster` or `slower`."""
        return "faster" if self.after > self.before else "slower"
