"""Which torch devices the `hardware` section, or a command's `--accelerator`, means."""

import os

from reprise.core.errors import InputError
from reprise.core.params import Hardware
from reprise.core.processes import launched


def torch_devices(hardware: Hardware, where: str = "params.yaml: hardware") -> list[str]:
    """List the devices to share work between, such as ["cuda:0", "cuda:1"]; ["cpu"] without an accelerator.

    Under torchrun every process has one device of its own.

    Args:
        hardware: what is wanted.
        where: starts the line of an error.

    Raises:
        InputError: an accelerator that this machine lacks, or more devices than it has.
    """
    import torch

    from reprise.core.equal_ops import use_equal_operations

    use_equal_operations()
    wanted = "cuda" if hardware.accelerator in ("gpu", "cuda") else hardware.accelerator
    if wanted not in ("auto", "cpu", "cuda", "mps"):
        raise InputError(f"{where}: no accelerator {wanted!r}; choose auto, cpu, gpu, cuda or mps")
    available = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    kind = wanted if wanted != "auto" else next(kind for kind in ("cuda", "mps", "cpu") if available[kind])
    if kind == "cpu":
        return ["cpu"]  # threads share the work there, not devices
    if kind == "cuda" and launched():
        return [f"cuda:{os.environ['LOCAL_RANK']}"]
    count = available[kind] if hardware.devices in ("auto", "-1", -1) else int(hardware.devices)
    if not 0 < count <= available[kind]:
        raise InputError(f"{where}: {hardware.devices} {kind} devices wanted, {available[kind]} here")
    return [f"{kind}:{index}" for index in range(count)] if kind == "cuda" else [kind]


def prediction_devices(accelerator: str) -> list[str]:
    """Devices for a command's `--accelerator`; params.yaml, which belongs to the stages, is not read.

    Args:
        accelerator: auto, cpu, gpu or mps.

    Returns:
        As `torch_devices` lists them.

    Raises:
        InputError: an accelerator that this machine lacks.
    """
    hardware = Hardware(
        accelerator=accelerator,
        devices="auto",
        nodes=1,
        strategy="auto",
        threads=1,
        training_threads=1,
        workers=0,
        same_bytes=True,
        image_memory_mib=0,
        eval_batch_size="auto",
    )
    return torch_devices(hardware, "--accelerator")
