"""Check a folder of texts and classes."""

from pathlib import Path
from typing import Any

import pandas as pd

from reprise.core.params import load_as, load_value
from reprise.taxonomy.data.class_lists import read_seed_documents
from reprise.taxonomy.data.corpus import read_corpus
from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.data.hierarchy_files import read_hierarchy
from reprise.taxonomy.data.layout import Layout, recognise
from reprise.taxonomy.data.lines import normalise_text
from reprise.taxonomy.data.statistics import data_statistics
from reprise.taxonomy.quality.labels import apply_rule, labels_path, read_labels
from reprise.tools.check.findings import Findings, some


def check(folder: Path) -> Findings:
    """Read a folder as taxonomy-prepare and taxonomy-evaluate do."""
    found = Findings(overrides={"taxonomy.data": str(folder)})
    empty_text = load_value("taxonomy.prepare.empty_text")
    few_words = load_as("taxonomy.prepare.near_empty_words", int)
    with found.collect():
        layout = recognise(folder)
        if layout.classes.exists():
            found.recognised.append(f"layout of {layout.name}, by {layout.classes.name}")
        hierarchy = read_hierarchy(folder)
        corpora = {split: read_texts(found, layout, split, empty_text) for split in ("train", "test")}
        if any(corpus is None for corpus in corpora.values()):
            return found
        read = {split: corpus for split, corpus in corpora.items() if corpus is not None}
        seeds = read_seed_documents(layout.seeds, hierarchy, read["train"]["doc_id"].tolist())
        describe(found, layout, data_statistics(hierarchy, read, seeds, few_words))
        note_alone(found, hierarchy)
        for split, corpus in read.items():
            with found.collect():
                check_labels(found, folder, split, hierarchy, corpus["doc_id"].tolist())
    return found


def read_texts(found: Findings, layout: Layout, split: str, empty_text: str) -> pd.DataFrame | None:
    """Read a split's documents; empty ones, where they are refused, become a value to run with and an odd line."""
    path = layout.corpus_path(split)
    with found.collect():
        corpus = read_corpus(path, "keep")
        corpus["text"] = corpus["text"].map(normalise_text)
        empty = int((corpus["text"] == "").sum())
        if empty and empty_text == "refuse":
            found.odd.append(f"{path}: {empty} documents without a text; the line below keeps them")
            found.overrides["taxonomy.prepare.empty_text"] = "keep"
        return corpus
    return None


def describe(found: Findings, layout: Layout, counts: dict[str, Any]) -> None:
    """Say what data.json will say."""
    levels = len(counts["classes_per_level"])
    found.recognised.append(
        f"{counts['classes']} classes on {levels} levels, {counts['leaves']} leaves, {counts['edges']} edges"
    )
    found.recognised.append(f"{counts['train']['documents']} training and {counts['test']['documents']} test documents")
    if counts["classes_with_keywords"]:
        found.recognised.append(f"keywords of {counts['classes_with_keywords']} classes")
    else:
        found.missing.append(f"keywords ({', '.join(path.name for path in layout.keywords)}): they help unclear names")
    if counts["seed_documents"]:
        found.recognised.append(f"{counts['seed_documents']} seed documents")
    else:
        found.missing.append(f"{layout.seeds.name}: a few documents a class whose classes you know help most")
    if not counts["edges"]:
        found.odd.append(f"{layout.hierarchy.name}: no edges, so the classes are a flat list")
    for split in ("train", "test"):
        if near_empty := counts[split]["near_empty_texts"]:
            found.odd.append(f"{split}: {near_empty} documents of few words or none")
        if repeated := counts[split]["repeated_texts"]:
            found.odd.append(f"{split}: {repeated} documents repeat the text of another one")
    if shared := counts["test_texts_in_train"]:
        found.odd.append(f"{shared} test documents are training documents, too")
    if alike := counts["classes_whose_names_read_alike"]:
        found.odd.append(f"{alike} classes have names that read alike")


def note_alone(found: Findings, hierarchy: Hierarchy) -> None:
    """Note classes that the hierarchy does not mention, though it mentions others."""
    alone = [
        hierarchy.labels[index]
        for index in range(len(hierarchy))
        if not hierarchy.parents[index] and not hierarchy.children[index]
    ]
    if alone and hierarchy.edges:
        found.odd.append(f"{len(alone)} classes are in no edge: {some(alone)}")


def check_labels(found: Findings, folder: Path, split: str, hierarchy: Hierarchy, documents: list[str]) -> None:
    """Read a split's labels as taxonomy-evaluate does, which alone uses them."""
    path = labels_path(folder, split)
    if not path.exists():
        found.missing.append(f"{path.name} of {split}: " + ("no test score" if split == "test" else "silver unscored"))
        return
    truth, about = apply_rule(
        read_labels(path, hierarchy, documents), hierarchy, load_value("taxonomy.evaluate.labels")
    )
    found.recognised.append(f"labels of {split}")
    if lacking := about["documents_lacking_ancestors"]:
        action = "added" if about["closed"] else "not added: taxonomy.evaluate.labels=closed does"
        found.odd.append(f"{path}: labels of {lacking} documents lack ancestors, which are {action}")
    if without := int((truth.sum(axis=1) == 0).sum()):
        found.odd.append(f"{path}: {without} documents without a class")
    unused = [hierarchy.labels[index] for index in hierarchy.leaves if not truth[:, [index]].sum()]
    if unused:
        found.odd.append(f"{split}: {len(unused)} leaves without a document: {some(unused)}")
