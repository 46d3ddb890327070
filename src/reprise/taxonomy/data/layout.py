"""Where a person's folder has which file: the layout of TaxoClass's data sets, or that of TELEClass's repository.

| File | TaxoClass (Shen et al., NAACL 2021) | TELEClass (Zhang et al., WWW 2025) |
| --- | --- | --- |
| classes | `classes.txt` | `labels.txt` |
| edges | `class_hierarchy.txt` | `label_hierarchy.txt` |
| keywords | `class_related_keywords.txt` | `train/enrichment.txt`, `train/llm_enrichment.txt` |
| documents | `train_corpus.txt`, `test_corpus.txt` | `train/corpus.txt`, `test/corpus.txt` |
| seed documents | `seed_documents.txt` | the same |

The lines are alike in both. Labels of documents are the evaluation's: `quality/labels.py` knows their place.
"""

import dataclasses
from pathlib import Path

from reprise.core.errors import InputError


@dataclasses.dataclass(frozen=True)
class Layout:
    """Files of a folder; none of them need be there.

    Attributes:
        name: of the layout.
        folder: that the files are in.
        classes: `id<TAB>name`.
        hierarchy: `parent id<TAB>child id`.
        keywords: `name:keyword,keyword`; a class's words may stand in several files.
        seeds: `doc id<TAB>class id,class id`.
        corpus: of the documents of a split, with `{split}` for its name.
    """

    name: str
    folder: Path
    classes: Path
    hierarchy: Path
    keywords: tuple[Path, ...]
    seeds: Path
    corpus: str

    def corpus_path(self, split: str) -> Path:
        """The documents of a split, `train` or `test`."""
        return self.folder / self.corpus.format(split=split)


def recognise(folder: Path) -> Layout:
    """Tell a folder's layout by its file of classes: labels.txt is TELEClass's, anything else is TaxoClass's.

    Raises:
        InputError: both files of classes are there.
    """
    seeds = folder / "seed_documents.txt"
    taxoclass = Layout(
        "TaxoClass",
        folder,
        folder / "classes.txt",
        folder / "class_hierarchy.txt",
        (folder / "class_related_keywords.txt",),
        seeds,
        "{split}_corpus.txt",
    )
    teleclass = Layout(
        "TELEClass",
        folder,
        folder / "labels.txt",
        folder / "label_hierarchy.txt",
        (folder / "train" / "enrichment.txt", folder / "train" / "llm_enrichment.txt"),
        seeds,
        "{split}/corpus.txt",
    )
    if not teleclass.classes.exists():
        return taxoclass
    if taxoclass.classes.exists():
        raise InputError(f"{folder}: classes.txt and labels.txt are both there; expected one layout, so remove one")
    return teleclass
