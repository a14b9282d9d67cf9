"""One alert rule, said once; `files` writes it for Prometheus and for Grafana.

The threshold stands beside the value, not in it: Prometheus gets `(value) > limit`, Grafana the value as query A and the
threshold as condition. So a value of 0 can be over a limit, and both programs see the figure that the text names.
Expressions hold no `$`, and texts use `.Labels`: Grafana would take `$` for a variable of its environment.
"""

from __future__ import annotations

from dataclasses import dataclass

MODEL = "{{ .Labels.gen_ai_request_model }}"
JOB = "{{ .Labels.job }}"
INSTANCE = "{{ .Labels.instance }}"
FAMILY = "{{ .Labels.family }}"

VALUE = "<value>"
"""In a text: the figure, in each program's own way of naming it."""
PERCENT = f"{{{{ {VALUE} | humanizePercentage }}}}"
DURATION = f"{{{{ {VALUE} | humanizeDuration }}}}"
NUMBER = f"{{{{ {VALUE} | humanize }}}}"

BY_MODEL = "job, gen_ai_request_model"
BY_PROCESS = "job, instance"

SIGNS = {"gt": ">", "lt": "<"}
"""Grafana's evaluator → PromQL's operator."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule. It fires where `value` has been on the wrong side of `limit` for `hold`; `board` and `panel` are where to look.

    `delay` says what else passes before it fires, beside one evaluation a minute.
    """

    name: str
    value: str
    above: bool
    limit: float
    hold: str
    severity: str
    summary: str
    description: str
    board: str
    panel: str
    slo: str = ""
    delay: str = ""

    @property
    def evaluator(self) -> str:
        """Grafana's name of the comparison."""
        return "gt" if self.above else "lt"

    @property
    def expr(self) -> str:
        """Value and threshold in PromQL."""
        return f"({self.value}) {SIGNS[self.evaluator]} {self.limit:.6g}"
