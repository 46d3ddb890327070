"""The tab of speech."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from reprise.deepfake.paths import MODELS
from reprise.tools.demo.charts import recording_chart
from reprise.tools.demo.events import example_set, stop_button, stops, watch
from reprise.tools.demo.examples import speech_examples
from reprise.tools.demo.kept import Kept
from reprise.tools.demo.markup import hint_html, moments_html, speech_html
from reprise.tools.demo.speech import Speech, SpeechAnswer, explain_recording, marked_moments, moment_url, open_speech
from reprise.tools.demo.work import Report

speech: Kept[Speech] = Kept(lambda: open_speech(MODELS), [MODELS, Path("data/deepfake/prepared")])


async def recording(
    file: str | None,
    progress: gr.Progress = gr.Progress(),  # noqa: B008 -- gradio's way
) -> tuple[dict[str, Any], SpeechAnswer]:
    """Tell synthesised from natural speech, and show the moments that gave it away.

    Args:
        file: FLAC, WAV, MP3, Ogg Vorbis or Opus.
        progress: of gradio.

    Returns:
        What `reprise predict deepfake --importance` prints, with what the file is and how far it is from the training
        recordings.
    """
    if file is None:
        raise gr.Error("no recording; drop one, or record one", print_exception=False)

    def work(report: Report) -> SpeechAnswer:
        report(0, 0, "reading the models")
        return explain_recording(Path(file), speech.get(), report)

    answer = await watch(work, progress)
    return {**answer.record, "importance": [round(float(value), 4) for value in answer.importance]}, answer


def show(answer: SpeechAnswer) -> tuple[str, Any, str]:
    """The answer's parts for people: verdict, chart, moments to play."""
    moments = marked_moments(answer.record)
    chart = recording_chart(answer.samples, answer.importance, moments)
    urls = [moment_url(answer.samples, moment["seconds"]) for moment in moments]
    return speech_html(answer.record), gr.Plot(chart, visible=True), moments_html(moments, urls)


def speech_tab(copies: Callable[[Sequence[Path]], list[str]]) -> None:
    """Lay out the tab.

    Args:
        copies: puts examples where the page may play them.
    """
    with gr.Row():
        with gr.Column(scale=4, min_width=320):
            given = gr.Audio(label="A recording", sources=["upload", "microphone"], type="filepath", buttons=[])
            with gr.Row():
                judge = gr.Button("Judge", variant="primary", min_width=120)
                stop = stop_button()
            examples = copies(speech_examples())
            dataset = example_set(gr.Audio(type="filepath", visible=False), examples)
            verdict = gr.HTML()
        with gr.Column(scale=7, min_width=320):
            chart = gr.Plot(label="Waveform, spectrogram and importance", show_label=False, visible=False)
            moments = gr.HTML(hint_html("What is heard, and where, comes here."), min_height=120)
            with gr.Accordion("As programs get it", open=False):
                record = gr.JSON(show_label=False)
            answer = gr.State()
    shown = [verdict, chart, moments]
    private: dict[str, Any] = {"api_visibility": "private"}
    watched: dict[str, Any] = {"concurrency_id": "models", "show_progress_on": moments}
    events = [
        judge.click(recording, given, [record, answer], api_name="recording", **watched),
        given.upload(recording, given, [record, answer], **watched, **private),
        given.stop_recording(recording, given, [record, answer], **watched, **private),
    ]
    if dataset is not None:
        picked = dataset.click(lambda sample: sample[0], dataset, given, **private)
        events.append(picked.then(recording, given, [record, answer], **watched, **private))
    for event in events:
        event.success(show, answer, shown, **private)
    stops(stop, *events)
