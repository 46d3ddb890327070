"""The tab of classes that need a word: the least clear first."""

from pathlib import Path
from typing import Any

import gradio as gr

from reprise.taxonomy.paths import SAMPLE
from reprise.tools.demo.corrections.markup import note_html, said_html, unclear_html
from reprise.tools.demo.corrections.texts import answer_class, list_unclear, undo_class
from reprise.tools.demo.corrections.walk import neighbour, why_closed
from reprise.tools.demo.events import Opening, act_of, key_button, page_errors
from reprise.tools.demo.markup import block, hint_html

KEYS = "Keys: t writes (Enter says it, Esc leaves the field), ← →, z undo. What you say replaces the class's keywords."
Done = list[tuple[str, list[str]]]  # classes and the words that each answer replaced, the last one last


def unclear_classes() -> dict[str, Any]:
    """The leaf classes, the least clear first, with the class each is mistaken for, telling words and examples."""
    return page_errors(list_unclear)


def describe_class(identifier: str, sentence: str, withdraw: bool = False) -> dict[str, Any]:
    """Write a sentence for a class into its keywords, as `reprise correct taxonomy --sentence` does.

    Args:
        identifier: class id.
        sentence: words, or what a document of the class would say.
        withdraw: take what was said back instead.
    """
    return page_errors(lambda: answer_class(identifier, sentence, withdraw))[0]


def show(current: str | None, by: int, words: str, record: dict[str, Any] | None = None) -> list[Any]:
    """Show the class that lies so far from the current one: the class, what was done, choice, sentence and note above.

    Args:
        current: id; None: the least clear one.
        by: places to go.
        words: what was done last.
        record: of an answer.
    """
    listed = page_errors(list_unclear)
    found = listed["classes"]
    note = note_html(why_closed(Path(listed["folder"]), SAMPLE))
    if not found:
        return [block("<p>There is no class: unclear_classes.csv is empty.</p>"), "", gr.Dropdown(choices=[]), "", note]
    row = found[neighbour([each["id"] for each in found], current, by)[0]]
    choices = [(f"{each['name']}, doubt {each['doubt']:.2f}", each["id"]) for each in found]
    said = block(said_html(words, record))
    return [unclear_html(row), said, gr.Dropdown(choices=choices, value=row["id"]), "", note]


def say(current: str | None, sentence: str, done: Done) -> list[Any]:
    """Write what was typed for the class that is shown."""
    if current is None:
        raise gr.Error("no class is chosen", print_exception=False)
    record, words = page_errors(lambda: answer_class(current, sentence))
    return [*show(current, 0, f"{record['lines'][0]}.", record), [*done, (current, words)]]


def step(event: gr.EventData, current: str | None, done: Done) -> list[Any]:
    """Do what a button says."""
    act = act_of(event)
    if act == "undo":
        if not done:
            raise gr.Error("no answer of this tab is left to undo", print_exception=False)
        (identifier, words), done = done[-1], done[:-1]
        page_errors(lambda: undo_class(identifier, words))
        return [*show(identifier, 0, "The answer is undone."), done]
    return [*show(current, -1 if act == "back" else 1, ""), done]


def classes_tab() -> Opening:
    """Lay out the tab; returns what has events fill it."""
    note = gr.HTML()
    with gr.Row():
        with gr.Column(scale=6, min_width=320):
            shown = gr.HTML(hint_html("The classes that need a word come here."), min_height=180)
        with gr.Column(scale=5, min_width=320):
            chosen = gr.Dropdown(label="Class, the least clear first", choices=[], interactive=True)
            sentence = gr.Textbox(
                label="As a document of the class would say it (t)",
                placeholder="the ball head slips with a long lens",
                elem_classes="key-t",
            )
            write = gr.Button("Say it", variant="primary", elem_id="class-say")
            said = gr.HTML()
            with gr.Row():
                back = key_button("←", "left", "class-back")
                undo = key_button("Undo", "z", "class-undo")
                forward = key_button("→", "right", "class-forward")
            gr.HTML(hint_html(KEYS))
    done = gr.State([])
    outputs = [shown, said, chosen, sentence, note]
    private: dict[str, Any] = {"trigger_mode": "once", "api_visibility": "private"}
    gr.on([write.click, sentence.submit], say, [chosen, sentence, done], [*outputs, done], **private)
    gr.on([button.click for button in (back, undo, forward)], step, [chosen, done], [*outputs, done], **private)
    chosen.input(lambda current: show(current, 0, ""), chosen, outputs, **private)
    gr.api(unclear_classes, api_name="unclear_classes")
    gr.api(describe_class, api_name="describe_class")
    return lambda triggers: gr.on(triggers, lambda: show(None, 0, ""), None, outputs, api_visibility="private")
