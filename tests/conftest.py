"""What tests share: a tiny random encoder, and the real parameters made small in one place."""

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from ruamel.yaml import YAML

from reprise.core import kernels

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")

os.environ["HF_HUB_OFFLINE"] = "1"  # no test may reach a hub
os.environ["TRANSFORMERS_OFFLINE"] = "1"
# The tests' processes share the cores: OpenMP's threads that wait would keep each other's from running. These and
# the pins of the kernels are set before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")
kernels.pin()  # as stages do; theirs inherit it


# A recipe with a small self-supervised encoder of random weights, which params.yaml has no use for.
WAV2VEC2_TINY: dict[str, Any] = {
    "front_end": "ssl",
    "ssl_model": "facebook/wav2vec2-base",
    "ssl_config": {
        "model_type": "wav2vec2",
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 128,
        "conv_dim": [32] * 7,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
    },
    "ssl_weights": False,
    "ssl_trained": True,
    "pooled_states": False,
    "evidence": "joint",
    "resyntheses": 0,
    "resynthesis_share": 0,
    "least_batches": 0,
    "lr": 1.0e-3,
    "epochs": 10,
    "average_best": 3,
}


def read_params() -> dict[str, Any]:
    return YAML(typ="safe").load((ROOT / "params.yaml").read_text())


TINY_WHISPER = {
    "d_model": 8,
    "encoder_layers": 2,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "max_source_positions": 400,
}


def tiny_params(encoder: Path) -> dict[str, Any]:
    """The true configuration, with a tiny encoder, few texts and few small pages."""
    params = copy.deepcopy(read_params())
    params["hardware"] |= {"accelerator": "cpu", "threads": 1, "same_bytes": False}
    params["log"]["every_n_steps"] = 2
    taxonomy = params["taxonomy"]
    taxonomy["sample"] |= {"train_documents": 80, "test_documents": 30}
    taxonomy["similarity"] |= {"encoder": str(encoder), "max_tokens": 24, "batch_size": 16}
    taxonomy["core_classes"]["refined"]["core_confidence"] = 0.1  # random embeddings are sure of nothing
    taxonomy["train"] |= {
        "encoder": str(encoder),
        "max_tokens": 24,
        "graph_hidden": 16,
        "batch_size": 16,
        "epochs": 3,
    }
    taxonomy["self_train"] |= {"iterations": 2, "batches_per_iteration": 3, "neighbours": 3, "tolerance": 0.0}
    documents = params["documents"]
    documents["folds"] = [0, 1]
    documents["sample"] |= {"train_pages": 85, "test_pages": 10}
    documents["recipe"] = "quick"  # of random weights: the package with the default's is not the tests' concern
    documents["recipes"]["quick"] |= {"model": "test_resnet", "image_size": 32, "epochs": 12, "batch_size": 8}
    documents["evaluate"] |= {"pages_per_corruption": 20}
    deepfake = params["deepfake"]
    deepfake["recipe"] = "small"  # of random weights, too
    del deepfake["recipes"]["small"]["epochs"]  # those below count
    deepfake["recipes"]["wav2vec2-tiny"] = copy.deepcopy(WAV2VEC2_TINY)
    deepfake["sample"] |= {"train_utterances": 6, "dev_utterances": 6, "eval_utterances": 6, "seconds": [0.8, 1.0]}
    deepfake["sample"]["utterances_per_speaker"] = 2
    deepfake["prepare"] |= {"partial_count": 4, "partial_seconds": [0.2, 0.4]}
    deepfake["train"] |= {
        "embedding": 16,
        "encoders": 1,
        "heads": 2,
        "kernel": 5,
        "epochs": 4,
        "batch_size": 4,
    }
    deepfake["train"] |= {"average_best": 2, "crop_seconds": [0.4, 0.7], "partial_seconds": [0.2, 0.4]}
    deepfake["train"] |= {"ssl_weights": False, "ssl_config": TINY_WHISPER}
    deepfake["evaluate"] |= {"robust_utterances": 4}
    deepfake["explainer"]["train"] |= {"hidden": 16, "epochs": 4, "batch_size": 6}
    deepfake["explain"] |= {"faithfulness_utterances": 3, "shown": 1}
    return params


def write_params(folder: Path, params: dict[str, Any]) -> None:
    with (folder / "params.yaml").open("w") as file:
        YAML().dump(params, file)


TINY_BERT: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}


def make_encoder(folder: Path, config: dict[str, Any] = TINY_BERT) -> None:
    """Write a BERT with random weights, by default a tiny one, and a vocabulary of pieces of words."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    BertModel(BertConfig(**{"vocab_size": len(vocabulary), **config})).save_pretrained(folder)


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder")
    make_encoder(folder)
    return folder


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder_folder: Path) -> Path:
    """An empty folder to run stages in, with tiny parameters."""
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, tiny_params(encoder_folder))
    return tmp_path


@pytest.fixture
def change_params(workspace: Path) -> Callable[[str, Any], None]:
    """Sets one dotted key of the workspace's params.yaml."""

    def change(key: str, value: Any) -> None:
        params = YAML(typ="safe").load((workspace / "params.yaml").read_text())
        *sections, leaf = key.split(".")
        place = params
        for section in sections:
            place = place[section]
        place[leaf] = value
        write_params(workspace, params)

    return change
