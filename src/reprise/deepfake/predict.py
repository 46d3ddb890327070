"""Judge recordings, and say which moments gave a synthesis away.

    python -m reprise.deepfake.predict call.wav more/*.flac
    python -m reprise.deepfake.predict call.wav --importance --plot pictures/
    python -m reprise.deepfake.predict call.wav --models exported --onnx
    python -m reprise.deepfake.predict calls/ --to predicted --engine ray

Prints one JSON line a file: score (high for natural speech), probability of a spoof (calibrated on dev, at equal
priors), decision at dev's equal-error threshold, the probabilities by the detector and by the baseline alone, and the
moments of highest importance to the detector. Reads models/deepfake alone (or `--models`); with `--onnx` a folder of
`reprise export`, without torch.

Files of any length, rate and number of channels are taken; they are read in blocks, so that memory does not grow with
the length. A file that cannot be judged gives a line with `path` and `error`; the others are judged, and the exit code
is 1. A damaged file is such a file, but with `--take-damaged`, which judges what can be read of it and adds `damage` to
the line. With `--to` a folder of any size becomes parquet files (`reprise.bulk`).
"""

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reprise.bulk.options import Engine, ShardRows, To, Workers, one_source, refuse_bulk_options
from reprise.core.command import run_command
from reprise.core.errors import InputError
from reprise.core.text import json_line
from reprise.deepfake.paths import BASELINE, DECISION, DETECTOR, MODELS, Mode

if TYPE_CHECKING:
    import numpy as np

    from reprise.deepfake.detector.baseline import Baseline
    from reprise.deepfake.detector.decision import Decisions
    from reprise.deepfake.detector.model import Detector
    from reprise.deepfake.explainer.model import Explainer
    from reprise.deepfake.onnx_models import OnnxModels

TOP_MOMENTS = 5
APART = 0.5  # seconds between two of them
LEAST_SECONDS = 0.05


def main(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="RECORDING...", help="FLAC, WAV, MP3, Ogg Vorbis or Opus; with --to a folder of them."),
    ],
    models: Annotated[Path, typer.Option(help="Folder of detector and explainers.")] = MODELS,
    explainer: Annotated[Mode | None, typer.Option(help="Whose importance; by default the published one's.")] = None,
    importance: Annotated[bool, typer.Option("--importance", help="Also print the importance every 20 ms.")] = False,
    plot: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Also draw each recording there.")] = None,
    take_damaged: Annotated[
        bool, typer.Option("--take-damaged", help="Judge what can be read of a damaged file.")
    ] = False,
    time_limit: Annotated[float, typer.Option(min=1, help="Seconds to give a file.")] = 600.0,
    onnx: Annotated[bool, typer.Option("--onnx", help="Use the folder's ONNX files, without torch.")] = False,
    accelerator: Annotated[str, typer.Option(help="auto, cpu, gpu or mps.")] = "auto",
    to: To = None,
    engine: Engine = None,
    workers: Workers = None,
    shard_rows: ShardRows = None,
) -> None:
    """Tell synthesised from natural speech, as one JSON line a recording, or as parquet files in a folder."""
    from tqdm import tqdm

    if to is not None:
        if importance or plot is not None:
            raise InputError("--importance and --plot do not go with --to")
        from reprise.bulk.run import predict_source
        from reprise.deepfake.bulk import BulkRecordings

        task = BulkRecordings(models.absolute(), explainer, take_damaged, time_limit, onnx, accelerator)
        predict_source(task, one_source(paths), to, engine, workers, shard_rows)
        return
    refuse_bulk_options(engine, workers, shard_rows)
    recordings = [Path(path) for path in paths]
    failed = False
    load = load_onnx_judge if onnx else load_judge
    judge = load(models, explainer, accelerator, take_damaged, time_limit)
    shown = sys.stderr.isatty() and not sys.stdout.isatty()  # where both are the console, the records are the progress
    for record in tqdm(predict(recordings, judge, importance, plot), total=len(recordings), disable=not shown):
        failed |= "error" in record
        typer.echo(json_line(record))
    if failed:
        raise typer.Exit(1)


