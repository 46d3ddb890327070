"""All stages of the deepfake task, one after the other: the true configuration, made small."""

import functools
import os
import re
import shutil
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from reprise.core.errors import InputError
from reprise.core.models import load_model
from reprise.deepfake.data.audio import RATE
from reprise.deepfake.data.corpus import read_corpus
from reprise.deepfake.data.windows import read_windows
from reprise.deepfake.detector.learner import Learner as DetectorLearner
from reprise.deepfake.detector.model_file import load_detector
from reprise.deepfake.detector.scoring import score_corpus
from reprise.deepfake.explainer.learner import Learner as ExplainerLearner
from reprise.deepfake.explainer.model_file import published_mode
from reprise.deepfake.paths import MODES, PREPARED, WINDOWS
from reprise.deepfake.predict import judge_recording, load_judge
from reprise.deepfake.quality.metrics import equal_error_rate
from reprise.deepfake.quality.plots import plot_explanations
from reprise.deepfake.stages import detector, evaluate, explain, explainer, prepare, recipe, sample, windows
from reprise.tools.noise import Rows, check_rows
from tests.conftest import tiny_params, write_params
from tests.deepfake.helpers import make_corpus, write_recordings
from tests.processes import in_process
from tests.stage_files import digests, kill_at_batch, read

OWN = Path("own")


def tiny(**changes: Any) -> dict[str, Any]:
    """Tiny parameters for the folder that `make_own` writes."""
    params = tiny_params(Path("none"))
    params["deepfake"]["data"] = str(OWN / "flac")
    params["deepfake"]["protocols"] = {split: str(OWN / f"{split}.txt") for split in ("train", "dev", "eval")}
    params["deepfake"]["train"] |= changes
    return params


def make_own() -> None:
    """Natural noise and humming robots, in three splits."""
    for seed, split in enumerate(("train", "dev", "eval")):
        write_recordings(OWN, make_corpus(8, seed=seed), split)


def run_all(params: dict[str, Any]) -> None:
    write_params(Path(), params)
    for module in (recipe, prepare, detector, windows):
        module.main()
    for mode in MODES:
        explainer.main(mode)
    evaluate.main()
    explain.main()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    before = Path.cwd()
    os.chdir(folder)
    make_own()
    run_all(tiny(epochs=10))
    os.chdir(before)
    return folder


@pytest.fixture
def in_finished(finished, monkeypatch):
    monkeypatch.chdir(finished)
    return finished


def test_every_promised_file_and_figure_is_there(in_finished):
    evaluation = read("metrics/deepfake/evaluation.json")
    named = {"eer", "eer_ci95", "eer_known", "eer_unseen", "min_dcf", "min_dcf_ci95", "act_dcf", "cllr", "attacks"}
    assert named <= evaluation["eval"].keys()
    assert evaluation["baseline"].keys() == {"dev", "eval"}
    assert evaluation["eval"]["eer_unseen"] is None  # A01 alone, which train has
    explanation = read("metrics/deepfake/explanation.json")
    named = {"localisation_auc", "pointing_game", "deletion_auc", "insertion_auc", "comprehensiveness", "sufficiency"}
    assert list(explanation) == [*MODES, "random", "uniform", "energy", "gradient", "published"]
    assert explanation["published"] == {"mode": "ema", **explanation["ema"]}
    assert published_mode() == "ema"
    for name in explanation:
        assert named <= explanation[name].keys()
        for figure in ("localisation_auc", "pointing_game"):
            low, high = explanation[name][f"{figure}_ci95"]
            assert low - 1e-4 <= explanation[name][figure] <= high + 1e-4
    assert explanation["uniform"]["localisation_auc"] == 0.5
    assert read("metrics/deepfake/explanation_data.json")["replacements"] == {"twin": 3}
    figures = read("metrics/deepfake/detector/metrics.json")
    assert {"train_loss", "valid_loss", "dev_eer", "dev_error", "lr", "best_epoch", "best_dev_error"} <= figures.keys()
    for mode in MODES:
        figures = read(f"metrics/deepfake/explainer-{mode}/metrics.json")
        assert {"importance_spoof_mean", "importance_bonafide_std", "dev_eer"} <= figures.keys()
    for name in ("det", "explanation", "explanations"):
        assert Path(f"metrics/deepfake/{name}.png").read_bytes().startswith(b"\x89PNG")


