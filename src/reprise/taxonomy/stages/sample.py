"""Generate a small corpus of shop reviews in the task's input layout, so that a fresh clone runs.

    python src/run.py taxonomy.sample

Writes data/taxonomy/sample: 41 classes on 3 levels, two of them with two parents, of uneven size; reviews of one or two
products, some that name only a department, some about no class at all, some of a few words and some of hundreds. The
same seed gives the same bytes.
"""

import numpy as np

from reprise.core.files import write_text
from reprise.core.params import load_params, load_value
from reprise.core.seed import derive_seed
from reprise.taxonomy import paths
from reprise.taxonomy.sample.reviews import SampleParams, class_files, write_review


def main() -> None:
    params, seed = load_params("taxonomy.sample", SampleParams), load_value("seed")
    for name, text in class_files().items():
        write_text(paths.SAMPLE / name, text)
    for split, count in (("train", params.train_documents), ("test", params.test_documents)):
        generator = np.random.default_rng(derive_seed(seed, "taxonomy-sample", split))
        reviews = [write_review(params, generator) for _ in range(count)]
        corpus = "".join(f"{split}{number}\t{text}\n" for number, (text, _) in enumerate(reviews))
        labels = "".join(f"{split}{number}\t{','.join(own)}\n" for number, (_, own) in enumerate(reviews))
        write_text(paths.SAMPLE / f"{split}_corpus.txt", corpus)
        write_text(paths.SAMPLE / f"{split}_doc2labels.txt", labels)
