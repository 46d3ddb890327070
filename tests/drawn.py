"""Figures that tests look at: drawn and left open, where the code would write and close them."""

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import matplotlib.pyplot as plt
import pytest


def keep_figures(monkeypatch: pytest.MonkeyPatch, *modules: ModuleType) -> Iterator[list[Any]]:
    """Have modules hand their figures over instead of saving them; yields the list that they come into."""
    found: list[Any] = []

    def keep(figure: Any, path: Any) -> None:
        figure.canvas.draw()
        found.append(figure)

    for module in modules:
        monkeypatch.setattr(module, "save_figure", keep)
    yield found
    plt.close("all")