@dataclasses.dataclass(frozen=True)
class Judge:
    """The loaded models, and how files are read.

    Attributes:
        detector: on `device`.
        baseline: on the CPU.
        explainer: on the CPU.
        decisions: calibrations and thresholds.
        device: such as "cpu".
        take_damaged: whether what can be read of a damaged file is judged.
        time_limit: seconds to give a file.
    """

    detector: "Detector"
    baseline: "Baseline"
    explainer: "Explainer"
    decisions: "Decisions"
    device: str
    take_damaged: bool = False
    time_limit: float = float("inf")

    def hear(self, samples: "np.ndarray") -> "tuple[tuple[float, float], np.ndarray]":
        """Score samples (N,) by detector and baseline, high for natural speech, and weigh their frames (F,)."""
        from reprise.deepfake.detector.frames import hear_precisely
        from reprise.deepfake.detector.scoring import score_utterance
        from reprise.deepfake.detector.windows import describe
        from reprise.deepfake.explainer.model import importance_of

        score = score_utterance(samples, self.detector, self.device, hear_precisely)
        windows = describe(samples, self.detector, self.device, hear_precisely)
        scores = score, self.baseline.score(samples)
        return scores, importance_of(self.explainer, windows, len(samples))


@dataclasses.dataclass(frozen=True)
class OnnxJudge:
    """`Judge` with ONNX graphs in place of torch modules; the other attributes are its own."""

    models: "OnnxModels"
    decisions: "Decisions"
    take_damaged: bool = False
    time_limit: float = float("inf")

    def hear(self, samples: "np.ndarray") -> "tuple[tuple[float, float], np.ndarray]":
        """As `Judge.hear`."""
        return self.models.hear(samples)


def load_onnx_judge(
    models: Path,
    mode: Mode | None,
    accelerator: str,
    take_damaged: bool = False,
    time_limit: float = float("inf"),
    threads: int = 0,
) -> OnnxJudge:
    """Read the ONNX files of an exported folder; torch is not imported. Without a mode, the published explainer's.

    Threads are those of the CPU; 0: all cores.

    Raises:
        InputError: there are none, or they are damaged.
    """
    from reprise.deepfake.onnx_models import OnnxModels
    from reprise.onnx.session import refuse_accelerator

    refuse_accelerator(accelerator)
    graphs = OnnxModels(models, mode, threads)
    return OnnxJudge(graphs, graphs.description.decisions, take_damaged, time_limit)


def load_judge(
    models: Path, mode: Mode | None, accelerator: str, take_damaged: bool = False, time_limit: float = float("inf")
) -> Judge:
    """Read the models; without a mode, the explainer that was published.

    Raises:
        InputError: one is missing or damaged, or an accelerator that this machine lacks.
    """
    import torch

    from reprise.core.devices import prediction_devices
    from reprise.deepfake.detector.baseline import load_baseline
    from reprise.deepfake.detector.decision import read_decisions
    from reprise.deepfake.detector.model_file import load_detector
    from reprise.deepfake.explainer.model_file import load_explainer, published_mode

    torch.set_num_threads(1)
    device = prediction_devices(accelerator)[0]
    detector, _ = load_detector(models / DETECTOR.name, device)
    baseline, decisions = load_baseline(models / BASELINE.name), read_decisions(models / DECISION.name)
    explainer = load_explainer(mode or published_mode(models), models)
    return Judge(detector, baseline, explainer, decisions, device, take_damaged, time_limit)


def predict(
    paths: Sequence[Path], judge: Judge | OnnxJudge, importance: bool, plot: Path | None
) -> Iterator[dict[str, Any]]:
    """Judge recordings one after the other, and draw them where `plot` names a folder.

    Yields:
        A record for each; `path` and `error` alone for one that cannot be judged.
    """
    pictures = picture_names(paths)

    def record_of(number: int) -> dict[str, Any]:
        path = paths[number]
        try:
            record, curve, samples = judge_recording(path, judge, keep=plot is not None)
        except InputError as error:
            return {"path": str(path), "error": str(error)}
        if plot is not None:
            target = plot / pictures[number]
            draw(target, path, samples, curve, record)
            record["plot"] = str(target)
        return record | ({"importance": [round(float(value), 4) for value in curve]} if importance else {})

    yield from map(record_of, range(len(paths)))


@dataclasses.dataclass(frozen=True)
class Heard:
    """What the models heard in a recording, block by block.

    Attributes:
        scores: by detector and by baseline, of each block that is not silent: silence says nothing of how speech was
            made.
        lengths: of these blocks, in samples.
        seconds: of the whole recording.
        curve: importance by frame (F,).
        kept: the samples of the recording, where they are to be kept, else none.
        damage: what is wrong with the file; None: nothing.
    """

    scores: list[tuple[float, float]]
    lengths: list[int]
    seconds: float
    curve: "np.ndarray"
    kept: "np.ndarray"
    damage: str | None


