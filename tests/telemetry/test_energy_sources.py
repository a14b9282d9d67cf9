"""What is read on which machine: RAPL trees on disk, NVML drivers of all kinds, and the reasons where
there is nothing.
"""

# ruff: noqa: N801, N802, N818 - the names are those of nvidia-ml-py

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

from telemetry.energy import nvml, rapl
from telemetry.energy.sources import OFF, find
from tests.telemetry.rapl_tree import RaplTree


def test_only_packages_are_counted(tmp_path: Path) -> None:
    """Parts of a package, the whole platform and the second view of a package would count energy twice."""
    tree = RaplTree(tmp_path / "powercap", packages=2)
    domains, missing = rapl.open_domains(tree.path)
    assert ([domain.name for domain in domains], missing) == (["RAPL package-0", "RAPL package-1"], [])
    assert [domain.total_j() for domain in domains] == [0.0, 0.0]
    tree.use(12.5, package=1)
    assert [domain.total_j() for domain in domains] == [0.0, 12.5]


def test_a_counter_that_begins_again(tmp_path: Path) -> None:
    """The kernel's counter goes on from 0 after its range; the total goes on."""
    tree = RaplTree(tmp_path / "powercap", range_uj=5_000_000)
    ((domain,), _) = rapl.open_domains(tree.path)
    totals = []
    for _ in range(6):
        tree.use(3.0)
        totals.append(domain.total_j())
    assert totals == pytest.approx([3.0, 6.0, 9.0, 12.0, 15.0, 18.0])


def test_no_rapl_says_where_it_was_looked_for(tmp_path: Path) -> None:
    """No folder, a folder without packages, and a file in the folder's place each have their reason."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    for name, reason in (("gone", "No such file"), ("empty", "no package"), ("file", "Not a directory")):
        counters, report = find(["rapl"], tmp_path / name)
        assert counters == []
        assert str(tmp_path / name) in report.words
        assert reason in report.words


def test_a_counter_that_only_root_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One package of two is unreadable: the other is read, and the reason says what to do."""
    tree = RaplTree(tmp_path / "powercap", packages=2)
    read_text = Path.read_text

    def refuse(file: Path, *args: str, **named: str) -> str:
        if file == tree.counter(1):
            raise PermissionError(13, "Permission denied")
        return read_text(file, *args, **named)

    monkeypatch.setattr(Path, "read_text", refuse)  # the tests may run as root, who may read everything
    counters, report = find(["rapl"], tree.path)
    assert [counter.name for counter in counters] == ["RAPL package-0"]
    assert f"only root may read {tree.counter(1)}" in report.missing[0]
    assert report.words == f"from RAPL package-0 ({report.missing[0]})"


def test_a_damaged_tree_is_a_reason(tmp_path: Path) -> None:
    """Figures that are none raise nothing."""
    tree = RaplTree(tmp_path / "powercap")
    tree.counter().write_text("many\n")
    counters, report = find(["rapl"], tree.path)
    assert counters == []
    assert "invalid literal" in report.words


def test_nothing_is_looked_for_where_nothing_is_wanted(tmp_path: Path) -> None:
    """An empty list of sources turns it off."""
    assert find([], RaplTree(tmp_path / "powercap").path) == ([], OFF)


class FakeNvml(ModuleType):
    """nvidia-ml-py with a driver that has these GPUs."""

    class NVMLError(Exception):
        """Its base."""

    class NVMLError_NotSupported(NVMLError):
        """A device that cannot do that."""

    def __init__(self, energies_mj: list[int | None], power_mw: int = 0) -> None:
        super().__init__("fake_nvml")
        self.energies_mj = energies_mj
        self.power_mw = power_mw
        self.broken = ""

    def nvmlInit(self) -> None:
        if self.broken:
            raise self.NVMLError(self.broken)

    def nvmlDeviceGetCount(self) -> int:
        return len(self.energies_mj)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:
        energy_mj = self.energies_mj[handle]
        if energy_mj is None:
            raise self.NVMLError_NotSupported("Not Supported")
        return energy_mj

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:
        return self.power_mw


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> FakeNvml:
    """Importable as `fake_nvml`."""
    made = FakeNvml([5_000_000, None], power_mw=100_000)
    monkeypatch.setitem(sys.modules, "fake_nvml", made)
    return made


def test_gpus_count_or_are_integrated(driver: FakeNvml, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that counts is read, one that only tells its power is integrated and says so; both begin at 0."""
    now_s = [10.0]
    devices, missing = nvml.open_devices("fake_nvml")
    assert ([device.name for device in devices], missing) == (
        ["NVML GPU 0", "NVML GPU 1 (integrated from power)"],
        [],
    )
    assert devices[0].total_j() == 0.0
    driver.energies_mj[0] = 5_250_000
    assert devices[0].total_j() == 250.0
    driver.energies_mj[0] = 50_000  # the driver was loaded again
    assert devices[0].total_j() == 300.0
    integrated = nvml.PowerDevice(driver, 1, "GPU", clock=lambda: now_s[0])
    driver.power_mw, now_s[0] = 200_000, 12.0
    assert integrated.total_j() == pytest.approx(300.0)


def test_no_gpu_says_why(driver: FakeNvml) -> None:
    """No package, no driver, no device: each is a reason."""
    assert nvml.open_devices("no_such_module_here") == ([], ["NVML: nvidia-ml-py is not installed"])
    driver.energies_mj = []
    assert nvml.open_devices("fake_nvml") == ([], ["NVML: there is no GPU"])
    driver.broken = "Driver Not Loaded"
    assert nvml.open_devices("fake_nvml") == ([], ["NVML: Driver Not Loaded"])


def test_the_real_binding_has_what_is_called() -> None:
    """nvidia-ml-py has every function and error that is used here, and without a driver it is a reason,
    not an error.
    """
    api = importlib.import_module("pynvml")
    names = (
        "Init",
        "DeviceGetCount",
        "DeviceGetHandleByIndex",
        "DeviceGetTotalEnergyConsumption",
        "DeviceGetPowerUsage",
    )
    assert all(callable(getattr(api, f"nvml{name}")) for name in names)
    assert issubclass(api.NVMLError_NotSupported, api.NVMLError)
    devices, missing = nvml.open_devices()
    assert devices or missing[0].startswith("NVML: ")
