"""What stages import of other packages, and nothing of this project: tests fork processes from one that has it."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before the libraries below make threads, which a fork would not have

from reprise.core.light_imports import import_torchmetrics_light

import_torchmetrics_light()

import dvclive  # noqa: E402, F401
import imagehash  # noqa: E402, F401
import lightning.pytorch  # noqa: E402, F401
import matplotlib.pyplot  # noqa: E402, F401
import sentence_transformers  # noqa: E402, F401
import soundfile  # noqa: E402, F401
import soxr  # noqa: E402, F401
import timm  # noqa: E402, F401
import torch_geometric.nn  # noqa: E402, F401
import torchvision  # noqa: E402, F401
