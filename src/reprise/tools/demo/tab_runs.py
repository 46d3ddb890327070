"""The tab of runs."""

from typing import Any

import gradio as gr

from reprise.tools.demo.events import page_errors, stop_button, stops, watch
from reprise.tools.demo.markup import experiments_html, headlines_html, hint_html, report_html
from reprise.tools.demo.runs import FIGURES, REPORT, experiment_table, headline_rows, summary, write_report
from reprise.tools.demo.work import Report


def headlines() -> dict[str, Any]:
    """The headline figures of the working folder with their 95 % intervals, by task and title."""
    return page_errors(summary)


async def experiments(
    every: bool = False,
    progress: gr.Progress = gr.Progress(),  # noqa: B008 -- gradio's way
) -> dict[str, Any]:
    """The experiments that DVC has recorded, compared with the commits that they started from.

    Args:
        every: those of all commits.
        progress: of gradio.

    Returns:
        header, and rows of text.
    """

    def work(report: Report) -> dict[str, Any]:
        report(0, 0, "asking DVC")
        header, rows = experiment_table(every)
        return {"header": header, "rows": rows}

    return await watch(work, progress)


async def make_report(progress: gr.Progress = gr.Progress()) -> str:  # noqa: B008
    """Write report.html, as `reprise report` does; returns its path in the repository."""

    def work(report: Report) -> str:
        report(0, 0, "writing the report")
        return str(write_report())

    return await watch(work, progress)


def runs_tab() -> None:
    """Lay out the tab."""
    figures = gr.HTML()
    listed = gr.HTML(hint_html("The experiments come here; DVC takes a few seconds to list them."), min_height=80)
    with gr.Row():
        every = gr.Checkbox(label="Of all commits", min_width=160, scale=0)
        refresh = gr.Button("List the experiments", min_width=160)
        stop = stop_button()
    link = gr.HTML(min_height=80)
    write = gr.Button("Write report.html", min_width=160)
    with gr.Accordion("As programs get it", open=False):
        record, table, path = gr.JSON(label="headlines"), gr.JSON(label="experiments"), gr.Textbox(label="report")
    private: dict[str, Any] = {"api_visibility": "private"}
    read = gr.on([refresh.click], headlines, None, record, api_name="headlines")
    found = refresh.click(experiments, every, table, api_name="experiments", show_progress_on=listed)
    found.success(lambda value: experiments_html(value["header"], value["rows"]), table, listed, **private)
    written = write.click(make_report, None, path, api_name="report", show_progress_on=link)
    written.success(lambda: report_html(REPORT.is_file()), None, link, **private)
    for event in (read, gr.on(None, headlines, None, record, **private)):  # the second: when the page is opened
        event.success(lambda: headlines_html(FIGURES, page_errors(headline_rows)), None, figures, **private)
        event.success(lambda: report_html(REPORT.is_file()), None, link, **private)
    stops(stop, found, written)
