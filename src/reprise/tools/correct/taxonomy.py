"""Say what a training document is about, or what a class means.

    reprise correct taxonomy --document 17 --classes 87
    reprise correct taxonomy --classes 87 --sentence "how many days off do I have left"

The first writes seed_documents.txt, the second class_related_keywords.txt, in the folder `taxonomy.data` (or `--data`);
an answer replaces an earlier one about the same document or class. What to answer: metrics/taxonomy/ask.csv and
unclear_classes.csv.
"""

import unicodedata
from pathlib import Path
from typing import Annotated

import typer

from reprise.core.command import run_command
from reprise.core.errors import InputError
from reprise.core.files import write_text
from reprise.core.params import load_path
from reprise.taxonomy.paths import SAMPLE
from reprise.tools.correct.files import change_answers

PARTING = str.maketrans(",:", "  ")  # signs that part keywords, and keywords from a name


def main(
    classes: Annotated[str, typer.Option(help="Class ids, with commas between.")],
    document: Annotated[str | None, typer.Option(help="Id of a document of train_corpus.txt.")] = None,
    sentence: Annotated[str | None, typer.Option(help="As a document of the class would say it.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the corpus; taxonomy.data by default.")] = None,
) -> None:
    """Say what a training document is about, or what a class means."""
    folder = data or load_path("taxonomy.data")
    ids = [part.strip() for part in classes.split(",") if part.strip()]
    if (document is None) == (sentence is None):
        raise InputError("give either --document or --sentence")
    if document is not None:
        print(label_document(folder, document, ids))
    elif len(ids) != 1:
        raise InputError(f"--sentence is about one class; --classes has {len(ids)}")
    else:
        print(describe_class(folder, ids[0], str(sentence)))


def label_document(folder: Path, document: str, classes: list[str]) -> str:
    """Write the classes of a training document into seed_documents.txt.

    Args:
        folder: of the corpus.
        document: id in train_corpus.txt.
        classes: one class id or more.

    Returns:
        The line that was written.

    Raises:
        InputError: an unknown document or class, or files that cannot be used.
    """
    from reprise.taxonomy.data.class_lists import EXPECTED, read_seed_documents
    from reprise.taxonomy.data.corpus import read_corpus
    from reprise.taxonomy.data.hierarchy import read_hierarchy
    from reprise.taxonomy.data.lines import read_lines, read_name, read_pairs

    path = folder / "seed_documents.txt"
    with change_answers(folder, SAMPLE):
        hierarchy = read_hierarchy(folder)
        documents = read_corpus(folder / "train_corpus.txt", "keep")["doc_id"].tolist()
        document, ids = read_name(document, "the answer"), [read_name(each, "the answer") for each in classes]
        if document not in documents:
            raise InputError(f"{folder / 'train_corpus.txt'}: no document {document!r}")
        if unknown := [identifier for identifier in ids if identifier not in hierarchy.ids]:
            raise InputError(f"{folder / 'classes.txt'}: no class {unknown[0]!r}")
        if not ids:
            raise InputError(f"document {document!r} has no class; expected one id or more")
        read_seed_documents(path, hierarchy, documents)  # so that nothing is added to a file that is wrong
        line = f"{document}\t{','.join(dict.fromkeys(ids))}"
        kept = []
        if path.exists():
            of_document = {number for number, own, _ in read_pairs(path, EXPECTED) if own == document}
            kept = [text for number, text in read_lines(path) if number not in of_document]
        write_text(path, "".join(f"{each}\n" for each in [*kept, line]))
    return line


def describe_class(folder: Path, identifier: str, sentence: str) -> str:
    """Write a sentence for a class into class_related_keywords.txt; commas and colons become spaces.

    Args:
        folder: of the corpus.
        identifier: class id.
        sentence: words, or what a document of the class would say.

    Returns:
        The line that was written.

    Raises:
        InputError: an unknown class, nothing said, or files that cannot be used.
    """
    from reprise.taxonomy.data.hierarchy import read_hierarchy
    from reprise.taxonomy.data.lines import read_lines, read_name, read_pairs

    path = folder / "class_related_keywords.txt"
    with change_answers(folder, SAMPLE):
        read_hierarchy(folder)  # so that nothing is added to a file that is wrong
        pairs = read_pairs(folder / "classes.txt", "id<TAB>name")
        names = {own: read_name(name, "classes.txt") for _, own, name in pairs}
        if (identifier := read_name(identifier, "the answer")) not in names:
            raise InputError(f"{folder / 'classes.txt'}: no class {identifier!r}")
        if not (said := " ".join(sentence.translate(PARTING).split())):
            raise InputError(f"nothing is said about class {identifier!r}; expected words")
        kept = []
        if path.exists():
            kept = [text for _, text in read_lines(path) if not is_about(text, names[identifier], names)]
        line = f"{names[identifier]}:{said}"
        write_text(path, "".join(f"{each}\n" for each in [*kept, line]))
    return line


def is_about(line: str, name: str, names: dict[str, str]) -> bool:
    """Whether a line of keywords is about the class of a name: of names that begin the line, the longest counts."""
    text = unicodedata.normalize("NFC", line.strip())
    heads = [own for own in names.values() if text.startswith(own) and text[len(own) :].lstrip().startswith(":")]
    return max(heads, key=len, default="") == name


if __name__ == "__main__":
    run_command(main)
