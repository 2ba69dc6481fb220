"""Devices, accepted and not used: onnxruntime computes on the CPU here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from onnx_workbench.cntk.errors import CntkValueError

__all__ = [
    "DeviceDescriptor", "DeviceKind", "all_devices", "cpu", "get_gpu_properties", "gpu", "set_excluded_devices",
    "try_set_default_device", "use_default_device",
]  # fmt: skip


class DeviceKind:
    """Kinds of devices."""

    CPU, GPU = 0, 1


@dataclass(frozen=True)
class DeviceDescriptor:
    """A device by kind and number."""

    kind: int
    number: int

    def id(self) -> int:
        """Return its number."""
        return self.number

    def type(self) -> int:
        """Return its kind."""
        return self.kind

    @staticmethod
    def cpu_device() -> DeviceDescriptor:
        """Return the CPU."""
        return cpu()

    @staticmethod
    def gpu_device(device_id: int) -> DeviceDescriptor:
        """Return a GPU; computing stays on the CPU."""
        return gpu(device_id)

    @staticmethod
    def all_devices() -> tuple[DeviceDescriptor, ...]:
        """Return the devices that there are."""
        return all_devices()

    @staticmethod
    def use_default_device() -> DeviceDescriptor:
        """Return the device in use."""
        return use_default_device()

    @staticmethod
    def try_set_default_device(new_default_device: Any, acquire_device_lock: bool = False) -> bool:
        """Tell whether a device can be used: only the CPU can."""
        return try_set_default_device(new_default_device, acquire_device_lock)

    @staticmethod
    def set_excluded_devices(excluded: Any) -> None:
        """Accept devices that are not to be used."""

    def is_locked(self) -> bool:
        """Tell that nobody holds it."""
        return False

    def __str__(self) -> str:
        return f"GPU[{self.number}]" if self.kind == DeviceKind.GPU else "CPU"

    __repr__ = __str__


def cpu() -> DeviceDescriptor:
    """Return the CPU."""
    return DeviceDescriptor(DeviceKind.CPU, 0)


def gpu(device_id: int) -> DeviceDescriptor:
    """Return a GPU; computing stays on the CPU."""
    if device_id < 0:
        raise CntkValueError(f"device_id must not be negative; got {device_id}.")
    return DeviceDescriptor(DeviceKind.GPU, device_id)


def all_devices() -> tuple[DeviceDescriptor, ...]:
    """Return the devices that there are."""
    return (cpu(),)


def use_default_device() -> DeviceDescriptor:
    """Return the device in use."""
    return cpu()


def try_set_default_device(new_default_device: Any, acquire_device_lock: bool = False) -> bool:
    """Tell whether a device can be used: only the CPU can."""
    return bool(new_default_device == cpu())


def set_excluded_devices(excluded: Any) -> None:
    """Accept devices that are not to be used."""


def get_gpu_properties(device: Any) -> Any:
    """Refuse: there is no GPU."""
    raise CntkValueError(f"{device} is no GPU that can be used here; all_devices() lists those that can.")
