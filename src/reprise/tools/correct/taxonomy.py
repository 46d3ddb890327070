"""Say what a training document is about, or what a class means.

    reprise correct taxonomy --document 17 --classes 87
    reprise correct taxonomy --classes 87 --sentence "how many days off do I have left"
    reprise correct taxonomy --classes 87 --withdraw

The first writes seed_documents.txt, the second class_related_keywords.txt, in the folder `taxonomy.data` (or `--data`);
an answer replaces an earlier one about the same document or class. What to answer: metrics/taxonomy/ask.csv and
unclear_classes.csv.
"""

from pathlib import Path
from typing import Annotated

import typer

from reprise.core.command import run_command
from reprise.core.errors import InputError
from reprise.core.params import load_path
from reprise.core.text import compose_name
from reprise.taxonomy.paths import SAMPLE
from reprise.tools.correct.files import change_answers, refuse_nothing, write_answers

NEXT = "dvc repro taxonomy-evaluate taxonomy-ask"
PARTING = str.maketrans(",:", "  ")  # signs that part keywords, and keywords from a name


def main(
    classes: Annotated[str, typer.Option(help="Class ids, with commas between.")] = "",
    document: Annotated[str | None, typer.Option(help="Id of a document of train_corpus.txt.")] = None,
    sentence: Annotated[str | None, typer.Option(help="As a document of the class would say it.")] = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take the earlier answer back.")] = False,
    data: Annotated[Path | None, typer.Option(help="Folder of the corpus; taxonomy.data by default.")] = None,
) -> None:
    """Say what a training document is about, or what a class means."""
    folder = data or load_path("taxonomy.data")
    ids = [part.strip() for part in classes.split(",") if part.strip()]
    if withdraw:
        if sentence is not None or (document is None) == (len(ids) != 1):
            raise InputError("--withdraw goes with either --document or one class of --classes")
        lines = withdraw_document(folder, document) if document is not None else withdraw_sentence(folder, ids[0])
        print("\n".join(f"withdrawn: {line}" for line in lines))
    elif (document is None) == (sentence is None):
        raise InputError("give either --document or --sentence")
    elif document is not None:
        print(label_document(folder, document, ids))
    elif len(ids) != 1:
        raise InputError(f"--sentence is about one class; --classes has {len(ids)}")
    else:
        print(describe_class(folder, ids[0], str(sentence)))


def label_document(folder: Path, document: str, classes: list[str]) -> str:
    """Write the classes of a training document into seed_documents.txt.

    Args:
        folder: of the corpus.
        document: id in its training documents.
        classes: one class id or more.

    Returns:
        The line that was written.

    Raises:
        InputError: an unknown document or class, or files that cannot be used.
    """
    line = document_line(document, classes)
    replace_document(folder, document, [line])
    return line


def document_line(document: str, classes: list[str]) -> str:
    """The line that says the classes of a document.

    Raises:
        InputError: no class, or an id that is longer than any.
    """
    from reprise.taxonomy.data.lines import read_name

    ids = [read_name(each, "the answer") for each in classes]
    if not ids:
        raise InputError(f"document {document!r} has no class; expected one id or more")
    return f"{read_name(document, 'the answer')}\t{','.join(dict.fromkeys(ids))}"


def withdraw_document(folder: Path, document: str) -> list[str]:
    """Take back what was said of a training document; returns the lines that went.

    Raises:
        InputError: nothing was said of it; else as `label_document`.
    """
    removed = replace_document(folder, document, [])
    refuse_nothing(removed, f"document {document!r}")
    return removed