def test_noise_and_hum_are_told_apart(in_finished):
    evaluation = read("metrics/deepfake/evaluation.json")
    assert evaluation["eval"]["eer"] <= 0.25
    assert evaluation["baseline"]["eval"]["eer"] == 0.0


def test_score_files_are_those_of_the_stored_detector(in_finished):
    corpus = read_corpus(PREPARED / "eval")
    scores = score_corpus(corpus, load_detector()[0], "cpu")
    lines = [line.split() for line in Path("data/deepfake/scores/detector-eval.txt").read_text().splitlines()]
    assert [line[0] for line in lines] == corpus.table["utterance"].tolist()
    assert [line[2] for line in lines] == corpus.table["key"].tolist()
    assert np.allclose([float(line[3]) for line in lines], scores, atol=1e-4)
    assert read("metrics/deepfake/evaluation.json")["eval"]["eer"] == equal_error_rate(scores, corpus.spoof)


def test_prediction_gives_the_scores_that_were_evaluated(in_finished):
    decisions, evaluation = read("models/deepfake/decision.json"), read("metrics/deepfake/evaluation.json")
    assert evaluation["published"]["system"] == decisions["published"] == "fused"
    assert evaluation["published"]["eer"] == evaluation["fused"]["eval"]["eer"]
    by_system = {
        system: {name: float(score) for name, _, _, score in map(str.split, path.read_text().splitlines())}
        for system in ("detector", "baseline", "fused")
        for path in [Path(f"data/deepfake/scores/{system}-eval.txt")]
    }
    judge = load_judge(Path("models/deepfake"), None, "cpu")
    for name in ("u2-0", "u2-11"):
        ratios = [
            decisions[system]["scale"] * by_system[system][name] + decisions[system]["offset"]
            for system in ("detector", "baseline")
        ]
        assert by_system["fused"][name] == pytest.approx(sum(ratios) / 2, abs=1e-4)
        record, _, _ = judge_recording(OWN / f"flac/{name}.flac", judge, keep=False)
        assert record["score"] == pytest.approx(by_system["fused"][name], abs=1e-3)
        for ratio, probability in zip(ratios, record["spoof_probability_by"].values(), strict=True):
            assert probability == pytest.approx(1 / (1 + np.exp(ratio)), abs=1e-3)


def test_the_items_come_to_the_stored_rate(in_finished):
    rows, corpus = Rows(Path("metrics/deepfake/items.csv").read_text(), "items.csv"), read_corpus(PREPARED / "eval")
    assert rows.column("utterance") == corpus.table["utterance"].tolist()
    assert rows.column("speaker") == corpus.table["speaker"].tolist()
    assert rows.numbers("spoof").tolist() == corpus.spoof.tolist()
    figures = read("metrics/deepfake/evaluation.json")["eval"]
    check_rows("eer", rows, ["spoof", "score"], figures["eer"], "EER")
    assert figures["min_dcf_ci95"][0] - 1e-4 <= figures["min_dcf"] <= figures["min_dcf_ci95"][1] + 1e-4


def test_the_manifest_names_what_was_read(in_finished):
    table = read_corpus(Path("data/deepfake/prepared/dev")).table
    assert table["split"].unique().tolist() == ["dev"]
    assert table["rate"].unique().tolist() == [RATE]
    assert (table["seconds"] == 1.2).all()
    twins = table["twin"].to_numpy()
    natural = table["utterance"].to_numpy()
    for row in np.flatnonzero(table["spoof"]):
        assert natural[twins[row]] == f"u1-{row - 8}"
    data = read("metrics/deepfake/data.json")
    assert data["eval"]["attacks"] == {"A01": 8}
    assert data["eval"]["spoofs_with_a_natural_twin"] == 8
    assert data["partial_spoofs"] == 4


def test_two_runs_give_the_same_bytes(in_finished, tmp_path, monkeypatch):
    first = digests("data", "models", "metrics")
    monkeypatch.chdir(tmp_path)
    make_own()
    run_all(tiny(epochs=10))
    assert digests("data", "models", "metrics") == first


