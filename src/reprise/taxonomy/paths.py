"""Folders and files of the taxonomy task, relative to the root of the repository."""

from pathlib import Path

DATA = Path("data/taxonomy")
SAMPLE = DATA / "sample"
PREPARED = DATA / "prepared"
HIERARCHY = PREPARED / "hierarchy.json"
SEEDS = PREPARED / "seeds.parquet"
EMBEDDINGS = DATA / "embeddings"
TUNING = EMBEDDINGS / "encoder.safetensors"  # where seed documents tuned the encoder
SIMILARITY = DATA / "similarity"
SILVER = DATA / "silver"
CORE_CLASSES = SILVER / "core_classes.parquet"
POSTERIOR = SILVER / "posterior.npy"

MODELS = Path("models/taxonomy")
ENCODER = MODELS / "encoder"
TRAINED = MODELS / "classifier.safetensors"
SELF_TRAINED = MODELS / "self_trained.safetensors"

METRICS = Path("metrics/taxonomy")
TIMING = METRICS / "timing"


def corpus_path(split: str) -> Path:
    """The prepared documents of a split, `train` or `test`."""
    return PREPARED / f"{split}.parquet"


def embeddings_path(name: str) -> Path:
    """Embeddings of a split, or of the `classes`: rows of norm 1."""
    return EMBEDDINGS / f"{name}.npy"


def similarity_path(split: str) -> Path:
    """Similarities of a split's documents (rows) with the classes (columns)."""
    return SIMILARITY / f"{split}.npy"


def timing_path(stage: str) -> Path:
    """Seconds and peak memory of a stage."""
    return TIMING / f"{stage}.json"
