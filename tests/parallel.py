"""Which tests run beside each other when pytest-xdist has several workers (`make test` takes two), and which
have the machine for themselves.

A file is one piece of work, since its fixtures are made once. The longest pieces begin first, so that the
workers end at about the same time. Then all workers but one end, and the last one runs what measures time to
the millisecond, or needs every core: nothing else of ours runs meanwhile. An engine that runs beside other
tests has one thread (`tests.e2e.serving`): llama.cpp's threads wait for each other in busy loops, which takes
many times as long where there are more of them than cores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:
    from xdist.scheduler import LoadScopeScheduling
except ImportError:  # pytest alone runs all tests one after the other
    LoadScopeScheduling = object

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

ALONE = (
    "tests/e2e/test_adapters.py",
    "tests/e2e/test_contention.py",
    "tests/e2e/test_delays.py",
    "tests/e2e/test_ground_truth.py",
    "tests/engine/test_template_styles.py",
    "tests/engine/test_thread_control.py",
    "tests/engine/test_tuning.py",
)

LONGEST = (
    "tests/engine/test_real_stress.py",
    "tests/store/test_compaction.py",
    "tests/e2e/",
    "tests/grafana/test_data.py",
    "tests/engine/test_draft_model.py",
    "tests/browser/",
    "tests/cli/",
    "tests/store/",
    "tests/engine/",
)
"""Files or folders, the longest first; the rest takes seconds."""


def is_alone(nodeid: str) -> bool:
    """Whether nothing of ours may run beside this test."""
    return nodeid.startswith(ALONE)


def piece(nodeid: str) -> str:
    """The piece of work that a test belongs to."""
    return "alone" if is_alone(nodeid) else nodeid.split("::", 1)[0]


def rank(name: str) -> int:
    """Where a piece stands in the order: what is alone comes last."""
    if name == "alone":
        return len(LONGEST) + 1
    return next((place for place, start in enumerate(LONGEST) if name.startswith(start)), len(LONGEST))


class Scheduler(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives pieces of work to workers: in order, and the last one to the last worker."""

    def _split_scope(self, nodeid: str) -> str:
        return piece(nodeid)

    def schedule(self) -> None:
        self.config.option.loadscopereorder = False  # or a file would be as long as it has tests
        super().schedule()

    def _assign_work_unit(self, node: WorkerController) -> None:
        for name in sorted(self.workqueue, key=rank):
            self.workqueue.move_to_end(name)
        if next(iter(self.workqueue)) != "alone" or not self._others(node):
            super()._assign_work_unit(node)

    def _reschedule(self, node: WorkerController) -> None:
        if node not in self.registered_collections:
            return  # it has replaced one that crashed, and collects
        nearly_done = set(self.workqueue) == {"alone"} and self._pending_of(self.assigned_work[node]) <= 1
        if nearly_done and any(not other.shutting_down for other in self._others(node)):
            node.shutdown()  # once it has done what it has
        else:
            super()._reschedule(node)

    def remove_node(self, node: WorkerController) -> str | None:
        crashed: str | None = super().remove_node(node)
        for other in self.nodes:
            self._reschedule(other)  # perhaps it waited to be alone
        return crashed

    def _others(self, node: WorkerController) -> list[Any]:
        """Workers that have not ended."""
        return [other for other in self.nodes if other is not node]