def test_an_explainer_without_a_detector(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, tiny())
    with pytest.raises(InputError, match="train the detector first: dvc repro deepfake-detector"):
        explainer.main("ema")


def test_a_detector_with_a_frozen_encoder_learns_in_training_mode(in_finished, tmp_path, monkeypatch):
    shutil.copytree(in_finished / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    params = tiny()
    params["deepfake"] |= {"recipe": "whisper"}
    write_params(tmp_path, params)
    recipe.main()
    detector.main()
    tensors, _ = load_model(Path("models/deepfake/detector.safetensors"))
    batches = [int(value) for name, value in tensors.items() if name.endswith("num_batches_tracked")]
    assert len(batches) > 0
    assert min(batches) > 0  # else neither batch norm nor dropout was at work


def test_a_detector_from_elsewhere_is_published_as_it_is(in_finished, tmp_path, monkeypatch):
    given, _ = load_model(Path("models/deepfake/detector.safetensors"))
    torch.save({"model_state_dict": {f"module.{name}": value for name, value in given.items()}}, tmp_path / "best.pt")
    shutil.copytree(in_finished / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, tiny(weights=["average.pt", "best.pt"], epochs=0))
    recipe.main()
    detector.main()
    published, metadata = load_model(Path("models/deepfake/detector.safetensors"))
    assert metadata["best_epoch"] == 0
    assert given.keys() == published.keys()
    assert all(torch.equal(given[name], published[name]) for name in given)
    write_params(tmp_path, tiny(weights=["average.pt", "other.pt"], epochs=0))
    recipe.main()
    with pytest.raises(InputError, match=r"weights: no such file: average\.pt, other\.pt; expected none, a path"):
        detector.main()


@pytest.mark.parametrize(
    ("modes", "published", "message"),
    [
        (["ema", "emo"], "ema", "expected some of ema, fixed, learnable"),
        ([], "ema", "expected some of ema, fixed, learnable"),
        (["ema", "ema"], "ema", "expected some of ema, fixed, learnable"),
        (["ema", "fixed"], "learnable", "'learnable'; choose from the modes ema, fixed"),
    ],
)
def test_modes_that_are_none(modes, published, message, workspace, change_params):
    change_params("deepfake.explainer.modes", modes)
    change_params("deepfake.explainer.published", published)
    with pytest.raises(InputError, match=message):
        explain.read_modes()


def test_explainers_that_are_trained_no_more_are_deleted(in_finished, tmp_path, monkeypatch):
    copy = tmp_path / "copy"
    shutil.copytree(in_finished, copy)
    monkeypatch.chdir(copy)
    params = tiny()
    params["deepfake"]["explainer"] |= {"modes": ["fixed"], "published": "fixed"}
    write_params(copy, params)
    explain.main()
    assert [path.name for path in Path("models/deepfake/explainers").iterdir()] == ["fixed.safetensors"]
    assert published_mode() == "fixed"
    assert next(iter(read("metrics/deepfake/explanation.json"))) == "fixed"


def test_windows_of_train_say_which_moments_are_spoofed(in_finished):
    described, train = read_windows(WINDOWS / "train"), read_corpus(PREPARED / "train")
    assert len(described) == len(train) + 4 < len(train) + (train.twin >= 0).sum()
    names = train.table["utterance"].tolist()
    sources = [name.removesuffix("-partial") for name in described.index["utterance"][len(train) :]]
    spliced_into = {int(train.twin[names.index(source)]) for source in sources}
    for row in range(len(train)):
        known = described.spoofed(row)
        assert (known == 0).all() if row in spliced_into else np.isnan(known).all()
        assert len(known) == len(described.utterance(row))
    assert len(spliced_into) == 4
    assert not any(train.spoof[row] for row in spliced_into)
    for row in range(len(train), len(described)):
        known = described.spoofed(row)
        assert described.spoof[row]
        assert described.index["utterance"][row].endswith("-partial")
        assert set(known.tolist()) == {0.0, 1.0}
        assert np.abs(np.diff(known)).sum() == 2, "one stretch, with natural speech before and after it"


def test_explaining_leaves_the_detector_as_it_was(in_finished):
    before = Path("models/deepfake/detector.safetensors").read_bytes()
    windows.main()
    explainer.main("ema")
    assert Path("models/deepfake/detector.safetensors").read_bytes() == before


def rewrite(path: Path, function) -> None:
    path.write_text("\n".join(function(path.read_text().splitlines())) + "\n")


def copy_recording(source: str, target: str, kind: str = "flac") -> None:
    samples, rate = soundfile.read(OWN / f"flac/{source}.flac")
    soundfile.write(OWN / f"flac/{target}.{kind}", samples, rate)


BAD = {
    "an utterance without audio": (
        lambda: rewrite(OWN / "dev.txt", lambda lines: [*lines, "s9 lost - A01 spoof"]),
        r"^own/dev\.txt:17: utterance 'lost' has no recording under own/flac$",
    ),
    "an utterance in two splits": (
        lambda: rewrite(OWN / "dev.txt", lambda lines: [*lines, "s9 u0-3 - - bonafide"]),
        r"^own/dev\.txt:17: utterance 'u0-3' is in train too \(own/train\.txt:4\)$",
    ),
    "one file under two names": (
        lambda: rewrite(OWN / "dev.txt", lambda lines: [*lines, "s9 u0-3.flac - - bonafide"]),
        r"^own/dev\.txt:17: own/flac/u0-3\.flac is the recording of own/train\.txt:4 too \('u0-3'\)$",
    ),
    "one recording under two names in two splits": (
        lambda: copy_recording("u0-3", "u1-2"),
        r"^own/dev\.txt:3: 'u1-2' holds the samples of 'u0-3', bonafide in train \(own/train\.txt:4\)$",
    ),
    "one recording as natural and as spoof": (
        lambda: copy_recording("u0-3", "u0-12", "flac"),
        r"^own/train\.txt:13: 'u0-12' holds the samples of 'u0-3', bonafide in train",
    ),
    "a recording that is cut short": (
        lambda: (OWN / "flac/u2-1.flac").write_bytes((OWN / "flac/u2-1.flac").read_bytes()[:9000]),
        r"^own/flac/u2-1\.flac: damaged audio: .*; 0\.\d\d s can be read of 1\.20 s promised$",
    ),
    "a speaker in two splits": (
        lambda: rewrite(OWN / "eval.txt", lambda lines: [line.replace("s2-1 ", "s0-1 ") for line in lines]),
        r"^own/eval\.txt:2: speaker 's0-1' is in train too$",
    ),
    "damaged files, all named at once": (
        lambda: [(OWN / f"flac/u0-{number}.flac").write_bytes(b"x" * 99) for number in (1, 4)],
        r"^own/flac/u0-1\.flac: not audio .*; own/flac/u0-4\.flac: not audio",
    ),
    "a silent file": (
        lambda: soundfile.write(OWN / "flac/u1-2.flac", np.zeros(RATE), RATE),
        r"^own/flac/u1-2\.flac: silent",
    ),
    "one class alone": (
        lambda: rewrite(OWN / "eval.txt", lambda lines: lines[8:]),
        r"^own/eval\.txt: the split eval has spoof utterances alone",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_folders_are_one_line(tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    make_own()
    write_params(tmp_path, tiny())
    spoil, message = BAD[case]
    spoil()
    with pytest.raises(InputError, match=message) as caught:
        prepare.main()
    assert "\n" not in str(caught.value)
    assert not Path("metrics/deepfake/data.json").exists()
    assert not [path for path in Path("data").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("data", None, "params.yaml: deepfake.data: expected the path of a file or folder, got None"),
        ("data", 5, "params.yaml: deepfake.data: expected the path of a file or folder, got 5"),
        ("data", "nowhere", "nowhere: no such folder of recordings"),
        ("protocols", {"train": "a", "dev": "b"}, "params.yaml: deepfake.protocols.eval: missing"),
        ("prepare", {"min_seconds": 2}, "params.yaml: deepfake.prepare.max_seconds: missing"),
    ],
)
def test_parameters_that_cannot_be_are_named(tmp_path, monkeypatch, key, value, message):
    monkeypatch.chdir(tmp_path)
    make_own()
    params = tiny()
    params["deepfake"][key] = value
    write_params(tmp_path, params)
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        prepare.main()


def test_lengths_have_the_shortest_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = tiny()
    params["deepfake"]["prepare"] |= {"min_seconds": 20, "max_seconds": 3}
    write_params(tmp_path, params)
    with pytest.raises(InputError, match=r"deepfake\.prepare: 20 \.\.\. 3 s; expected the shortest first"):
        prepare.main()


def test_a_recording_twice_in_one_split_is_counted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_own()
    copy_recording("u0-3", "u0-4")
    write_params(tmp_path, tiny())
    prepare.main()
    assert read("metrics/deepfake/data.json")["train"]["repeated"] == 1


def test_verdicts_replace_keys_within_their_split_and_are_counted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_own()
    write_params(Path(), tiny())
    copy_recording("u0-1", "heard")
    (OWN / "flac/verdicts.txt").write_text("u2-0 eval spoof\nu2-1 eval bonafide\nu0-8 train bonafide\n")
    prepare.main()
    eval_keys = read_corpus(PREPARED / "eval").table.set_index("utterance")["key"]
    assert eval_keys[["u2-0", "u2-1"]].tolist() == ["spoof", "bonafide"]
    assert not set(eval_keys.index) & set(read_corpus(PREPARED / "train").table["utterance"])
    assert read_corpus(PREPARED / "train").table.set_index("utterance")["attack"]["u0-8"] == "-"
    counts = read("metrics/deepfake/data.json")
    assert counts["eval"]["verdicts"] == {"confirmed": 1, "changed": 1, "added": 0}
    assert counts["train"]["verdicts"] == {"confirmed": 0, "changed": 1, "added": 0}
    (OWN / "flac/verdicts.txt").write_text("heard dev bonafide\n")
    with pytest.raises(InputError, match="holds the samples of 'u0-1', bonafide in train"):
        prepare.main()


def test_names_are_data(tmp_path, monkeypatch):
    """`NA`, `$`, a name with a space and a decomposed one go through every stage that reads or shows them."""
    monkeypatch.chdir(tmp_path)
    make_own()
    for old, new in (("u2-1", "NA"), ("u2-9", "a $b$ c"), ("u2-2", unicodedata.normalize("NFD", "é"))):
        (OWN / f"flac/{old}.flac").rename(OWN / f"flac/{new}.flac")
        rewrite(OWN / "eval.txt", lambda lines, old=old, new=new: [renamed(line, old, new) for line in lines])
    write_params(tmp_path, tiny(epochs=1))
    for module in (recipe, prepare, detector, evaluate):
        module.main()
    table = read_corpus(Path("data/deepfake/prepared/eval")).table
    assert {"NA", "a $b$ c", "é"} <= set(table["utterance"])
    assert "a $b$ c\tA01\tspoof\t" in Path("data/deepfake/scores/detector-eval.txt").read_text()
    plot_explanations(Path("picture.png"), [{"samples": np.ones(999), "importance": {}, "title": r"$\frac{$ \x1b"}])


def renamed(line: str, old: str, new: str) -> str:
    columns = line.split()
    return "\t".join(new if column == old else column for column in columns) if old in columns else line


def test_a_synthetic_voice_in_several_splits_is_counted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_own()
    for split in ("train", "dev"):
        rewrite(OWN / f"{split}.txt", lambda lines: ["TTS" + line[4:] if " A01 " in line else line for line in lines])
    write_params(tmp_path, tiny())
    prepare.main()
    assert read("metrics/deepfake/data.json")["synthetic_speakers_in_several_splits"] == ["TTS"]


def test_the_sample_runs_and_the_seed_decides_it(workspace, change_params):
    sample.main()
    first = digests("data/deepfake/sample")
    recipe.main()
    prepare.main()
    data = read("metrics/deepfake/data.json")
    assert data["train"]["attacks"] == {"V01": 2, "V02": 2, "V03": 2}
    assert sorted(data["eval"]["attacks"]) == ["V01", "V02", "V03", "V04", "V05", "V06"]
    assert data["eval"]["spoofs_with_a_natural_twin"] >= 9  # of 12
    sample.main()
    assert digests("data/deepfake/sample") == first
    change_params("seed", 1)
    sample.main()
    assert digests("data/deepfake/sample").keys() != first.keys()


def test_a_mode_that_is_none_is_named(tmp_path):
    with pytest.raises(InputError, match="no mode 'emo'; the modes are ema, fixed, learnable"):
        explainer.main("emo")


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"front_end": "logmel", "twins": False, "loss": "cross_entropy", "statistics_branch": False},
        {"rawboost": 0.5, "band_limit": 0.5, "noise": 0.5, "gain": 6, "frame_loss": 0, "precision": "bf16-mixed"},
        {"wav2vec2": True},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_other_recipes_run_through_every_stage(tmp_path, monkeypatch, changes):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(explainer, "refuse_collapse", lambda *_: None)  # a few steps learn nothing
    make_own()
    if changes.pop("wav2vec2", False):
        params = tiny()
        params["deepfake"]["recipe"] = "wav2vec2-tiny"
        params["deepfake"]["recipes"]["wav2vec2-tiny"] |= {"epochs": 2, "crop_seconds": [0.5, 0.8]}
    else:
        params = tiny(**changes)
    run_all(params)
    assert 0 <= read("metrics/deepfake/evaluation.json")["eval"]["eer"] <= 1


@pytest.mark.slow
def test_without_twins_all_stages_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(explainer, "refuse_collapse", lambda *_: None)
    make_own()
    for path in (OWN / "flac").glob("*.flac"):
        if int(path.stem.split("-")[1]) >= 8:  # spoofs that no longer have a natural utterance's length
            samples, rate = soundfile.read(path)
            soundfile.write(path, samples[: -rate // 4], rate)
    run_all(tiny())
    assert read("metrics/deepfake/data.json")["partial_spoofs"] == 0
    described = read_windows(WINDOWS / "train")
    assert all(np.isnan(described.spoofed(row)).all() for row in range(len(described)))
    explanation = read("metrics/deepfake/explanation.json")
    assert explanation["ema"]["localisation_auc"] is None
    assert explanation["ema"]["localisation_auc_ci95"] is None
    assert read("metrics/deepfake/explanation_data.json")["replacements"] == {"same_speaker": 3}
    assert 0 <= read("metrics/deepfake/evaluation.json")["eval"]["eer"] <= 1


def stage_process(folder: Path, stage: str, kill_at: int | None) -> None:
    os.chdir(folder)
    learner: Any = DetectorLearner if stage == "detector" else ExplainerLearner
    if kill_at is not None:
        kill_at_batch(learner, kill_at)
    if stage == "detector":
        detector.main()
    else:
        explainer.refuse_collapse = lambda *_: None
        explainer.main("ema")


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "kill_at"), [("detector", 1), ("detector", 6), ("ema", 4)])
def test_a_killed_stage_ends_with_the_bytes_of_an_unbroken_one(tmp_path, monkeypatch, stage, kill_at):
    monkeypatch.chdir(tmp_path)
    make_own()
    write_params(tmp_path, tiny())
    recipe.main()
    prepare.main()
    run_stage = functools.partial(in_process, stage_process, tmp_path)
    if stage == "ema":
        assert run_stage("detector", None) == 0
        windows.main()
    assert run_stage(stage, None) == 0
    unbroken = digests("models", "metrics")
    published = Path(f"models/deepfake/{'detector' if stage == 'detector' else 'explainers/ema'}.safetensors")
    published.unlink()
    assert run_stage(stage, kill_at) == -9
    assert not published.exists()
    assert run_stage(stage, None) == 0
    assert digests("models", "metrics") == unbroken


def test_the_same_utterances_in_a_merged_protocol_give_the_same_table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_own()
    lines = []
    for split in ("train", "dev", "eval"):
        for line in (OWN / f"{split}.txt").read_text().splitlines():
            _, utterance, _, _, key = line.split()
            lines.append(f"{utterance}.flac {split} {key}")
    (OWN / "all.txt").write_text("\n".join(lines))
    params = tiny()
    params["deepfake"]["protocols"] = dict.fromkeys(("train", "dev", "eval"), str(OWN / "all.txt"))
    write_params(tmp_path, params)
    prepare.main()
    table = pd.read_parquet("data/deepfake/prepared/eval/manifest.parquet")
    assert table["utterance"].str.removesuffix(".flac").tolist() == [f"u2-{number}" for number in range(16)]
    assert table["spoof"].tolist() == [False] * 8 + [True] * 8
