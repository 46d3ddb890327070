"""Imports that cost less: without what nobody uses, and without garbage collection.

Lightning imports torchmetrics, and torchmetrics imports whatever it finds installed: transformers, torchvision,
matplotlib, scipy.signal. That takes longer than Lightning itself, in every training. No metric used here needs them;
a stage that uses one of these packages imports it itself.

The thousands of modules that a stage imports stay until it ends. The garbage collector would look through them again
and again, for a sixth of the time that their import takes.
"""

import contextlib
import gc
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Iterator, Sequence
from unittest import mock


class _LightLoader(importlib.abc.Loader):
    """Runs a package's own loader while torchmetrics' checks for optional packages say no."""

    def __init__(self, loader: importlib.abc.Loader) -> None:
        self.loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: types.ModuleType) -> None:
        from lightning_utilities.core import imports

        with (
            mock.patch.object(imports.RequirementCache, "__bool__", return_value=False),
            mock.patch.object(imports, "package_available", return_value=False),
        ):
            self.loader.exec_module(module)


class _LightTorchmetrics(importlib.abc.MetaPathFinder):
    """Finds torchmetrics once, with the loader above."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "torchmetrics":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = _LightLoader(spec.loader)
        return spec


def import_torchmetrics_light() -> None:
    """Make the next import of torchmetrics, wherever it happens, the light one."""
    if "torchmetrics" not in sys.modules:
        sys.meta_path.insert(0, _LightTorchmetrics())


@contextlib.contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Let the garbage collector rest in the block: for imports, which leave little garbage."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
