"""Networks for images of one size on a CPU, where memory is what layers wait for.

EfficientNet-Lite0 at 160 px, in one thread and with folded batch norms, takes 0.7 of the time at 16 images, and what it
has of frozen layers in training (up to its third block) less than 0.4 at 20. Gradients of depthwise convolutions and
activations that keep their inputs bring a whole training step to 0.88.
"""

from torch import Tensor, nn

from reprise.documents.network.convolutions import fix_convolutions
from reprise.documents.network.depthwise import replace_depthwise
from reprise.documents.network.fusion import learns
from reprise.documents.network.parts import part_frozen

PART = 8  # images
WIDE = 2**20  # bytes of one image, of which a whole batch leaves the cache


def suit_cpu(network: nn.Module, example: Tensor) -> None:
    """Make a network faster, where it is on a CPU: the same function.

    Args:
        network: changed in place; batch norms that do not learn are folded, or in evaluation mode.
        example: (B, 3, S, S) that it takes, of the size for which it is to be fast.
    """
    if example.device.type == "cpu":
        fix_convolutions(network, example)
        part_frozen(network, example, PART, WIDE)
        replace_depthwise(network)
        if any(map(learns, network.modules())):
            keep_inputs(network)


def keep_inputs(network: nn.Module) -> None:
    """Let activations leave their inputs as they are where a gradient needs these: autograd would copy them first.

    A ReLU's gradient needs its output alone. The network is changed.
    """
    for module in network.modules():
        if getattr(module, "inplace", False) and type(module) is not nn.ReLU:
            module.inplace = False  # type: ignore[assignment]
