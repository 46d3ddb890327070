"""The tab of texts."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import gradio as gr

from reprise.core.text import json_line
from reprise.taxonomy.paths import MODELS
from reprise.taxonomy.predict import read_documents
from reprise.tools.demo.events import example_set, page_errors, stop_button, stops, watch
from reprise.tools.demo.examples import text_examples
from reprise.tools.demo.kept import Kept
from reprise.tools.demo.markup import hint_html, nearest_html, tree_html, words_html
from reprise.tools.demo.texts import Texts, classify_documents, explain_text, open_texts, row_of
from reprise.tools.demo.uploads import named_as_given
from reprise.tools.demo.work import Report

ROWS_SHOWN = 500  # of a file's table; the file to fetch has all

texts: Kept[Texts] = Kept(lambda: open_texts(MODELS), [MODELS, Path("params.yaml")])


async def text(text: str, progress: gr.Progress = gr.Progress()) -> dict[str, Any]:  # noqa: B008 -- gradio's way
    """Classify a text into the hierarchy, and say why.

    Args:
        text: of any length; the encoder reads its first tokens.
        progress: of gradio.

    Returns:
        What `reprise predict taxonomy` prints, with tree, runner-ups, nearest class texts and the effect of each word.
    """

    def work(report: Report) -> dict[str, Any]:
        report(0, 0, "reading the models")
        return explain_text(text, texts.get(), report)

    return await watch(work, progress)


async def texts_of_file(
    file: str | None,
    progress: gr.Progress = gr.Progress(),  # noqa: B008
) -> tuple[list[dict[str, Any]], str]:
    """Classify the lines of a file.

    Args:
        file: a text a line, or doc id<TAB>text.
        progress: of gradio.

    Returns:
        What `reprise predict taxonomy --file` prints, and the same as a file of JSON lines.
    """
    if file is None:
        raise gr.Error("no file; drop one with a text a line", print_exception=False)
    path = Path(file)

    def work(report: Report) -> list[dict[str, Any]]:
        report(0, 0, "reading the models")
        with named_as_given(path):
            documents = read_documents(path)
        records = classify_documents(documents, texts.get(), report)
        return [
            {**record, "error": record["error"].replace(str(path), path.name)} if "error" in record else record
            for record in records
        ]

    records = await watch(work, progress)
    folder = Path(tempfile.mkdtemp(dir=path.parent))
    lines = folder / f"{path.stem}.jsonl"
    await asyncio.to_thread(lines.write_text, "".join(f"{json_line(record)}\n" for record in records))
    return records, str(lines)


def show_text(record: dict[str, Any]) -> tuple[str, str, str]:
    """The record's parts for people."""
    return tree_html(record), words_html(record), nearest_html(record)


def show_file(file: str, records: list[dict[str, Any]]) -> tuple[gr.Dataframe, list[str]]:
    """The table of a file, and its texts, so that a click on a row can explain one."""
    documents = page_errors(lambda: read_documents(Path(file)))
    table = gr.Dataframe([row_of(record) for record in records[:ROWS_SHOWN]], visible=True)
    return table, [document.text for document in documents[:ROWS_SHOWN]]


def choose(rows: list[str], chosen: gr.SelectData) -> str:
    """The text of the row that was clicked."""
    place = chosen.index[0] if isinstance(chosen.index, (list, tuple)) else chosen.index
    return rows[place]


def texts_tab() -> None:
    """Lay out the tab."""
    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            given = gr.Textbox(label="A text", lines=5, max_lines=12, placeholder="Paste a text")
            with gr.Row():
                explain = gr.Button("Classify", variant="primary", min_width=120)
                stop = stop_button()
            examples = text_examples()
            dataset = example_set(gr.Textbox(visible=False), examples)
            file = gr.File(label="Or a file: a text a line, or doc id<TAB>text", height=140)
            rows = gr.State([])
            table = gr.Dataframe(
                headers=["id", "class", "prob."],
                column_widths=["20%", "60%", "20%"],
                label="The file's texts; click one for its reasons",
                interactive=False,
                visible=False,
                wrap=True,
                max_height=320,
            )
            lines = gr.File(label="All as JSON lines", interactive=False, visible="hidden")
        with gr.Column(scale=6, min_width=320):
            tree, words, nearest = (
                gr.HTML(hint_html("Classes, and why, come here."), min_height=120),
                gr.HTML(),
                gr.HTML(),
            )
            with gr.Accordion("As programs get it", open=False):
                record = gr.JSON(show_label=False)
                records = gr.JSON(show_label=False, visible="hidden")
    run = gr.on(
        [explain.click, given.submit],
        text,
        given,
        record,
        api_name="text",
        concurrency_id="models",
        show_progress_on=tree,
    )
    run.success(show_text, record, [tree, words, nearest], api_visibility="private")
    read = file.upload(
        texts_of_file, file, [records, lines], api_name="texts_of_file", concurrency_id="models", show_progress_on=file
    )
    read.success(show_file, [file, records], [table, rows], api_visibility="private").then(
        lambda: gr.File(visible=True), None, lines, api_visibility="private"
    )
    again = [run, read]
    if dataset is not None:
        picked = dataset.click(lambda sample: sample[0], dataset, given, api_visibility="private").then(
            text, given, record, api_visibility="private", concurrency_id="models"
        )
        picked.success(show_text, record, [tree, words, nearest], api_visibility="private")
        again.append(picked)
    clicked = table.select(choose, rows, given, api_visibility="private").then(
        text, given, record, api_visibility="private", concurrency_id="models"
    )
    clicked.success(show_text, record, [tree, words, nearest], api_visibility="private")
    stops(stop, *again, clicked)
