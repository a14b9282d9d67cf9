"""The pace: how many prompt tokens fit into a step, from measured speed, so that running streams never wait
long.
"""

from __future__ import annotations

from dataclasses import dataclass, field

WEIGHT = 0.2
"""Of a new measurement in the moving averages."""

SURPRISE, SURPRISED_WEIGHT = 1.8, 0.6
"""A measurement that is so many times more or less than expected counts for more: the machine has changed."""

FORGET = 0.01
"""The speed at which a bad experience with drafting is forgotten, per step without: it may have been another
program's doing.
"""

SMALL_SHARE = 0.5
"""From this share of the faster kernel's rows on, a chunk is filled up to them: it takes about as long."""

MIN_CHUNK = 16
"""A prompt always gets this far per step, or it would never end."""

KNOWN_AFTER = 3
"""Steps with as many sequences, until it is known what one takes."""

MIN_ALONE = 64
"""The same for a step that nobody else waits for: enough for the faster kernel
(`gateway.engine.cache.blocks`).
"""


def moved(average: float, measured: float) -> float:
    """The average after one more measurement."""
    surprising = not average / SURPRISE <= measured <= average * SURPRISE
    return average + (SURPRISED_WEIGHT if surprising else WEIGHT) * (measured - average)


@dataclass(frozen=True, slots=True)
class PromptSpeed:
    """The time of prompt tokens with some number of threads (ns)."""

    token_ns: float
    small_token_ns: float

    def scaled(self, factor: float) -> PromptSpeed:
        """Slower by a factor."""
        return PromptSpeed(self.token_ns * factor, self.small_token_ns * factor)


@dataclass(frozen=True, slots=True)
class DecodeSpeed:
    """The time of steps of answers with some number of threads (ns), by sequences in them."""

    step_ns: float
    by_decoding: dict[int, tuple[int, float]]


