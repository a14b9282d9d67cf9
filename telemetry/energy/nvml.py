"""NVML: the energy counters of NVIDIA GPUs, through nvidia-ml-py where it is installed (extra `nvidia`).

Volta and later count millijoules themselves; of older devices power is read and integrated, which is as fine
as the readings are frequent.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Sequence
from typing import Any


class EnergyDevice:
    """A GPU that counts its energy."""

    def __init__(self, api: Any, handle: Any, name: str) -> None:
        self.name = name
        self._read_mj: Callable[[], int] = lambda: int(api.nvmlDeviceGetTotalEnergyConsumption(handle))
        self._last_mj = self._read_mj()
        self._total_mj = 0

    def total_j(self) -> float:
        now_mj = self._read_mj()
        # from 0 when the driver is loaded again
        self._total_mj += now_mj - self._last_mj if now_mj >= self._last_mj else now_mj
        self._last_mj = now_mj
        return self._total_mj / 1e3


class PowerDevice:
    """A GPU that tells its power only: the mean of two readings times the time between them."""

    def __init__(self, api: Any, handle: Any, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = f"{name} (integrated from power)"
        self._clock = clock
        self._read_w: Callable[[], float] = lambda: int(api.nvmlDeviceGetPowerUsage(handle)) / 1e3
        self._last_s, self._last_w = clock(), self._read_w()
        self._total_j = 0.0

    def total_j(self) -> float:
        now_s, now_w = self._clock(), self._read_w()
        self._total_j += (self._last_w + now_w) / 2 * (now_s - self._last_s)
        self._last_s, self._last_w = now_s, now_w
        return self._total_j


Device = EnergyDevice | PowerDevice


def open_devices(module: str = "pynvml") -> tuple[Sequence[Device], list[str]]:
    """Every GPU whose energy can be read, and why others' cannot."""
    try:
        api: Any = importlib.import_module(module)
    except ImportError:
        return [], ["NVML: nvidia-ml-py is not installed"]
    try:
        api.nvmlInit()
        count = api.nvmlDeviceGetCount()
    except api.NVMLError as error:
        return [], [f"NVML: {str(error).removeprefix('NVML ')}"]
    devices: list[Device] = []
    missing = [] if count else ["NVML: there is no GPU"]
    for index in range(count):
        try:
            devices.append(_device(api, index))
        except api.NVMLError as error:
            missing.append(f"NVML: GPU {index}: {error}")
    return devices, missing


def _device(api: Any, index: int) -> Device:
    handle = api.nvmlDeviceGetHandleByIndex(index)
    name = f"NVML GPU {index}"
    try:
        return EnergyDevice(api, handle, name)
    except api.NVMLError_NotSupported:
        return PowerDevice(api, handle, name)
