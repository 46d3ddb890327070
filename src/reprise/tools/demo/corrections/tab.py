"""The tab of corrections: what a person says of data, by task."""

from collections.abc import Callable, Sequence
from pathlib import Path

import gradio as gr

from reprise.tools.demo.corrections.tab_classes import classes_tab
from reprise.tools.demo.corrections.tab_documents import documents_tab
from reprise.tools.demo.corrections.tab_labels import labels_tab
from reprise.tools.demo.corrections.tab_recordings import recordings_tab


def corrections_tab(whole: gr.Tab, copies: Callable[[Sequence[Path], str], list[str]]) -> None:
    """Lay out the tab.

    Args:
        whole: the tab itself; its first part is shown when it is opened.
        copies: puts recordings into a folder of that name from which the page may play them.
    """
    with gr.Tabs():
        with gr.Tab("Labels", id="labels") as labels:
            fill_labels = labels_tab()
        with gr.Tab("Documents", id="documents") as documents:
            fill_documents = documents_tab()
        with gr.Tab("Classes", id="classes") as classes:
            fill_classes = classes_tab()
        with gr.Tab("Recordings", id="recordings") as recordings:
            fill_recordings = recordings_tab(copies)
    fill_labels([whole.select, labels.select])
    fill_documents([documents.select])
    fill_classes([classes.select])
    fill_recordings([recordings.select])
