"""What bad scans do to a page, on batches of images (B, C, H, W) in [0, 1], each image with a value of its own.

The ranges say how far each kind of damage goes in the evaluation; training draws from the same ranges, scaled by the
recipe's `strength`. Lengths are fractions of a page's side, so that damage looks alike at every resolution.
"""

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as VF

ROTATION = 15.0  # degrees, either way
BLUR = (0.002, 0.010)  # sigma of a Gaussian, of the side
NOISE = (0.02, 0.15)  # standard deviation at REFERENCE pixels a side; black to white is 1
CONTRAST = (0.5, 1.4)  # factor of the distance from the page's mean
BRIGHTNESS = (0.7, 1.15)  # factor
QUALITY = (40.0, 90.0)  # of JPEG
REFERENCE = 256  # pixels: what is stored smaller was averaged from more, and its noise with it
BLUR_LEVELS = 4  # sigmas in one batch, which is so many convolutions


def uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """Uniform draws (count,) on the generator's device."""
    return low + (high - low) * torch.rand(count, generator=generator, device=generator.device)


def warp(
    images: Tensor,
    size: int,
    rotation: Tensor,
    zoom: Tensor,
    aspect: Tensor,
    shift: Tensor,
    perspective: Tensor | None = None,
) -> Tensor:
    """Rotate, zoom, stretch, shift and tilt in one resampling; what comes from outside the page is white.

    Args:
        images: (B, C, H, H).
        size: of the result.
        rotation: (B,) degrees, clockwise.
        zoom: (B,) factor; above 1 the page is cropped.
        aspect: (B,) width over height.
        shift: (B, 2) fractions of the side, right and down.
        perspective: (B, 2) how much nearer the right and the lower edge are; None: not at all.

    Returns:
        (B, C, size, size).
    """
    angle = rotation.deg2rad()
    cosine, sine, stretch = angle.cos() / zoom, angle.sin() / zoom, aspect.sqrt()
    axis = (torch.arange(size, device=images.device) + 0.5) * (2 / size) - 1  # centres of pixels, in -1 ... 1
    x, y = axis.expand(len(images), 1, size), axis.expand(len(images), size)[..., None]  # (B, 1, S), (B, S, 1)
    cosine, sine, stretch = cosine[:, None, None], sine[:, None, None], stretch[:, None, None]
    left = (cosine * x + (sine * y - 2 * shift[:, 0, None, None])) / stretch  # (B, S, S): where to read
    upper = (-sine * x + (cosine * y - 2 * shift[:, 1, None, None])) * stretch
    if perspective is not None:
        depth = 1 + perspective[:, 0, None, None] * x + perspective[:, 1, None, None] * y
        left, upper = left / depth, upper / depth
    grid = torch.stack([left, upper], -1)  # (B, S, S, 2)
    return 1 + F.grid_sample(images - 1, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def rotate(images: Tensor, degrees: Tensor) -> Tensor:
    """Rotate each image clockwise by its own angle (B,) in degrees, onto white."""
    one = torch.ones_like(degrees)
    return warp(images, images.shape[-1], degrees, one, one, degrees.new_zeros(len(degrees), 2))


def blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Blur by Gaussians with the sigmas (B,), fractions of the side, rounded to BLUR_LEVELS values."""
    low, high = float(sigma.min()), float(sigma.max())
    levels = ((sigma - low) / max(high - low, 1e-9) * BLUR_LEVELS).long().clamp(max=BLUR_LEVELS - 1)
    result = images.clone()
    for level in levels.unique().tolist():
        chosen = levels == level
        pixels = (low + (level + 0.5) / BLUR_LEVELS * (high - low)) * images.shape[-1]
        width = 2 * max(1, round(2.5 * pixels)) + 1
        result[chosen] = VF.gaussian_blur(images[chosen], [width, width], [max(pixels, 1e-3)] * 2)
    return result


def change_contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Stretch each image's distance from its own mean by a factor (B,)."""
    factor = factor[:, None, None, None]
    return torch.addcmul((1 - factor) * images.mean((1, 2, 3), keepdim=True), factor, images).clamp_(0, 1)


def change_brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Multiply each image by its factor (B,)."""
    return (images * factor[:, None, None, None]).clamp_(0, 1)


def add_noise(images: Tensor, deviation: Tensor, generator: torch.Generator) -> Tensor:
    """Add Gaussian noise to each pixel and channel, of a standard deviation (B,) at REFERENCE pixels a side."""
    deviation = deviation * min(1.0, images.shape[-1] / REFERENCE)
    noise = torch.randn(images.shape, generator=generator, device=images.device)
    return torch.addcmul(images, noise, deviation[:, None, None, None]).clamp_(0, 1)


def compress(images: Tensor, quality: Tensor) -> Tensor:
    """Encode and decode each image as JPEG of its quality (B,)."""
    pixels = (images * 255).round().to(torch.uint8).cpu()  # nvJPEG's result differs from libjpeg's
    decoded = [VF.jpeg(page, round(value)) for page, value in zip(pixels, quality.tolist(), strict=True)]
    return torch.stack(decoded).to(images.device).float() / 255
