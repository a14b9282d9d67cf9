"""No import circle among the modules of the product, lazy imports and those for type checking included."""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from tests.contracts.sources import Import, all_imports, imports_of, own_files

PRODUCT = ("gateway", "telemetry", "dashboard", "migrations")


def module_of(path: Path) -> str:
    """The dotted name of a file."""
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def circle(modules: Iterable[str], imports: Iterable[Import]) -> list[str]:
    """The modules of one circle, the first again at the end; empty where there is none."""
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for found in imports:
        importing = module_of(found.path)
        if importing in graph and found.module in graph and found.module != importing:
            graph[importing].add(found.module)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_module_imports_itself_by_way_of_others() -> None:
    """What is read first does not depend on what is read last."""
    modules = [module_of(path) for path in own_files(".py", folders=PRODUCT)]
    assert not circle(modules, all_imports())


def test_a_circle_is_found() -> None:
    """Also one through a lazy import and one for type checking."""
    sources = {
        "a/x.py": "from a import y",
        "a/y.py": "def f():\n    from a.z import g",
        "a/z.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from a.x import h",
    }
    imports = [found for path, source in sources.items() for found in imports_of(Path(path), source)]
    assert sorted(set(circle(("a.x", "a.y", "a.z"), imports))) == ["a.x", "a.y", "a.z"]
    assert not circle(("a.x", "a.y"), imports)
