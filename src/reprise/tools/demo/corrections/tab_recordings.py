"""The tab of recordings that chance has drawn: to be listened to, and judged by a person."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from reprise.core.errors import InputError
from reprise.deepfake.data.protocols import SPLITS
from reprise.deepfake.paths import SAMPLE
from reprise.tools.demo.corrections.markup import note_html, place_html, recording_html, said_html
from reprise.tools.demo.corrections.speech import (
    NO_SPLIT,
    VERDICTS,
    answer_recording,
    find_recording,
    list_recordings,
    undo_recording,
)
from reprise.tools.demo.corrections.walk import neighbour, why_closed
from reprise.tools.demo.events import Opening, act_of, key_button, page_errors, watch
from reprise.tools.demo.markup import block, hint_html
from reprise.tools.demo.speech import SpeechAnswer, explain_recording
from reprise.tools.demo.tab_speech import show as show_answer
from reprise.tools.demo.tab_speech import speech
from reprise.tools.demo.work import Report

Copies = Callable[[Sequence[Path], str], list[str]]

DRAWN = 200  # recordings that are gone through at once
KEYS = "Keys: b natural, s synthetic, u unsure, 1 to 5 play a moment again and again or pause it, ← →, z undo."
HINT = (
    "Chance drew the order. In eval keep to it: judging what the detector got wrong, and nothing else, would make its "
    "figures look better than they are."
)
LISTENING = "The models are listening; the marked moments come here."
Done = list[tuple[str, list[str]]]  # recordings and the lines that each answer replaced, the last one last


def recordings(split: str = "eval", count: int = 10) -> dict[str, Any]:
    """Recordings of a split that chance has drawn, those without a verdict of a person first.

    Args:
        split: train, dev or eval; none: recordings that no protocol has.
        count: of recordings at most.
    """
    return page_errors(lambda: list_recordings(split, count))


def judge_recording(recording: str, verdict: str, split: str = "") -> dict[str, Any]:
    """Write what a person hears in a recording into verdicts.txt, as `reprise correct deepfake` does.

    Args:
        recording: its name in the data folder.
        verdict: bonafide or spoof; unsure or withdraw: an earlier verdict is taken back.
        split: train, dev or eval, of a recording that no protocol has.
    """
    return page_errors(lambda: answer_recording(recording, verdict, split))[0]


async def hear(
    recording: str | None,
    progress: gr.Progress = gr.Progress(),  # noqa: B008 -- gradio's way
) -> tuple[dict[str, Any], SpeechAnswer, str | None]:
    """Have the models listen to a recording of the data folder.

    Args:
        recording: its name in the data folder.
        progress: of gradio.

    Returns:
        What /recording gives; and the name.
    """

    def work(report: Report) -> SpeechAnswer:
        if not recording:
            raise InputError("no recording; expected its name")
        path, _ = find_recording(recording)
        report(0, 0, "reading the models")
        return explain_recording(path, speech.get(), report)

    answer = await watch(work, progress)
    return {**answer.record, "importance": [round(float(value), 4) for value in answer.importance]}, answer, recording


def show_heard(answer: SpeechAnswer, heard: str | None, current: str | None) -> list[Any]:
    """What the models heard, unless another recording is shown by now."""
    return list(show_answer(answer)) if heard == current else [gr.skip()] * 3


def draw(split: str) -> tuple[list[str], str]:
    """Names of the recordings to go through, and the note above."""
    listed = page_errors(lambda: list_recordings(split, DRAWN))
    names = [each["recording"] for each in listed["recordings"]]
    return names, note_html(why_closed(Path(listed["folder"]), SAMPLE))


def show(
    copies: Copies, queue: list[str], current: str | None, by: int, words: str, record: dict[str, Any] | None = None
) -> list[Any]:
    """Show the recording that lies so far from the current one: text, sound, choice of split, name; nothing heard yet.

    Args:
        copies: puts recordings where the page may play them.
        queue: names of those to go through.
        current: one of them; None: the first.
        by: places to go.
        words: what was done last.
        record: of an answer.
    """
    later = [hint_html(""), gr.Plot(visible=False), hint_html(LISTENING)]
    if not queue:
        return [block("<p>There is no recording here.</p>"), None, gr.Radio(visible=False), None, *later]
    place, ended = neighbour(queue, current, by)
    if ended:
        words = f"{words} That was the {'last' if by > 0 else 'first'} one."
    path, about = page_errors(lambda: find_recording(queue[place]))
    text = block(
        place_html(place, len(queue), about["verdicts"], "Recording"), recording_html(about), said_html(words, record)
    )
    own = hashlib.sha256(str(path).encode("utf-8", "surrogateescape")).hexdigest()[:16]  # others may have its name
    (playable,) = copies([path], f"heard/{own}")
    joins = gr.Radio(visible=not about["key"], value=about["split"] if about["split"] != NO_SPLIT else SPLITS[0])
    return [text, playable, joins, about["recording"], *later]


def step(
    copies: Copies, act: str, queue: list[str], current: str | None, joins: str, done: Done
) -> tuple[list[Any], Done]:
    """Do what a button says, and show the recording that comes then."""
    if act == "undo":
        if not done:
            raise gr.Error("no answer of this tab is left to undo", print_exception=False)
        (name, lines), done = done[-1], done[:-1]
        page_errors(lambda: undo_recording(name, lines))
        return show(copies, queue if name in queue else [name], name, 0, f"{name}: the answer is undone."), done
    if act in VERDICTS and current is not None:
        split = "" if page_errors(lambda: find_recording(current))[1]["key"] else joins
        record, lines = page_errors(lambda: answer_recording(current, act, split))
        return show(copies, queue, current, 1, f"{current}: {act}.", record), [*done, (current, lines)]
    return show(copies, queue, current, -1 if act == "back" else 1, ""), done


def recordings_tab(copies: Copies) -> Opening:
    """Lay out the tab; returns what has events fill it.

    Args:
        copies: puts recordings where the page may play them.
    """
    note = gr.HTML()
    with gr.Row():
        with gr.Column(scale=4, min_width=320):
            drawn = gr.Radio([*SPLITS, ("in no protocol", NO_SPLIT)], value=SPLITS[-1], label="Drawn by chance from")
            text = gr.HTML(hint_html("The recordings come here."), min_height=180)
            sound = gr.Audio(label="The recording", interactive=False, loop=True, buttons=[])
            joins = gr.Radio(list(SPLITS), value=SPLITS[0], label="It joins", visible=False, interactive=True)
            with gr.Row():
                natural = key_button("Natural", "b", "recording-bonafide")
                synthesised = key_button("Synthetic", "s", "recording-spoof")
                unsure = key_button("Unsure", "u", "recording-unsure")
            with gr.Row():
                back = key_button("←", "left", "recording-back")
                undo = key_button("Undo", "z", "recording-undo")
                forward = key_button("→", "right", "recording-forward")
            gr.HTML(hint_html(f"{KEYS} {HINT}"))
        with gr.Column(scale=7, min_width=320):
            moments = gr.HTML(min_height=120)
            verdict = gr.HTML()
            chart = gr.Plot(label="Waveform, spectrogram and importance", show_label=False, visible=False)
    record = gr.JSON(visible="hidden", label="record")
    heard = gr.Textbox(visible="hidden", label="recording")
    current, queue, done, answer = gr.State(), gr.State([]), gr.State([]), gr.State()
    shown = [text, sound, joins, current, verdict, chart, moments]
    private: dict[str, Any] = {"api_visibility": "private"}

    gr.on(
        [], hear, heard, [record, answer, heard], api_name="hear", concurrency_id="models"
    )  # first, so that it has the name

    def pressed(event: gr.EventData, names: list[str], name: str | None, split: str, before: Done) -> list[Any]:
        found, after = step(copies, act_of(event), names, name, split, before)
        return [*found, after]

    def opened(split: str) -> list[Any]:
        names, line = draw(split)
        return [*show(copies, names, None, 0, ""), names, line]

    buttons = [button.click for button in (natural, synthesised, unsure, back, undo, forward)]
    given = [queue, current, joins, done]
    acted = gr.on(buttons, pressed, given, [*shown, done], trigger_mode="once", show_progress_on=text, **private)

    def then_listen(event: Any) -> Any:
        return listen(event, current, [record, answer, heard], [verdict, chart, moments])

    def open_by(triggers: Sequence[Any]) -> Any:
        return then_listen(gr.on(triggers, opened, drawn, [*shown, queue, note], **private))

    then_listen(acted)
    open_by([drawn.input])  # of a person: a change is told when the tab is drawn, too
    gr.api(recordings, api_name="recordings")
    gr.api(judge_recording, api_name="judge_recording")
    return open_by


def listen(event: Any, current: gr.State, outputs: list[Any], shown: list[Any]) -> Any:
    """Have the models listen to the recording that is shown after an event, and show what they heard."""
    private: dict[str, Any] = {"api_visibility": "private"}
    again: dict[str, Any] = {"trigger_mode": "always_last", "concurrency_id": "models", "show_progress_on": shown[-1]}
    found = event.success(hear, current, outputs, **again, **private)
    return found.success(show_heard, [outputs[1], outputs[2], current], shown, **private)
