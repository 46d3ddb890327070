"""The tab of pages."""

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from reprise.core.errors import InputError
from reprise.documents.data.images import EXTENSIONS
from reprise.documents.paths import MODELS
from reprise.tools.demo.corrections.pages import label_next
from reprise.tools.demo.events import example_set, page_errors, stop_button, stops, watch
from reprise.tools.demo.examples import page_examples
from reprise.tools.demo.kept import Kept
from reprise.tools.demo.markup import page_html, pictures_html
from reprise.tools.demo.pages import PageAnswer, Pages, classify_page, explain_page, open_pages, read_page, row_of
from reprise.tools.demo.uploads import files_of_folder
from reprise.tools.demo.work import Report

Gallery = list[tuple[np.ndarray, str]]

pages: Kept[Pages] = Kept(lambda: open_pages(MODELS), [MODELS, Path("data/documents/prepared")])


async def page(
    file: str | None,
    progress: gr.Progress = gr.Progress(),  # noqa: B008 -- gradio's way
) -> tuple[dict[str, Any], np.ndarray, np.ndarray | None, Gallery, PageAnswer]:
    """Classify the image of a page, and say why.

    Args:
        file: an image.
        progress: of gradio.

    Returns:
        What `reprise predict documents` prints, with orientation and nearest training pages; the page turned upright;
        the same with the class-activation map; pictures of the nearest training pages.
    """
    if file is None:
        raise gr.Error("no image; drop one", print_exception=False)

    def work(report: Report) -> PageAnswer:
        report(0, 0, "reading the models")
        models = pages.get()
        return explain_page(read_page(Path(file), models.ensemble.image_size), models, report)

    answer = await watch(work, progress)
    return answer.record, answer.upright, answer.looked, answer.nearest, answer


async def pages_of_files(
    files: list[str] | None,
    progress: gr.Progress = gr.Progress(),  # noqa: B008
) -> list[dict[str, Any]]:
    """Classify the images of many pages.

    Args:
        files: images.
        progress: of gradio.

    Returns:
        What `reprise predict documents` prints of each, with its orientation; name and error of one that is no use.
    """

    def work(report: Report) -> list[dict[str, Any]]:
        report(0, 0, "reading the models")
        ensemble, records = pages.get().ensemble, []
        for done, file in enumerate(files or []):
            report(done, len(files or []), "classifying")
            try:
                records.append(classify_page(read_page(Path(file), ensemble.image_size), ensemble))
            except InputError as error:
                records.append({"name": Path(file).name, "error": str(error)})
        return records

    return await watch(work, progress)


def show_page(record: dict[str, Any], answer: PageAnswer) -> tuple[str, str]:
    """The verdict, and the training pages like it, for people."""
    return page_html(record), pictures_html(answer.nearest)


def take_folder(files: list[str]) -> list[str]:
    """The images of a folder."""
    return [str(path) for path in page_errors(lambda: files_of_folder([Path(file) for file in files], EXTENSIONS))]


def show_table(files: list[str], records: list[dict[str, Any]]) -> tuple[gr.Dataframe, str | None]:
    """The table, where there is more than one page, and the first page that can be explained."""
    good = [file for file, record in zip(files, records, strict=True) if "error" not in record]
    table = gr.Dataframe([row_of(record) for record in records], visible=len(records) > 1)
    return table, next(iter(good or files), None)


def pages_to_label(records: list[dict[str, Any]]) -> str:
    """The pages to label next: those with the least margin between the two likeliest classes.

    Args:
        records: of /pages_of_files.

    Returns:
        A CSV file, as `reprise predict documents --ask` writes it.
    """
    text = page_errors(lambda: label_next(records))
    table = Path(tempfile.mkdtemp(dir=os.environ["GRADIO_TEMP_DIR"])) / "next.csv"
    table.write_text(text, encoding="utf-8")
    return str(table)


def choose(files: list[str], chosen: gr.SelectData) -> str:
    """The file of the row that was clicked."""
    place = chosen.index[0] if isinstance(chosen.index, (list, tuple)) else chosen.index
    return files[place]


def pages_tab(copies: Callable[[Sequence[Path]], list[str]]) -> None:
    """Lay out the tab.

    Args:
        copies: puts examples where the page may show them.
    """
    with gr.Row():
        with gr.Column(scale=4, min_width=320):
            files = gr.File(label="Images of pages", file_count="multiple", height=150)
            with gr.Row():
                folder = gr.UploadButton("A whole folder", file_count="directory", min_width=120)
                stop = stop_button()
            examples = copies(page_examples())
            dataset = example_set(gr.Image(type="filepath", visible=False), examples)
            table = gr.Dataframe(
                headers=["file", "class", "prob.", "lies"],
                column_widths=["32%", "28%", "14%", "26%"],
                label="The pages; click one for its reasons",
                interactive=False,
                visible=False,
                wrap=True,
                max_height=320,
            )
            least_sure = gr.File(label="The least sure, to label next", interactive=False, visible="hidden")
            verdict = gr.HTML()
        with gr.Column(scale=7, min_width=320):
            with gr.Row():
                upright = gr.Image(label="Turned upright", interactive=False, min_width=240, height=380, buttons=[])
                looked = gr.Image(label="Where they looked", interactive=False, min_width=240, height=380, buttons=[])
            alike = gr.HTML()
            with gr.Accordion("As programs get it", open=False):
                record = gr.JSON(show_label=False)
                records = gr.JSON(show_label=False, visible="hidden")
                nearest = gr.Gallery(label="Nearest training pages", visible="hidden")
            one = gr.File(visible="hidden", label="The page that is explained")
            answer = gr.State()
    shown = [record, upright, looked, nearest, answer]
    many = {
        "fn": pages_of_files,
        "inputs": files,
        "outputs": records,
        "concurrency_id": "models",
        "show_progress_on": files,
    }
    single = {"fn": page, "inputs": one, "outputs": shown, "concurrency_id": "models", "show_progress_on": upright}
    private: dict[str, Any] = {"api_visibility": "private"}

    def explain(before: Any) -> list[Any]:
        run = before.success(**single, **private)
        run.success(show_page, [record, answer], [verdict, alike], **private)
        return [run]

    gr.on([], **single, api_name="page")  # for programs; the page itself comes through the events below
    uploaded = files.upload(**many, api_name="pages_of_files")
    events = [uploaded, *explain(uploaded.success(show_table, [files, records], [table, one], **private))]
    dropped = folder.upload(take_folder, folder, files, **private).success(**many, **private)
    events += [dropped, *explain(dropped.success(show_table, [files, records], [table, one], **private))]
    gr.on([], pages_to_label, records, least_sure, api_name="pages_to_label")
    for classified in (uploaded, dropped):
        listed = classified.success(lambda found: gr.File(visible=len(found) > 1), records, least_sure, **private)
        listed.success(pages_to_label, records, least_sure, **private)
    events += explain(table.select(choose, files, one, **private))
    if dataset is not None:
        events += explain(dataset.click(lambda sample: sample[0], dataset, one, **private))
    stops(stop, *events)