def judge_recording(
    path: Path, judge: Judge | OnnxJudge, keep: bool
) -> "tuple[dict[str, Any], np.ndarray, np.ndarray]":
    """Judge one recording, block by block.

    Returns:
        The record; importance by frame (F,); the samples where they are to be kept, else none.

    Raises:
        InputError: a file that cannot be read, is damaged, silent or next to empty, or takes too long.
    """
    import numpy as np

    heard = hear_recording(path, judge, keep)
    by_detector, by_baseline = np.average(heard.scores, axis=0, weights=heard.lengths)
    decisions, verdict = judge.decisions, judge.decisions.verdict
    score = float(decisions.scores(by_detector, by_baseline))
    if not np.isfinite(score) or not np.isfinite(heard.curve).all():
        raise InputError(f"{path}: the models give no number for it")
    record = {
        "path": str(path),
        "seconds": round(heard.seconds, 3),
        "score": round(score, 6),
        "spoof_probability": round(float(verdict.spoof_probabilities(np.array(score))), 6),
        "decision": verdict.label(score),
        "threshold": round(verdict.threshold, 6),
        "spoof_probability_by": {
            "detector": round(float(decisions.detector.spoof_probabilities(by_detector)), 6),
            "baseline": round(float(decisions.baseline.spoof_probabilities(by_baseline)), 6),
        },
        "top_moments": top_moments(heard.curve),
        **({"damage": heard.damage} if heard.damage else {}),
    }
    return record, heard.curve, heard.kept


def hear_recording(path: Path, judge: Judge | OnnxJudge, keep: bool) -> Heard:
    """Have the models hear one recording, and refuse what cannot be judged.

    Raises:
        InputError: as `judge_recording`.
    """
    import time

    import numpy as np

    from reprise.deepfake.data.audio import RATE, SILENCE, AudioFile
    from reprise.deepfake.explainer.curve import frames_in

    scores: list[tuple[float, float]] = []
    lengths: list[int] = []
    heard: list[int] = []  # lengths without silence
    importance: list[np.ndarray] = []
    kept: list[np.ndarray] = []
    started = time.monotonic()
    audio = AudioFile(path)
    for block in audio.blocks():
        if time.monotonic() - started > judge.time_limit:
            raise InputError(f"{path}: not done after {judge.time_limit:g} s; --time-limit gives it more")
        if not len(block) or (lengths and len(block) < LEAST_SECONDS * RATE):
            continue  # too short a rest to say anything by itself
        lengths.append(len(block))
        kept += [block] if keep else []
        if float(np.ptp(block)) < 2 * SILENCE:
            importance.append(np.zeros(frames_in(len(block)), np.float32))
            continue
        heard.append(len(block))
        scores_here, curve_here = judge.hear(block)
        scores.append(scores_here)
        importance.append(curve_here)
    if not judge.take_damaged:
        audio.refuse_damage()
    seconds = sum(lengths) / RATE
    if seconds < LEAST_SECONDS:
        raise InputError(f"{path}: {seconds:.3f} s; expected at least {LEAST_SECONDS:g} s")
    audio.refuse_silence()
    if not heard:
        raise InputError(f"{path}: silent: its samples stay within {SILENCE:g} of one level")
    samples = np.concatenate(kept) if kept else np.zeros(0, np.float32)
    return Heard(scores, heard, seconds, np.concatenate(importance), samples, audio.damage)


def top_moments(curve: "np.ndarray") -> list[dict[str, float]]:
    """Find the highest moments of importance (F,), at least APART from each other."""
    import numpy as np

    from reprise.deepfake.data.audio import RATE
    from reprise.deepfake.explainer.curve import FRAME

    found: list[int] = []
    for frame in np.argsort(-curve, kind="stable"):
        if all(abs(frame - other) * FRAME / RATE >= APART for other in found):
            found.append(int(frame))
        if len(found) == TOP_MOMENTS:
            break
    return [
        {"seconds": round((frame + 0.5) * FRAME / RATE, 3), "importance": round(float(curve[frame]), 4)}
        for frame in found
    ]


def picture_names(paths: Sequence[Path]) -> list[str]:
    """Name a picture for each recording; where two would share a name, the later ones get a number."""
    names: list[str] = []
    for path in paths:
        name, number = path.stem, 1
        while (picture := f"{name}.png" if number == 1 else f"{name}-{number}.png") in names:
            number += 1
        names.append(picture)
    return names


def draw(target: Path, path: Path, samples: "np.ndarray", curve: "np.ndarray", record: dict[str, Any]) -> None:
    """Draw waveform, spectrogram and importance."""
    from reprise.deepfake.quality.plots import plot_explanations

    title = f"{path.name}: {record['decision']}, spoof probability {record['spoof_probability']:.3f}"
    plot_explanations(target, [{"samples": samples, "importance": {"importance": curve}, "title": title}])


if __name__ == "__main__":
    run_command(main)
