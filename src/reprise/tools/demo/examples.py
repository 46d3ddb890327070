"""Examples of the data set that params.yaml names, one click away: few, and spread over its whole length."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from reprise.core.files import read_parquet
from reprise.core.params import load_value
from reprise.deepfake import paths as deepfake
from reprise.documents.data.images import EXTENSIONS
from reprise.taxonomy import paths as taxonomy

Item = TypeVar("Item")

TEXTS, PAGES, RECORDINGS = 5, 6, 4


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """At most so many items, at equal distances."""
    step = max(1, len(items) // count) if items else 1
    return list(items[::step][:count])


def text_examples() -> list[str]:
    """Test texts as they were prepared; none where they are not here."""
    path = taxonomy.corpus_path("test")
    return spread(read_parquet(path)["text"].tolist(), TEXTS) if path.is_file() else []


def page_examples() -> list[Path]:
    """Test pages, or training pages where there are no others; none where neither are here."""
    folder = Path(str(load_value("documents.data")))
    for key in ("test_images", "images"):
        place = folder / str(load_value(f"documents.prepare.files.{key}"))
        found = sorted(path for path in place.rglob("*") if path.suffix.lower() in EXTENSIONS and path.is_file())
        if found:
            return spread(found, PAGES)
    return []


def speech_examples() -> list[Path]:
    """Recordings of the eval split, as many natural ones as synthesised; none where they are not here."""
    manifest = deepfake.PREPARED / "eval" / "manifest.parquet"
    if not manifest.is_file():
        return []
    table = read_parquet(manifest)
    halves = [
        spread([Path(path) for path in table["path"][table["spoof"] == spoof] if Path(path).is_file()], RECORDINGS // 2)
        for spoof in (False, True)
    ]
    return [path for half in halves for path in half]