@dataclass(slots=True)
class Pace:
    """Moving averages of what a prompt token, a decode-only step, the copy of a token's state and a drafted
    token cost (ns).

    `max_stall_ns` bounds a step that decodes; `max_chunk` bounds any step (tokens), which also bounds how
    long a cancel or a new request waits. `kernel_min_rows` are the tokens from which the backend's faster
    kernel computes a prompt; `small_token_ns` is what a prompt token costs with the slower one (0: not
    measured).
    """

    prefill_token_ns: float
    max_stall_ns: int
    max_chunk: int
    decode_step_ns: float = 0.0
    copy_token_ns: float = 20_000.0
    kernel_min_rows: int = 0
    draft_token_ns: float = 0.0
    draft_step_ns: float = 0.0
    small_token_ns: float = 0.0
    contended: bool = False
    """Other programs take cores now: what steps take longer than usual is their doing."""
    _by_decoding: dict[int, tuple[int, float]] = field(default_factory=dict)
    """Sequences in a decode-only step → such steps seen, and their moving average (ns)."""
    _prompt_by_threads: dict[int, PromptSpeed] = field(default_factory=dict)
    _decode_by_threads: dict[int, DecodeSpeed] = field(default_factory=dict)
    """The speeds that were last measured with other numbers of threads."""
    _calm: tuple[PromptSpeed, DecodeSpeed] | None = None
    """The speeds that were last measured while nobody else took cores."""

    def expect(self, decoding: int) -> bool:
        """So many sequences will decode: from now on `decode_step_ns` is for them. Returns whether that is
        known.

        Where most steps carry drafts, few plain ones are left to follow a change of their number.
        """
        seen, step_ns = self._by_decoding.get(decoding, (0, 0.0))
        if seen < KNOWN_AFTER:
            return False
        self.decode_step_ns = step_ns
        return True

    def draft_ns(self, drafted: int) -> float:
        """The time (ns) that a step with so many drafted tokens takes longer: a part for the step, and one
        for each of them.

        Until it is measured: half a step (more than one row takes slower kernels), and what a prompt token
        costs.
        """
        step_ns = self.draft_step_ns or self.decode_step_ns / 2
        return step_ns + drafted * (self.draft_token_ns or self.prefill_token_ns)

    def budget(self, decoding: int) -> int:
        """Prompt tokens for the next step beside `decoding` sequences."""
        if decoding == 0:
            return max(MIN_ALONE, min(self.max_chunk, int(2 * self.max_stall_ns / self.prefill_token_ns)))
        left_ns = self.max_stall_ns - self.decode_step_ns
        chunk = int(left_ns / self.prefill_token_ns)
        if SMALL_SHARE * self.kernel_min_rows <= chunk <= self.kernel_min_rows:
            return min(self.kernel_min_rows, self.max_chunk)
        if chunk < self.kernel_min_rows:
            chunk = int(left_ns / self.token_ns(chunk))
        return max(MIN_CHUNK, min(self.max_chunk, chunk))

    def token_ns(self, tokens: int) -> float:
        """The time (ns) of each of so many prompt tokens that are computed in one step."""
        if 0 < tokens < self.kernel_min_rows and self.small_token_ns:
            return self.small_token_ns
        return self.prefill_token_ns

    def learn(self, duration_ns: int, prefill_tokens: int, decode_tokens: int, drafted: int = 0) -> None:
        """Take in one measured step."""
        if drafted and not prefill_tokens:
            self._learn_draft(duration_ns - self.decode_step_ns, drafted)
        elif prefill_tokens == 0:
            self.draft_token_ns += FORGET * (self.prefill_token_ns - self.draft_token_ns)
            self.draft_step_ns += FORGET * (self.decode_step_ns / 2 - self.draft_step_ns)
            self.decode_step_ns = moved(self.decode_step_ns, duration_ns)
            self._learn_step(duration_ns, decode_tokens)
        elif prefill_tokens >= MIN_CHUNK:
            beside_ns = self.decode_step_ns if decode_tokens else 0.0
            cost_ns = max(1.0, (duration_ns - beside_ns) / prefill_tokens)
            if prefill_tokens < self.kernel_min_rows:
                self.small_token_ns = moved(self.small_token_ns, cost_ns) if self.small_token_ns else cost_ns
                # the faster kernel is never slower: its figure is old
                if self.small_token_ns < self.prefill_token_ns:
                    self.prefill_token_ns = moved(self.prefill_token_ns, self.small_token_ns)
            else:
                self.prefill_token_ns = moved(self.prefill_token_ns, cost_ns)

    def keep_calm(self, decode_threads: int, prompt_threads: int) -> None:
        """Nobody takes cores from so many threads now: remember what they can do."""
        self._calm = prompt, decode = self._prompt_speed(), self._decode_speed()
        self._prompt_by_threads[prompt_threads], self._decode_by_threads[decode_threads] = prompt, decode

    def use_prompt_threads(self, before: int, after: int) -> None:
        """Another number of threads computes prompts from now on: what was last measured with as many holds,
        or else a guess.

        Where threads are given up, others slowed them: what is remembered of them is from before that.
        """
        if after > before:
            self._prompt_by_threads[before] = self._prompt_speed()
        known = self._prompt_by_threads.get(before) or self._prompt_speed()
        speed = self._prompt_by_threads.get(after) or known.scaled(max(1.0, before / after))
        self.prefill_token_ns, self.small_token_ns = speed.token_ns, speed.small_token_ns

    def use_decode_threads(self, before: int, after: int) -> None:
        """The same for tokens of answers."""
        if after > before:
            self._decode_by_threads[before] = self._decode_speed()
        known = self._decode_by_threads.get(before) or self._decode_speed()
        speed = self._decode_by_threads.get(after) or known
        self.decode_step_ns, self._by_decoding = speed.step_ns, dict(speed.by_decoding)

    def lost_ns(self, duration_ns: int, prefill_tokens: int, decode_tokens: int) -> int:
        """The time (ns) that a step took longer than it would have with all cores: 0 unless others take some
        (estimated).
        """
        if not self.contended or self._calm is None:
            return 0
        prompt, decode = self._calm
        small = 0 < prefill_tokens < self.kernel_min_rows and prompt.small_token_ns
        expected_ns = prefill_tokens * (prompt.small_token_ns if small else prompt.token_ns)
        if decode_tokens:
            expected_ns += decode.by_decoding.get(decode_tokens, (0, decode.step_ns))[1]
        return max(0, int(duration_ns - expected_ns))

    def _prompt_speed(self) -> PromptSpeed:
        return PromptSpeed(self.prefill_token_ns, self.small_token_ns)

    def _decode_speed(self) -> DecodeSpeed:
        return DecodeSpeed(self.decode_step_ns, dict(self._by_decoding))

    def _learn_step(self, duration_ns: int, decoding: int) -> None:
        seen, step_ns = self._by_decoding.get(decoding, (0, 0.0))
        weight = max(WEIGHT, 1 / (seen + 1))
        self._by_decoding[decoding] = (seen + 1, step_ns + weight * (duration_ns - step_ns))

    def _learn_draft(self, extra_ns: float, drafted: int) -> None:
        """Share what a step took longer than expected between its two parts."""
        wrong_ns = WEIGHT * (extra_ns - self.draft_ns(drafted))
        token_ns = self.draft_token_ns or self.prefill_token_ns
        step_ns = self.draft_step_ns or self.decode_step_ns / 2
        self.draft_token_ns = max(1.0, token_ns + wrong_ns / 2 / drafted)
        self.draft_step_ns = max(1.0, step_ns + wrong_ns / 2)

    def learn_copy(self, duration_ns: int, tokens: int) -> None:
        """Take in one state that was read back; what is saved on the way costs about as much again."""
        self.copy_token_ns += WEIGHT * (2 * duration_ns / max(1, tokens) - self.copy_token_ns)
