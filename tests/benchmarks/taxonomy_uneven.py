"""What decides on the pull toward equal sizes: accuracy on cuts of a corpus whose class sizes follow Zipf's law.

    python -m tests.benchmarks.taxonomy_uneven --draws 3

Runs at the root of a repository in which `taxonomy-similarity` has run on a folder with labels, such as CLINC150. Of
the leaf classes in random order the n-th keeps 1 / n^exponent of its training documents. Compared are zero-shot, the
refined posterior without the pull, with all of it, and as cohesion and trust decide. Prints a table in Markdown.
"""

from typing import Annotated

import numpy as np
import typer

from reprise.core.command import run_command
from reprise.core.errors import InputError
from reprise.core.files import read_npy, read_parquet
from reprise.core.params import load_params, load_path
from reprise.core.seed import limit_threads
from reprise.taxonomy import paths
from reprise.taxonomy.data.hierarchy import load_hierarchy
from reprise.taxonomy.quality.labels import read_truth
from reprise.taxonomy.zero_shot.core_classes import RefinedParams, zero_shot_posterior
from reprise.taxonomy.zero_shot.refine import refine_posterior

RULES = {
    "no pull": {"loss_low": -1.0, "loss_high": -0.99},
    "full pull": {"trust_low": -1.0, "trust_high": -0.99, "loss_low": 0.98, "loss_high": 1.0},
    "cohesion decides": {},
}


def main(
    exponents: Annotated[str, typer.Option(help="Of Zipf's law; 0: as even as it comes.")] = "0,0.25,0.5,0.75,1",
    classes: Annotated[int, typer.Option(min=2, help="Leaf classes of a draw.")] = 82,
    draws: Annotated[int, typer.Option(min=1, help="Orders of the classes.")] = 3,
) -> None:
    """Print accuracy by unevenness and rule."""
    hierarchy = load_hierarchy(paths.HIERARCHY)
    params = load_params("taxonomy.core_classes.refined", RefinedParams)
    ids = read_parquet(paths.corpus_path("train"))["doc_id"].tolist()
    truth, _ = read_truth(load_path("taxonomy.data") / "train_doc2labels.txt", hierarchy, ids, "closed")
    if truth is None:
        raise InputError("the folder has no labels of the training documents")
    labels = truth[:, hierarchy.leaves].toarray()
    single = np.flatnonzero(labels.sum(axis=1) == 1)
    labels, documents = labels[single].argmax(axis=1), np.array(read_npy(paths.embeddings_path("train")))[single]
    names = np.array(read_npy(paths.embeddings_path("classes")))[hierarchy.leaves]
    print(
        "| Exponent | documents | zero-shot | " + " | ".join(RULES) + " | pull |\n" + "| --- " * (len(RULES) + 4) + "|"
    )
    for exponent in map(float, exponents.split(",")):
        found = []
        for draw in range(draws):
            generator = np.random.default_rng(draw)
            kept = generator.permutation(len(names))[:classes]
            rows = np.concatenate([
                generator.permutation(own)[: max(1, round(len(own) / (place + 1) ** exponent))]
                for place, own in enumerate(np.flatnonzero(labels == leaf) for leaf in kept)
            ])  # fmt: skip
            target = np.searchsorted(np.sort(kept), labels[rows])
            with limit_threads(1):
                found.append([len(rows), *judge(documents[rows], names[np.sort(kept)], target, params)])
        count, *scores = np.mean(found, axis=0)
        spread = np.std(found, axis=0)[1:]
        cells = " | ".join(f"{mean:.3f} ± {own:.3f}" for mean, own in zip(scores, spread, strict=True))
        print(f"| {exponent:g} | {count:.0f} | {cells} |", flush=True)


def judge(documents: np.ndarray, names: np.ndarray, target: np.ndarray, params: RefinedParams) -> list[float]:
    """Accuracies of zero-shot and of each rule, and what cohesion decided."""
    zero_shot = zero_shot_posterior(documents @ names.T, params.sharpness)
    scores, decided = [float((zero_shot.argmax(axis=1) == target).mean())], {"balancing": 0.0}
    for changes in RULES.values():
        posterior, decided = refine_posterior(zero_shot, documents, names, params.model_copy(update=changes))
        scores.append(float((posterior.argmax(axis=1) == target).mean()))
    return [*scores, decided["balancing"]]


if __name__ == "__main__":
    run_command(main)
