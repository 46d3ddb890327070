"""The page of the demo: its theme, its tabs, and what they share."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import gradio as gr

from reprise.tools.demo.corrections.tab import corrections_tab
from reprise.tools.demo.tab_pages import pages_tab
from reprise.tools.demo.tab_runs import runs_tab
from reprise.tools.demo.tab_speech import speech_tab
from reprise.tools.demo.tab_texts import texts_tab

STYLE, KEYS = Path(__file__).with_name("style.css"), Path(__file__).with_name("keys.js")
TITLE = "Reprise"
KEEP_SECONDS = 24 * 3600  # an upload; the folder goes when the page ends


def make_theme() -> gr.themes.Base:
    """Gradio's plain theme in the fonts that the system has: none is asked of the web."""
    return gr.themes.Default(
        primary_hue="blue",
        neutral_hue="slate",
        font=["system-ui", "-apple-system", "Segoe UI", "sans-serif"],
        font_mono=["ui-monospace", "Menlo", "Consolas", "monospace"],
    )


def build_page(uploads: Path) -> gr.Blocks:
    """All tabs.

    Args:
        uploads: a folder from which gradio serves files; the examples are copied there.
    """
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(3600, KEEP_SECONDS)) as page:
        gr.Markdown(f"# {TITLE}")
        with gr.Tabs():
            with gr.Tab("Texts", id="texts"):
                texts_tab()
            with gr.Tab("Pages", id="pages"):
                pages_tab(lambda files: copies(files, uploads / "examples"))
            with gr.Tab("Speech", id="speech"):
                speech_tab(lambda files: copies(files, uploads / "examples"))
            with gr.Tab("Correct", id="correct") as correct:
                corrections_tab(correct, lambda files, folder: copies(files, uploads / folder))
            with gr.Tab("Runs", id="runs"):
                runs_tab()
    return page


def copies(files: Sequence[Path], folder: Path) -> list[str]:
    """Copy examples to where gradio may serve them from; the data may lie anywhere."""
    folder.mkdir(parents=True, exist_ok=True)
    return [str(shutil.copyfile(file, folder / file.name)) for file in files]
