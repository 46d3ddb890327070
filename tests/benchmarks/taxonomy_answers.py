"""What a person's answers are worth: example-F1 by their number, asked for and at random.

    python -m tests.benchmarks.taxonomy_answers --sentences tests/benchmarks/clinc150_sentences.txt

Runs at the root of a repository in which `taxonomy-core-classes` has run on a folder with labels, such as CLINC150.
The person is simulated: documents have their true labels, classes the sentences of a file. Each seed draws the share of
the training documents that there is. Documents are asked for in rounds, as ask.csv would after each `dvc repro`;
sentences are asked for once, the least clear class first. Judged are the test documents, by a ridge regression onto the
refined posterior in place of the network, which takes minutes instead of a second. Prints a table in Markdown.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from reprise.core.command import run_command
from reprise.core.errors import InputError
from reprise.core.files import read_npy, read_parquet
from reprise.core.params import load_params, load_path
from reprise.core.seed import limit_threads
from reprise.taxonomy import paths
from reprise.taxonomy.data.hierarchy import Hierarchy, load_hierarchy
from reprise.taxonomy.data.lines import read_lines
from reprise.taxonomy.quality.labels import read_truth
from reprise.taxonomy.quality.metrics import example_f1_scores
from reprise.taxonomy.questions.ask import choose_documents
from reprise.taxonomy.questions.unclear import find_doubts
from reprise.taxonomy.zero_shot.class_texts import add_keywords, class_texts, mean_per_class
from reprise.taxonomy.zero_shot.core_classes import RefinedParams, refined_core_classes, zero_shot_posterior
from reprise.taxonomy.zero_shot.encoder import embed, open_encoder

SENTENCES = (10, 17, 30)
ROUND = 30  # questions between two runs


class Corpus:
    """A share of the training documents, drawn by a seed, and all of the test documents."""

    def __init__(self, seed: int, share: float) -> None:
        self.hierarchy: Hierarchy = load_hierarchy(paths.HIERARCHY)
        self.params = load_params("taxonomy.core_classes.refined", RefinedParams)
        ids = {split: read_parquet(paths.corpus_path(split))["doc_id"].tolist() for split in ("train", "test")}
        rows = np.random.default_rng(seed).permutation(len(ids["train"]))[: round(share * len(ids["train"]))]
        self.classes = np.array(read_npy(paths.embeddings_path("classes")))
        self.documents = np.array(read_npy(paths.embeddings_path("train")))[np.sort(rows)]
        self.test = np.array(read_npy(paths.embeddings_path("test")))
        folder = load_path("taxonomy.data")
        train, test = (
            read_truth(folder / f"{split}_doc2labels.txt", self.hierarchy, ids[split], "closed")[0] for split in ids
        )
        if train is None or test is None:
            raise InputError(f"{folder}: no labels of both splits")
        self.labels, self.truth = train[np.sort(rows)].toarray(), test  # (n, C), (T, C)

    def refine(self, answered: np.ndarray, classes: np.ndarray | None = None) -> np.ndarray:
        """Refined posterior (n, E), where a person has labelled some rows and, it may be, described classes."""
        classes = self.classes if classes is None else classes
        seeds = np.zeros_like(self.labels)
        seeds[answered] = self.labels[answered]
        similarity = self.documents @ classes.T
        return refined_core_classes(similarity, self.documents, classes, seeds, self.hierarchy, self.params)[1]

    def score(self, posterior: np.ndarray) -> float:
        """Example-F1 of the test documents by a ridge regression onto the posterior."""
        mean, shares = self.documents.mean(axis=0), posterior.mean(axis=0)
        inputs = (self.documents - mean).astype(np.float64)
        gram = inputs.T @ inputs + self.params.ridge * len(inputs) * np.eye(inputs.shape[1])
        weights = np.linalg.solve(gram, inputs.T @ (posterior - shares))
        best = self.hierarchy.leaves[((self.test - mean) @ weights + shares).argmax(axis=1)]
        return float(example_f1_scores(self.hierarchy.closure[best], self.truth).mean())


def main(
    answers: Annotated[str, typer.Option(help="Numbers of labelled documents.")] = "0,10,30,100",
    seeds: Annotated[int, typer.Option(min=1, help="Draws.")] = 3,
    share: Annotated[float, typer.Option(min=0.01, max=1, help="Of the training documents, in a draw.")] = 0.5,
    per_class: Annotated[int, typer.Option(min=0, help="Random documents of each class, in one more row.")] = 0,
    sentences: Annotated[Path | None, typer.Option(help="Keywords to give unclear classes.")] = None,
) -> None:
    """Print example-F1 by number of answers."""
    counts = [int(part) for part in answers.split(",") if part]
    with limit_threads(1):
        found: dict[str, list[list[float]]] = {"asked": [], "random": [], "sentences": [], "each": []}
        for seed in range(seeds):
            corpus = Corpus(seed, share)
            start = corpus.refine(np.zeros(0, int))
            if per_class:
                rows = draw_each(corpus, per_class, np.random.default_rng(seed))
                found["each"].append([round(corpus.score(corpus.refine(rows)), 4)])
            found["asked"].append(documents_curve(corpus, counts, start, None))
            found["random"].append(documents_curve(corpus, counts, start, np.random.default_rng(seed)))
            if sentences is not None:
                found["sentences"].append(sentences_curve(corpus, start, sentences))
            print(f"seed {seed}: { ({name: own[-1] for name, own in found.items() if own}) }", flush=True)
    print("\n| Answers | " + " | ".join(map(str, counts)) + " |\n| --- |" + " --- |" * len(counts))
    for name in ("asked", "random"):
        print(f"| {name} | {cells(found[name])} |")
    if found["sentences"]:
        print(f"\nsentences for {SENTENCES} classes: {cells(found['sentences'])}")
    if found["each"]:
        print(f"\n{per_class} random documents of each class: {cells(found['each'])}")


def cells(values: list[list[float]]) -> str:
    """Mean and standard deviation over seeds."""
    spread = np.std(values, axis=0, ddof=1) if len(values) > 1 else np.zeros(len(values[0]))
    return " | ".join(f"{mean:.4f} ± {own:.4f}" for mean, own in zip(np.mean(values, axis=0), spread, strict=True))


def draw_each(corpus: Corpus, count: int, generator: np.random.Generator) -> np.ndarray:
    """Draw rows of so many documents of each leaf class."""
    drawn = [generator.permutation(np.flatnonzero(corpus.labels[:, leaf]))[:count] for leaf in corpus.hierarchy.leaves]
    return np.unique(np.concatenate(drawn))


def documents_curve(
    corpus: Corpus, counts: Sequence[int], start: np.ndarray, generator: np.random.Generator | None
) -> list[float]:
    """Example-F1 by number of labelled documents, drawn by a generator or, without one, asked for."""
    answered, posterior, curve = np.zeros(len(corpus.documents), dtype=bool), start, []
    for count in counts:
        while (missing := count - int(answered.sum())) > 0:
            if generator is not None:
                rows = generator.choice(np.flatnonzero(~answered), missing, replace=False)
            else:
                rows = choose_documents(corpus.documents, posterior, answered, min(missing, ROUND))
            answered[rows] = True
            posterior = corpus.refine(answered)
        curve.append(round(corpus.score(posterior), 4))
    return curve


def sentences_curve(corpus: Corpus, start: np.ndarray, path: Path) -> list[float]:
    """Example-F1 by number of described classes, the least clear first."""
    said = {name.replace("_", " "): words for name, _, words in (line.partition(":") for _, line in read_lines(path))}
    similarity = (corpus.documents @ corpus.classes.T)[:, corpus.hierarchy.leaves]
    doubts = find_doubts(zero_shot_posterior(similarity, corpus.params.sharpness), start).doubt
    leaves = corpus.hierarchy.leaves[np.argsort(-doubts, kind="stable")]
    curve = []
    for count in SENTENCES:
        keywords: list[tuple[str, ...]] = [()] * len(corpus.hierarchy)
        for leaf in leaves[:count]:
            own = said.get(corpus.hierarchy.names[leaf])
            keywords[leaf] = (own,) if own else ()
        classes = describe(corpus.hierarchy, keywords)
        curve.append(round(corpus.score(corpus.refine(np.zeros(0, int), classes)), 4))
    return curve


def describe(hierarchy: Hierarchy, keywords: Sequence[tuple[str, ...]]) -> np.ndarray:
    """Embeddings (C, D) of classes with keywords, as `taxonomy-similarity` makes them."""
    from reprise.core.params import load_value

    params = load_value("taxonomy.similarity")
    described = Hierarchy(hierarchy.ids, hierarchy.names, tuple(keywords), hierarchy.edges)
    encoder = open_encoder(params["encoder"], params["max_tokens"], "cpu")
    texts = class_texts(described, params["templates"])
    flat, words = [text for own in texts for text in own], [word for own in keywords for word in own]
    classes = mean_per_class(embed(encoder, flat, params["batch_size"], ["cpu"], "class"), texts)
    embedded = embed(encoder, words, params["batch_size"], ["cpu"], "keyword")
    return add_keywords(classes, embedded, described, params["keyword_weight"])


if __name__ == "__main__":
    run_command(main)
