"""The tab of documents whose label would say most, one by one."""

from pathlib import Path
from typing import Any

import gradio as gr

from reprise.taxonomy.paths import SAMPLE
from reprise.tools.demo.corrections.markup import note_html, place_html, question_html, said_html
from reprise.tools.demo.corrections.texts import answer_document, list_questions, undo_document
from reprise.tools.demo.corrections.walk import question_at, why_closed
from reprise.tools.demo.events import Opening, act_of, key_button, page_errors
from reprise.tools.demo.markup import block, hint_html

KEYS = (
    "Keys: 1 or 2 takes that class, t chooses classes (Esc leaves the field), c takes the chosen ones, ← →, z undo. "
    "A document may be about several classes."
)
LIKELY = ("likeliest", "second")
Done = list[tuple[str, list[str]]]  # documents and the lines that each answer replaced, the last one last


def questions() -> dict[str, Any]:
    """The documents whose label would say most, with their likeliest classes and those given; and all classes."""
    return page_errors(list_questions)


def label_document(document: str, classes: list[str], withdraw: bool = False) -> dict[str, Any]:
    """Write the classes of a training document into seed_documents.txt, as `reprise correct taxonomy --document` does.

    Args:
        document: its id.
        classes: ids, one or more.
        withdraw: take the earlier answer back instead.
    """
    return page_errors(lambda: answer_document(document, classes, withdraw))[0]


def show(current: str | None, by: int, words: str, record: dict[str, Any] | None = None) -> list[Any]:
    """Show the document that lies so far from the current one: text, buttons, choice of classes, id and note above.

    Args:
        current: id; None: the first without an answer.
        by: places to go.
        words: what was done last.
        record: of an answer.
    """
    listed = page_errors(list_questions)
    found, names = listed["documents"], {each["id"]: each["name"] for each in listed["classes"]}
    note = note_html(why_closed(Path(listed["folder"]), SAMPLE))
    if not found:
        text = block("<p>Nothing is asked: ask.csv is empty.</p>", said_html(words, record))
        return [text, *(gr.Button(visible=False) for _ in LIKELY), gr.Dropdown(choices=[]), None, note]
    answered = [bool(each["classes"]) for each in found]
    place, ended = question_at([each["document"] for each in found], answered, current, by)
    question = found[place]
    if ended:
        words = f"{words} That was the {'last' if by > 0 else 'first'} one."
    text = block(
        place_html(place, len(found), sum(answered), "Document"),
        question_html(question, names),
        said_html(words, record),
    )
    likely = question["likely"]
    buttons = [
        gr.Button(
            f"{likely[number]['name']} ({number + 1})" if number < len(likely) else "", visible=number < len(likely)
        )
        for number in range(len(LIKELY))
    ]
    choice = gr.Dropdown(choices=[(name, own) for own, name in names.items()], value=question["classes"])
    return [text, *buttons, choice, question["document"], note]


def classes_of(act: str, document: str, chosen: list[str]) -> list[str] | None:
    """The classes that a button gives to a document; None where it gives none."""
    if act == "these":
        return chosen
    if act in LIKELY:
        asked = next(each for each in page_errors(list_questions)["documents"] if each["document"] == document)
        return [asked["likely"][LIKELY.index(act)]["id"]]
    return None


def step(event: gr.EventData, document: str | None, chosen: list[str], done: Done) -> list[Any]:
    """Do what a button says, and show the document that comes then."""
    act = act_of(event)
    if act == "undo":
        if not done:
            raise gr.Error("no answer of this tab is left to undo", print_exception=False)
        (document, lines), done = done[-1], done[:-1]
        page_errors(lambda: undo_document(document, lines))
        return [*show(document, 0, f"{document}: the answer is undone."), done]
    if document is not None and (classes := classes_of(act, document, chosen)) is not None:
        record, lines = page_errors(lambda: answer_document(document, classes))
        return [*show(document, 1, f"{document}: {', '.join(classes)}.", record), [*done, (document, lines)]]
    return [*show(document, -1 if act == "back" else 1, ""), done]


def documents_tab() -> Opening:
    """Lay out the tab; returns what has events fill it."""
    note = gr.HTML()
    with gr.Row():
        with gr.Column(scale=6, min_width=320):
            text = gr.HTML(hint_html("The documents whose label would say most come here."), min_height=180)
        with gr.Column(scale=5, min_width=320):
            first = key_button("Likeliest", "1", "question-likeliest")
            second = key_button("Second", "2", "question-second")
            chosen = gr.Dropdown(
                label="Its classes (t)", choices=[], multiselect=True, elem_classes="key-t", interactive=True
            )
            these = key_button("These classes", "c", "question-these", variant="primary")
            with gr.Row():
                back = key_button("←", "left", "question-back")
                undo = key_button("Undo", "z", "question-undo")
                forward = key_button("→", "right", "question-forward")
            gr.HTML(hint_html(KEYS))
    document, done = gr.State(), gr.State([])
    shown = [text, first, second, chosen, document, note]
    gr.on(
        [button.click for button in (first, second, these, back, undo, forward)],
        step,
        [document, chosen, done],
        [*shown, done],
        trigger_mode="once",
        show_progress_on=text,
        api_visibility="private",
    )
    gr.api(questions, api_name="questions")
    gr.api(label_document, api_name="label_document")
    return lambda triggers: gr.on(triggers, lambda: show(None, 0, ""), None, shown, api_visibility="private")
