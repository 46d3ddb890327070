"""What the prediction commands share: they run beside whatever a machine does, on one CPU thread or one accelerator."""

from reprise.core.devices import torch_devices
from reprise.core.params import Hardware


def prediction_devices(accelerator: str) -> list[str]:
    """Devices for a command's `--accelerator`: params.yaml, which belongs to the stages, is not read.

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
        image_memory_mib=0,
    )
    return torch_devices(hardware)
