"""HTML of the tabs of corrections; every text in it is escaped here."""

from collections.abc import Sequence
from typing import Any

from reprise.core.text import for_html
from reprise.tools.demo.markup import block, percent

NOTHING = "nothing yet"


def place_html(place: int, count: int, answered: int, what: str) -> str:
    """Where one is among the questions."""
    return f'<p class="note">{what} {place + 1} of {count}; {answered} answered.</p>'


def facts_html(facts: Sequence[tuple[str, str]]) -> str:
    """Names and what stands for each; the latter is HTML."""
    rows = "".join(f"<div><dt>{for_html(name)}</dt><dd>{value}</dd></div>" for name, value in facts)
    return f'<dl class="facts">{rows}</dl>'


def suspect_html(suspect: dict[str, Any], names: dict[str, str]) -> str:
    """A page's label, what the models say, and what a person said.

    Args:
        suspect: of `list_suspects`.
        names: of the classes, by target.
    """
    said = suspect["decision"]
    answer = f"change to {for_html(names[suspect['target']])}" if said == "change" else for_html(said or NOTHING)
    facts = [
        ("its label", f"<strong>{for_html(suspect['label'])}</strong>, {percent(suspect['label_probability'])}"),
        ("the models", f"<strong>{for_html(suspect['predicted'])}</strong>, {percent(suspect['probability'])}"),
        ("you said", answer),
    ]
    return f'<p class="verdict">{for_html(suspect["page"])}</p>{facts_html(facts)}'


def question_html(question: dict[str, Any], names: dict[str, str]) -> str:
    """A document, its likeliest classes, and what a person said.

    Args:
        question: of `list_questions`.
        names: of the classes, by id.
    """
    likely = "<br>".join(f"{for_html(each['name'])}, {percent(each['probability'])}" for each in question["likely"])
    said = ", ".join(for_html(names[own]) for own in question["classes"]) or NOTHING
    return (
        f'<p class="note">{for_html(question["document"])}</p><p class="words">{for_html(question["text"])}</p>'
        f"{facts_html([('likely', likely), ('you said', said)])}"
    )


def unclear_html(row: dict[str, Any]) -> str:
    """A class, what speaks for a doubt about it, and its words.

    Args:
        row: of `list_unclear`.
    """
    facts = [
        ("doubt", f"{percent(row['doubt'])} of its {row['documents']} documents may be of other classes"),
        ("mistaken for", for_html(row["mistaken_for"] or "none")),
        ("telling words", for_html(row["words"] or "none")),
        ("its keywords", for_html(", ".join(row["keywords"])) or NOTHING),
    ]
    examples = "".join(f"<li>{for_html(text)}</li>" for text in row["examples"])
    return block(
        f'<p class="verdict">{for_html(row["name"])}</p>{facts_html(facts)}',
        f'<h3>Examples, the surest first</h3><ul class="examples">{examples}</ul>' if examples else "",
    )


def recording_html(record: dict[str, Any]) -> str:
    """A recording before it is listened to.

    Args:
        record: of `find_recording`.
    """
    facts = [
        ("split", for_html(record["split"] if record["split"] != "none" else "in no protocol")),
        ("its protocol", for_html(record["key"] or "says nothing")),
        ("you said", for_html(record["verdict"] or NOTHING)),
    ]
    return f'<p class="verdict">{for_html(record["recording"])}</p>{facts_html(facts)}'


def said_html(words: str, record: dict[str, Any] | None = None) -> str:
    """What an answer did, and what to run next.

    Args:
        words: what was said of what.
        record: file and next of an answer; None: nothing was written.
    """
    sentence = for_html(words)
    if record is not None:
        sentence += f" In {for_html(record['file'])}; then run <code>{for_html(record['next'])}</code>."
    return f'<p class="said" role="status">{sentence}</p>'


def note_html(line: str) -> str:
    """A line that stands above a tab: why nothing can be answered here."""
    return block(f'<p class="warning" role="alert">{for_html(line)}</p>') if line else ""
