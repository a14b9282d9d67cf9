"""One alert rule, said once; `files` writes it for Prometheus and for Grafana.

The threshold stands beside the value, not in it: Prometheus gets `(value) > limit`, Grafana the value as
query A and the threshold as condition. So a value of 0 can be over a limit, and both programs see the figure
that the text names. Expressions hold no `$`, and texts use `.Labels`: Grafana would take `$` for a variable
of its environment.
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

ABOVE, BELOW = "gt", "lt"
"""On which side of the limit a rule fires, in Grafana's words."""
SIGNS = {ABOVE: ">", BELOW: "<"}
"""The same in PromQL."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule. It fires where `value` has been above or below `limit` for `hold`; `board` and `panel` are
    where to look.

    `delay` says what else passes before it fires, beside one evaluation a minute.
    """

    name: str
    value: str
    fires: str
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
    def expr(self) -> str:
        """Value and threshold in PromQL."""
        return f"({self.value}) {SIGNS[self.fires]} {self.limit:.6g}"
