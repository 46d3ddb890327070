"""Judge explanations: do they find the spoofed stretch, and does the detector's verdict rest on what they point at?

    python src/run.py deepfake.explain

The explainers of `deepfake.explainer.modes` against the baselines `random`, `uniform`, `energy` (loudness of each
frame) and `gradient` (of the logit with respect to the samples). Localisation is measured on partial spoofs of the eval
split, faithfulness on its whole spoofs. Writes metrics/deepfake/explanation.json, explanation_data.json (on how many
utterances, and what frames were replaced with), explanation.png and explanations.png; and
models/deepfake/explainer.json, which names the explainer that prediction takes, `deepfake.explainer.published`:
`published` in explanation.json is its row. Explainers whose mode is no longer listed are deleted.
"""

import functools
import itertools
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field

from reprise.core.devices import torch_devices
from reprise.core.errors import InputError
from reprise.core.files import write_json
from reprise.core.params import Hardware, Params, load_params, load_seed, load_value
from reprise.core.seed import derive_seed, use_deterministic_kernels
from reprise.core.stage import timed
from reprise.deepfake.data.audio import RATE
from reprise.deepfake.data.corpus import Corpus, read_corpus
from reprise.deepfake.data.protocols import UNKNOWN
from reprise.deepfake.data.windows import read_windows
from reprise.deepfake.detector.decision import read_decisions
from reprise.deepfake.detector.frames import hear_once
from reprise.deepfake.detector.model_file import load_detector
from reprise.deepfake.detector.scoring import chunk_logits
from reprise.deepfake.detector.windows import describe
from reprise.deepfake.explainer.model_file import load_explainer, publish_explainer
from reprise.deepfake.paths import METRICS, MODES, PARTIAL, PREPARED, TIMING, WINDOWS, Mode, explainer_path
from reprise.deepfake.quality.faithfulness import choose_spoofs, faithfulness, localise, replacements
from reprise.deepfake.quality.importance import Importance, make_methods
from reprise.deepfake.quality.intervals import drawn_together
from reprise.deepfake.quality.plots import plot_explanations, plot_localisation

logger = logging.getLogger("reprise")

BATCH = 16  # recordings heard together


class ExplainParams(Params):
    """`deepfake.explain`: how much is measured and shown."""

    faithfulness_utterances: Annotated[int, Field(ge=1)]
    shown: Annotated[int, Field(ge=0)]


def main() -> None:
    params, hardware = load_params("deepfake.explain", ExplainParams), load_params("hardware", Hardware)
    modes, published = read_modes()
    seed = derive_seed(load_seed(), "deepfake-explain")
    use_deterministic_kernels(hardware.training_threads)
    device = torch_devices(hardware)[0]
    with timed(TIMING / "explain.json"):
        detector, _ = load_detector(device=device)
        decision = read_decisions().detector
        methods = make_methods({mode: load_explainer(mode) for mode in modes}, detector, device, seed)
        corpus, partial = read_corpus(PREPARED / "eval"), read_corpus(PARTIAL)
        partial_windows = read_windows(WINDOWS / "partial")
        speakers = drawn_together(corpus.table.iloc[partial.twin.astype(np.int64)])  # of no type without one
        report = {name: localise(method, partial, partial_windows, speakers, seed) for name, method in methods.items()}
        chosen = choose_spoofs(corpus, params.faithfulness_utterances, seed)
        natural, kinds = replacements(corpus, chosen, seed)

        @functools.cache
        def describe_eval(row: int) -> np.ndarray:  # few rows of it: the windows stage does not describe them all
            return describe(corpus.waveform(row), detector, device, hear_once)

        @torch.inference_mode()
        def spoof_probabilities(recordings: Iterator[np.ndarray]) -> np.ndarray:
            logits = []
            while group := list(itertools.islice(recordings, BATCH)):
                batch = torch.from_numpy(np.stack(group)).to(device)  # (B, N)
                logits.append(chunk_logits(batch, detector).cpu())
            return decision.spoof_probabilities(-torch.cat(logits).numpy().astype(np.float64))

        found = []
        for row, other in zip(chosen.tolist(), natural, strict=True):
            samples = corpus.waveform(row)
            importances = {name: method(samples, describe_eval(row)) for name, method in methods.items()}
            found.append(faithfulness(samples, other, importances, spoof_probabilities))
        for name, row in report.items():
            row |= {key: float(np.mean([each[name][key] for each in found])) for key in found[0][name]}
        write_json(METRICS / "explanation.json", {**report, "published": {"mode": published, **report[published]}})
        counts = {"partial_spoofs": len(partial), "faithfulness_utterances": len(chosen), "replacements": dict(kinds)}
        write_json(METRICS / "explanation_data.json", counts)
        plot_localisation(METRICS / "explanation.png", report)
        shown = [
            *examples("partial spoof", partial, partial_windows.utterance, np.arange(len(partial)), params.shown),
            *examples("spoof", corpus, describe_eval, np.flatnonzero(corpus.spoof), params.shown),
            *examples("natural speech", corpus, describe_eval, np.flatnonzero(~corpus.spoof), params.shown),
        ]
        plot_explanations(METRICS / "explanations.png", [panel(*example, methods, modes) for example in shown])
        publish_explainer(published)
        delete_other_modes(modes)
    for name, row in report.items():
        if row["localisation_auc"] is not None:
            logger.info(
                "%-10s localisation %.3f, pointing game %.3f, deletion %.3f, insertion %.3f",
                *(name, row["localisation_auc"], row["pointing_game"], row["deletion_auc"], row["insertion_auc"]),
            )


