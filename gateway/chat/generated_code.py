"""The code that a chat template becomes: like Jinja's, but it asks the sandbox before it builds a value
(`gateway.chat.sandbox`).
"""

from __future__ import annotations

from collections.abc import Iterable

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame


class SandboxCode(CodeGenerator):
    """Generated code that asks the environment for what Jinja would write inline."""

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802 - Jinja finds visitors by name
        self._asking("joined", node.nodes, frame)

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:  # noqa: N802
        if not isinstance(node.arg, nodes.Slice):
            super().visit_Getitem(node, frame)
            return
        none = nodes.Const(None)
        self._asking(
            "cut",
            [node.node, *(part or none for part in (node.arg.start, node.arg.stop, node.arg.step))],
            frame,
        )

    def visit_List(self, node: nodes.List, frame: Frame) -> None:  # noqa: N802
        self.write("environment.allowance.result(")
        super().visit_List(node, frame)
        self.write(")")

    def visit_Dict(self, node: nodes.Dict, frame: Frame) -> None:  # noqa: N802
        self.write("environment.allowance.result(")
        super().visit_Dict(node, frame)
        self.write(")")

    def visit_Tuple(self, node: nodes.Tuple, frame: Frame) -> None:  # noqa: N802
        if node.ctx != "load":
            super().visit_Tuple(node, frame)
            return
        self.write("environment.allowance.result(")
        super().visit_Tuple(node, frame)
        self.write(")")

    def _asking(self, name: str, parts: Iterable[nodes.Expr], frame: Frame) -> None:
        self.write(f"environment.{name}(")
        for part in parts:
            self.visit(part, frame)
            self.write(", ")
        self.write(")")
