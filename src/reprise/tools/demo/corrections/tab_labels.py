"""The tab of suspects: pages whose label the models contradict, one by one."""

from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from reprise.core.errors import InputError
from reprise.documents.data.corrections import DECISIONS
from reprise.documents.paths import SAMPLE
from reprise.tools.correct.documents import Row
from reprise.tools.demo.corrections.markup import note_html, place_html, said_html, suspect_html
from reprise.tools.demo.corrections.pages import answer_page, list_suspects, suspect_image, undo_page
from reprise.tools.demo.corrections.walk import question_at, why_closed
from reprise.tools.demo.events import Opening, act_of, key_button, page_errors
from reprise.tools.demo.markup import block, hint_html
from reprise.tools.demo.pages import read_for_people

KEYS = "Keys: k keep, c change to the class, t choose the class (Esc leaves the field), u unsure, ← →, z undo."
Done = list[tuple[str, list[Row]]]  # answered pages and the rows that each answer replaced, the last one last


def suspects() -> dict[str, Any]:
    """The pages whose label the models contradict, with what was said of each; and the classes."""
    return page_errors(list_suspects)


def suspect_picture(page: str) -> np.ndarray:
    """The image of one of the suspects.

    Args:
        page: its ID in train.csv.
    """

    def read() -> np.ndarray:
        for suspect in list_suspects()["suspects"]:
            if suspect["page"] == page:
                return read_for_people(suspect_image(suspect))
        raise InputError(f"{page!r} is none of the suspects")

    return page_errors(read)


def correct_page(page: str, decision: str, target: str = "") -> dict[str, Any]:
    """Write what a person says of a page's label into label_corrections.csv, as `reprise correct documents` does.

    Args:
        page: its ID in train.csv.
        decision: keep, change or unsure; withdraw: take the earlier answer back.
        target: the right class, as in meta.csv, for change; else empty.
    """
    return page_errors(lambda: answer_page(page, decision, target))[0]


def show(current: str | None, by: int, words: str, record: dict[str, Any] | None = None) -> list[Any]:
    """Show the suspect that lies so far from the current one: page, picture, choice of class, ID and note above.

    Args:
        current: ID; None: the first without an answer.
        by: places to go.
        words: what was done last.
        record: of an answer.
    """
    listed = page_errors(list_suspects)
    found, names = listed["suspects"], {each["target"]: each["name"] for each in listed["classes"]}
    note = note_html(why_closed(Path(listed["folder"]), SAMPLE))
    if not found:
        text = block("<p>No label looks wrong: suspects.csv is empty.</p>", said_html(words, record))
        return [text, None, None, None, note]
    answered = [bool(each["decision"]) for each in found]
    place, ended = question_at([each["page"] for each in found], answered, current, by)
    suspect = found[place]
    if ended:
        words = f"{words} That was the {'last' if by > 0 else 'first'} one."
    text = block(
        place_html(place, len(found), sum(answered), "Suspect"), suspect_html(suspect, names), said_html(words, record)
    )
    choice = gr.Dropdown(
        choices=[(each["name"], each["target"]) for each in listed["classes"]],
        value=suspect["target"] or suspect["predicted_target"],
    )
    return [text, page_errors(lambda: read_for_people(suspect_image(suspect))), choice, suspect["page"], note]


def step(event: gr.EventData, page: str | None, target: str | None, done: Done) -> list[Any]:
    """Do what a button says, and show the suspect that comes then."""
    act = act_of(event)
    if act == "undo":
        if not done:
            raise gr.Error("no answer of this tab is left to undo", print_exception=False)
        (page, rows), done = done[-1], done[:-1]
        page_errors(lambda: undo_page(page, rows))
        return [*show(page, 0, f"{page}: the answer is undone."), done]
    if act in DECISIONS and page is not None:
        right = target or "" if act == "change" else ""
        record, rows = page_errors(lambda: answer_page(page, act, right))
        said = f"{page}: {act}{f' to {right}' if right else ''}."
        return [*show(page, 1, said, record), [*done, (page, rows)]]
    return [*show(page, -1 if act == "back" else 1, ""), done]


def labels_tab() -> Opening:
    """Lay out the tab; returns what has events fill it."""
    note = gr.HTML()
    with gr.Row():
        with gr.Column(scale=6, min_width=320):
            image = gr.Image(label="The page", interactive=False, height=560, buttons=[], elem_id="suspect-image")
        with gr.Column(scale=5, min_width=320):
            text = gr.HTML(hint_html("The labels that the models contradict come here."), min_height=180)
            with gr.Row():
                keep = key_button("Keep", "k", "suspect-keep")
                unsure = key_button("Unsure", "u", "suspect-unsure")
            target = gr.Dropdown(label="The right class (t)", choices=[], elem_classes="key-t", interactive=True)
            change = key_button("Change to it", "c", "suspect-change", variant="primary")
            with gr.Row():
                back = key_button("←", "left", "suspect-back")
                undo = key_button("Undo", "z", "suspect-undo")
                forward = key_button("→", "right", "suspect-forward")
            gr.HTML(hint_html(KEYS))
    ask = gr.Textbox(label="page", visible="hidden")
    picture = gr.Image(label="picture", visible="hidden")
    page, done = gr.State(), gr.State([])
    shown = [text, image, target, page, note]
    gr.on(
        [button.click for button in (keep, unsure, change, back, undo, forward)],
        step,
        [page, target, done],
        [*shown, done],
        trigger_mode="once",
        show_progress_on=text,
        api_visibility="private",
    )
    gr.api(suspects, api_name="suspects")
    gr.api(correct_page, api_name="correct_page")
    gr.on([], suspect_picture, ask, picture, api_name="suspect_picture")
    return lambda triggers: gr.on(triggers, lambda: show(None, 0, ""), None, shown, api_visibility="private")