def read_modes() -> tuple[list[Mode], Mode]:
    """Read `deepfake.explainer`: which explainers there are, and which one prediction takes.

    Raises:
        InputError: a mode that does not exist, or one to publish that is not trained.
    """
    modes, published = load_value("deepfake.explainer.modes"), load_value("deepfake.explainer.published")
    known = [mode for mode in MODES if isinstance(modes, list) and mode in modes]
    if not known or len(known) != len(modes):
        raise InputError(f"params.yaml: deepfake.explainer.modes: {modes!r}; expected some of {', '.join(MODES)}")
    if published not in known:
        raise InputError(
            f"params.yaml: deepfake.explainer.published: {published!r}; choose from the modes {', '.join(known)}"
        )
    return known, published


def delete_other_modes(modes: Sequence[Mode]) -> None:
    """Delete explainers that are trained no more: DVC leaves them in the folder that this stage depends on."""
    for mode in MODES:
        path = explainer_path(mode)
        if mode not in modes and path.exists():
            logger.info("%s: deleted, its mode is not in deepfake.explainer.modes", path)
            path.unlink()


Described = Callable[[int], np.ndarray]  # row of a corpus -> descriptions (M, W, V + 1) of its moments
Example = tuple[str, Corpus, Described, int]  # kind, where it lies, row


def examples(kind: str, corpus: Corpus, described: Described, rows: np.ndarray, count: int) -> list[Example]:
    """Pick a few rows, the first of each attack before the second of any."""
    by_attack: dict[str, list[int]] = defaultdict(list)
    for row in rows.tolist():
        by_attack[str(corpus.table["attack"].to_numpy()[row])].append(row)
    queues = list(by_attack.values())
    picked = [queue[turn] for turn in range(count) for queue in queues if turn < len(queue)][:count]
    return [(kind, corpus, described, row) for row in picked]


def panel(
    kind: str, corpus: Corpus, described: Described, row: int, methods: dict[str, Importance], modes: Sequence[Mode]
) -> dict[str, Any]:
    """What `plot_explanations` draws of one utterance."""
    samples, entry = corpus.waveform(row), corpus.table.iloc[row]
    system = "" if entry["attack"] == UNKNOWN else f" ({entry['attack']})"
    return {
        "samples": samples,
        "importance": {mode: methods[mode](samples, described(row)) for mode in modes},
        "title": f"{kind}: {entry['utterance']}{system}",
        "spans": [(start / RATE, end / RATE) for start, end in entry["spans"]] if "spans" in entry else [],
    }