def replace_document(folder: Path, document: str, lines: list[str]) -> list[str]:
    """Put lines of seed_documents.txt in the place of those about a document.

    Args:
        folder: of the corpus.
        document: id in its training documents.
        lines: one, or none to withdraw what was said.

    Returns:
        The lines that were there, which undo this.

    Raises:
        InputError: as `label_document`.
    """
    from reprise.taxonomy.data.class_lists import EXPECTED, read_seed_documents
    from reprise.taxonomy.data.corpus import read_corpus
    from reprise.taxonomy.data.hierarchy_files import read_hierarchy
    from reprise.taxonomy.data.layout import recognise
    from reprise.taxonomy.data.lines import read_lines, read_name, read_pairs

    with change_answers(folder, SAMPLE):
        hierarchy, layout = read_hierarchy(folder), recognise(folder)
        corpus, path = layout.corpus_path("train"), layout.seeds
        documents = read_corpus(corpus, "keep")["doc_id"].tolist()
        if (document := read_name(document, "the answer")) not in documents:
            raise InputError(f"{corpus}: no document {document!r}")
        for identifier in (each for line in lines for each in line.partition("\t")[2].split(",")):
            if identifier not in hierarchy.ids:
                raise InputError(f"{layout.classes}: no class {identifier!r}")
        read_seed_documents(path, hierarchy, documents)  # so that nothing is added to a file that is wrong
        removed: list[str] = []
        kept: list[str] = []
        if path.exists():
            about = {number for number, own, _ in read_pairs(path, EXPECTED) if own == document}
            for number, text in read_lines(path):
                (removed if number in about else kept).append(text)
        if removed or lines:
            write_answers(path, "".join(f"{each}\n" for each in [*kept, *lines]))
    return removed


def describe_class(folder: Path, identifier: str, sentence: str) -> str:
    """Write a sentence for a class into its file of keywords; commas and colons become spaces.

    Args:
        folder: of the corpus.
        identifier: class id.
        sentence: words, or what a document of the class would say.

    Returns:
        The line that was written.

    Raises:
        InputError: an unknown class, nothing said, or files that cannot be used.
    """
    name, _ = replace_words(folder, identifier, [said := plain_words(identifier, sentence)])
    return f"{name}:{said}"


def plain_words(identifier: str, sentence: str) -> str:
    """A sentence for a class without the signs that part keywords.

    Raises:
        InputError: nothing is left of it.
    """
    said = " ".join(sentence.translate(PARTING).split())
    if not said:
        raise InputError(f"nothing is said about class {identifier!r}; expected words")
    return said


def withdraw_sentence(folder: Path, identifier: str) -> list[str]:
    """Take back what was said of a class; returns the lines that went.

    Raises:
        InputError: nothing was said of it; else as `describe_class`.
    """
    name, removed = replace_words(folder, identifier, [])
    refuse_nothing(removed, f"class {identifier!r}")
    return [f"{name}:{words}" for words in removed]


def replace_words(folder: Path, identifier: str, words: list[str]) -> tuple[str, list[str]]:
    """Put words in the place of those that the file of keywords has for a class.

    Args:
        folder: of the corpus.
        identifier: class id.
        words: what stands after the name on a line: keywords with commas between, or one sentence. None: withdraw.

    Returns:
        The class's name as its file spells it, and the words that were there, which undo this.

    Raises:
        InputError: as `describe_class`.
    """
    from reprise.taxonomy.data.hierarchy_files import read_hierarchy
    from reprise.taxonomy.data.layout import recognise
    from reprise.taxonomy.data.lines import read_lines, read_name, read_pairs

    with change_answers(folder, SAMPLE):
        read_hierarchy(folder)  # so that nothing is added to a file that is wrong
        layout = recognise(folder)
        pairs, path = read_pairs(layout.classes, "id<TAB>name"), layout.keywords[0]
        names = {own: read_name(name, layout.classes.name) for _, own, name in pairs}
        if (identifier := read_name(identifier, "the answer")) not in names:
            raise InputError(f"{layout.classes}: no class {identifier!r}")
        name, removed, kept = names[identifier], [], []
        for _, text in read_lines(path) if path.exists() else ():
            if is_about(text, name, names):
                removed.append(words_of(text, name))
            else:
                kept.append(text)
        if removed or words:
            write_answers(path, "".join(f"{each}\n" for each in [*kept, *(f"{name}:{own}" for own in words)]))
    return name, removed


def words_of(line: str, name: str) -> str:
    """What a line of keywords says of the class of a name."""
    return compose_name(line.strip())[len(name) :].lstrip().removeprefix(":").strip()


def is_about(line: str, name: str, names: dict[str, str]) -> bool:
    """Whether a line of keywords is about the class of a name: of names that begin the line, the longest counts."""
    text = compose_name(line.strip())
    heads = [own for own in names.values() if text.startswith(own) and text[len(own) :].lstrip().startswith(":")]
    return max(heads, key=len, default="") == name


if __name__ == "__main__":
    run_command(main)
