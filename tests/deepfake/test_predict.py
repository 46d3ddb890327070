"""The command that judges recordings: tiny models of one training, and every kind of file."""

import dataclasses
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from reprise.core.models import load_model, save_model
from reprise.deepfake import predict
from reprise.deepfake.data.audio import RATE
from reprise.deepfake.detector.scoring import score_utterance
from reprise.deepfake.paths import DETECTOR
from tests.deepfake.helpers import call, encode, speech, tiny_recipe, write_models


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder with untrained models that fit each other."""
    folder = tmp_path_factory.mktemp("models")
    before = Path.cwd()
    os.chdir(folder)
    write_models(tiny_recipe())
    os.chdir(before)
    return folder / "models"


@pytest.fixture
def beside_models(models, tmp_path, monkeypatch):
    """An empty folder, in which models/ are those."""
    (tmp_path / "models").symlink_to(models)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def judge(*arguments):
    code, output, errors = call(predict.main, *arguments, "--accelerator", "cpu")
    return code, [json.loads(line) for line in output.splitlines()], errors


def test_any_recording_is_judged_from_the_models_alone(beside_models):
    stereo = np.stack([speech(2.0, 5)] * 2, 1)
    soundfile.write("stereo.wav", np.repeat(stereo, 3, 0), 3 * RATE)
    soundfile.write("short.flac", speech(0.06, 1), RATE)
    soundfile.write("long.ogg", speech(65, 2), RATE)
    files = ["stereo.wav", "short.flac", "long.ogg"]
    code, records, _ = judge(*files, "--importance", "--plot", "pictures")
    assert code == 0
    for record, seconds in zip(records, (2.0, 0.06, 65.0), strict=True):
        assert record["seconds"] == pytest.approx(seconds, abs=0.01)
        assert len(record["importance"]) == pytest.approx(seconds / 0.02, abs=2)
        assert record["spoof_probability"] == pytest.approx(1 / (1 + np.exp(2 * record["score"] - 0.2)), abs=1e-5)
        assert record["decision"] == ("bonafide" if record["score"] >= 0.1 else "spoof")
        assert record["top_moments"][0]["importance"] == pytest.approx(max(record["importance"]), abs=1e-4)
        assert Path(record["plot"]).read_bytes().startswith(b"\x89PNG")


def test_the_score_is_that_of_the_detector(beside_models):
    samples = speech(1.5, 3)
    soundfile.write("a.wav", samples, RATE, subtype="FLOAT")
    detector = predict.load_judge(Path("models/deepfake"), "learnable", "cpu").detector
    _, records, _ = judge("a.wav")
    assert records[0]["score"] == pytest.approx(score_utterance(samples, detector), abs=1e-4)
    assert "importance" not in records[0]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.wav", "none.wav: no such file"),
        ("silent.wav", "silent.wav: silent"),
        ("text.wav", "text.wav: not audio that can be read"),
        ("empty.wav", "empty.wav: 0.000 s; expected at least 0.05 s"),
    ],
)
def test_a_file_that_cannot_be_judged_is_an_error_record_and_the_next_one_is_judged(beside_models, name, message):
    soundfile.write("silent.wav", np.zeros(RATE), RATE)
    soundfile.write("empty.wav", np.zeros(0), RATE)
    soundfile.write("good.wav", speech(1, 0), RATE)
    Path("text.wav").write_text("hello " * 50)
    code, records, _ = judge(name, "good.wav")
    assert code == 1
    assert records[0].keys() == {"path", "error"}
    assert records[0]["error"].startswith(message)
    assert records[1]["path"] == "good.wav"
    assert "score" in records[1]


def test_silence_behind_speech_changes_no_score(beside_models):
    samples = np.concatenate([speech(29, 0), np.zeros(RATE)])
    soundfile.write("a.wav", samples, RATE)
    soundfile.write("b.wav", np.concatenate([samples, np.zeros(40 * RATE)]), RATE)
    code, (short, long), _ = judge("a.wav", "b.wav", "--importance")
    assert code == 0
    assert (short["seconds"], long["seconds"]) == (30, 70)
    assert short["score"] == long["score"]
    assert len(long["importance"]) == 3500
    assert not any(long["importance"][1500:])


def test_a_damaged_file_is_judged_where_a_flag_says_so(beside_models):
    content = encode("flac", speech(2, 0))
    Path("cut.flac").write_bytes(content[: len(content) // 2])
    code, records, _ = judge("cut.flac")
    assert code == 1
    assert records[0]["error"].startswith("cut.flac: damaged audio: ")
    code, records, _ = judge("cut.flac", "--take-damaged")
    assert code == 0
    assert 0.5 < records[0]["seconds"] < 1.1
    assert records[0]["damage"].endswith("s can be read of 2.00 s promised")


def test_the_score_of_a_damaged_file_does_not_depend_on_the_files_before_it(beside_models):
    content = encode("mp3", speech(3, 0))
    Path("cut.mp3").write_bytes(content[: len(content) // 2])
    soundfile.write("loud.wav", np.sign(speech(3, 1)), RATE)
    alone = judge("cut.mp3", "--take-damaged")[1][0]
    after = judge("loud.wav", "loud.wav", "cut.mp3", "--take-damaged")[1][2]
    assert after == alone


def test_a_spoof_behind_a_natural_recording_is_heard(beside_models):
    first, second = (encode("mp3", speech(1, seed)) for seed in (0, 1))
    Path("both.mp3").write_bytes(first + second)
    _, records, _ = judge("both.mp3")
    assert records[0]["seconds"] == pytest.approx(2.15, abs=0.15)


def test_names_that_are_no_text_and_a_time_limit(beside_models):
    name = b"caf\xe9 \x1b[31m.wav"
    soundfile.write("a.wav", speech(0.5, 0), RATE)
    os.rename(b"a.wav", name)  # noqa: PTH104 -- the name is bytes
    code, output, _ = call(predict.main, os.fsdecode(name), "--accelerator", "cpu", "--plot", "pictures")
    assert code == 0
    assert "\x1b" not in output
    assert json.loads(output)["path"] == os.fsdecode(name)
    soundfile.write("long.wav", speech(70, 0), RATE)
    judge_now = dataclasses.replace(predict.load_judge(Path("models/deepfake"), "learnable", "cpu"), time_limit=0.0)
    records = list(predict.predict([Path("long.wav")], judge_now, False, None))
    assert records[0]["error"] == "long.wav: not done after 0 s; --time-limit gives it more"


def test_a_damaged_decision_is_one_line(beside_models, tmp_path):
    other = tmp_path / "other"
    shutil.copytree("models/deepfake", other)
    (other / "decision.json").write_text('{"threshold": NaN}')
    soundfile.write("good.wav", speech(1, 0), RATE)
    code, _, errors = judge("good.wav", "--models", other)
    assert code == 1
    assert errors.startswith(f"{other}/decision.json: ")
    assert errors.count("\n") == 1


def test_without_models_the_line_says_what_to_do(beside_models):
    soundfile.write("good.wav", speech(1, 0), RATE)
    code, records, errors = judge("good.wav", "--models", "nowhere")
    assert (code, records) == (1, [])
    assert errors.startswith("nowhere/detector.safetensors: no such file; train the detector first")
    assert errors.count("\n") == 1


def test_an_explainer_of_another_detector_is_refused(beside_models, tmp_path):
    other = shutil.copytree("models/deepfake", tmp_path / "other")
    tensors, metadata = load_model(DETECTOR)
    save_model(other / DETECTOR.name, tensors, metadata | {"best_epoch": 99})
    soundfile.write("good.wav", speech(1, 0), RATE)
    code, _, errors = judge("good.wav", "--models", other)
    assert code == 1
    assert "made for another detector; run `dvc repro deepfake-explainer@learnable`" in errors


def test_pictures_of_files_with_one_name_do_not_overwrite_each_other(beside_models):
    for folder in ("a1", "a2"):
        Path(folder).mkdir()
        soundfile.write(f"{folder}/call.wav", speech(0.5, 0), RATE)
    _, records, _ = judge("a1/call.wav", "a2/call.wav", "--plot", "pictures")
    assert [record["plot"] for record in records] == ["pictures/call.png", "pictures/call-2.png"]
    assert len(list(Path("pictures").iterdir())) == 2
