"""A recording's verdict, its moments and what it is like, against the command and naive versions."""

import io

import numpy as np
import pytest
import soundfile

from reprise.core import code
from reprise.core.errors import InputError
from reprise.deepfake.data.audio import RATE
from reprise.deepfake.detector.channel import CHANNELS
from reprise.deepfake.predict import load_judge, predict
from reprise.tools.demo import familiarity as module
from reprise.tools.demo.familiarity import (
    BANDS,
    Familiarity,
    compare_sound,
    describe_sound,
    differences,
    distances,
    open_familiarity,
)
from reprise.tools.demo.speech import explain_recording, file_reasons, marked_moments, moment_clip, open_speech
from reprise.tools.demo.work import Stopped
from tests.deepfake.helpers import DETECTORS, robot, speech, tiny_recipe, write_models
from tests.tools.demo.helpers import write_prepared_speech
from tests.tools.demo.reports import unwatched


@pytest.fixture(scope="module", params=DETECTORS)
def folder(request, tmp_path_factory):
    """A working folder with untrained models and prepared recordings."""
    folder = tmp_path_factory.mktemp("speech")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_models(tiny_recipe(request.param, **DETECTORS[request.param]))
        write_prepared_speech(folder / "data/deepfake/prepared")
    return folder


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return folder


def test_the_record_is_that_of_the_command(here):
    soundfile.write("call.wav", speech(1.5, 3), RATE)
    models = here / "models/deepfake"
    (told,) = predict([here / "call.wav"], load_judge(models, None, "cpu"), True, None)
    answer = explain_recording(here / "call.wav", open_speech(models), unwatched)
    shared = {key: value for key, value in told.items() if key not in ("importance", "path")}
    assert {key: answer.record[key] for key in shared} == shared
    assert answer.record["name"] == "call.wav"
    assert "path" not in answer.record
    assert answer.importance == pytest.approx(told["importance"], abs=1e-4)
    assert len(answer.samples) == 1.5 * RATE
    assert answer.record["file"] == {"format": "WAV", "coding": "PCM_16", "rate": RATE, "channels": 1}
    assert not answer.record["familiarity"]["unlike"]


def test_a_bad_recording_is_the_line_of_the_command_with_the_files_own_name(here):
    (here / "bad.wav").write_text("no sound")
    (told,) = predict([here / "bad.wav"], load_judge(here / "models/deepfake", None, "cpu"), False, None)
    with pytest.raises(InputError) as ours:
        explain_recording(here / "bad.wav", open_speech(here / "models/deepfake"), unwatched)
    assert str(ours.value) == told["error"].replace(f"{here}/", "")


def test_listening_can_be_stopped_between_blocks(here):
    soundfile.write("long.wav", speech(61, 3), RATE)
    told = []

    def report(done, total, what):
        told.append(what)
        if len(told) == 2:
            raise Stopped

    with pytest.raises(Stopped):
        explain_recording(here / "long.wav", open_speech(here / "models/deepfake"), report)
    assert told == [f"listening, after {seconds} s of the recording" for seconds in (0, 30)]


def test_without_the_training_recordings_nothing_is_said_of_them(here, monkeypatch, tmp_path):
    soundfile.write(tmp_path / "call.wav", speech(1, 3), RATE)
    monkeypatch.chdir(tmp_path)
    answer = explain_recording(tmp_path / "call.wav", open_speech(here / "models/deepfake"), unwatched)
    assert answer.record["familiarity"] is None


def test_a_moment_is_heard_with_what_is_around_it():
    samples = np.linspace(-1, 1, 3 * RATE, dtype=np.float32)
    heard, rate = soundfile.read(io.BytesIO(moment_clip(samples, 1.0)), dtype="float32")
    assert rate == RATE
    assert heard == pytest.approx(samples[RATE // 2 : 3 * RATE // 2], abs=1e-4)
    assert len(soundfile.read(io.BytesIO(moment_clip(samples, 0.0)))[0]) == RATE // 2
    with pytest.raises(InputError, match="9 s lies outside the recording"):
        moment_clip(samples, 9.0)


def test_moments_of_no_importance_are_not_marked():
    moments = [{"seconds": place, "importance": value} for place, value in ((1.0, 0.05), (0.2, 0.04))]
    assert marked_moments({"top_moments": moments}) == moments[:1]
    moments[1]["importance"] = 0.5
    assert marked_moments({"top_moments": moments}) == moments


def test_the_distance_is_the_mean_to_the_nearest(monkeypatch):
    generator = np.random.default_rng(0)
    training, others = generator.normal(3, 2, (30, 6)), generator.normal(3, 4, (5, 6))
    scaled = lambda values: (values - training.mean(0)) / training.std(0)  # noqa: E731
    for row, found in zip(scaled(others), distances(others, training), strict=True):
        naive = sorted(np.linalg.norm(row - other) for other in scaled(training))[: module.NEAREST]
        assert found == pytest.approx(np.mean(naive) / np.sqrt(6))


def test_training_is_described_once_with_the_threshold_of_dev(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train, dev = write_prepared_speech(tmp_path / "prepared")
    told = []
    found = open_familiarity(0, 0, lambda *step: told.append(step), tmp_path / "prepared")
    assert found is not None
    again = open_familiarity(0, 0, lambda *step: told.append(step), tmp_path / "prepared")
    assert again is not None
    assert len(told) == len(train) + len(dev)
    assert (found.described == again.described).all()
    assert found.described == pytest.approx(np.stack([describe_sound(train.waveform(row)) for row in range(16)]))
    own = [found.distance(describe_sound(dev.waveform(row))) for row in range(16)]
    assert found.threshold == again.threshold == pytest.approx(np.quantile(own, module.QUANTILE))
    copied = open_familiarity(2, 0, unwatched, tmp_path / "prepared")
    assert copied is not None
    assert copied.described.shape == (3 * 16, 3 * BANDS), "copies through channels are training recordings too"


@pytest.mark.parametrize("change", ["audio", "code"])
def test_training_is_described_anew_where_its_samples_or_the_code_changed(tmp_path, monkeypatch, change):
    monkeypatch.chdir(tmp_path)
    train, dev = write_prepared_speech(tmp_path / "prepared")
    told = []
    report = lambda *step: told.append(step)  # noqa: E731
    before = open_familiarity(0, 0, report, tmp_path / "prepared")
    if change == "audio":  # the manifest stays
        audio = np.load(tmp_path / "prepared/train/audio.npy")
        np.save(tmp_path / "prepared/train/audio.npy", np.roll(audio, 12_345))
    else:
        for name in module.DESCRIBING:
            assert name in code._AT_START
        monkeypatch.setitem(code._AT_START, module.__name__, "edited")
    after = open_familiarity(0, 0, report, tmp_path / "prepared")
    assert before is not None
    assert after is not None
    assert len(told) == 2 * (len(train) + len(dev))
    assert (before.described == after.described).all() == (change == "code")


def test_prepared_recordings_without_their_samples_are_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_prepared_speech(tmp_path / "prepared")
    (tmp_path / "prepared/dev/audio.npy").unlink()
    with pytest.raises(InputError, match=r"prepared/dev/audio.npy: no such file"):
        open_familiarity(0, 0, unwatched, tmp_path / "prepared")


def test_loudness_says_nothing():
    samples = speech(1, 0)
    assert describe_sound(samples) == pytest.approx(describe_sound(samples * 0.1), abs=1e-2)


@pytest.fixture(scope="module")
def familiar():
    """What natural noise and robots are like, and the threshold of others of their kind."""
    kinds = [speech(1.5, seed) for seed in range(12)] + [robot(speech(1.5, seed), seed) for seed in range(12)]
    described = np.stack([describe_sound(samples) for samples in kinds])
    others = np.stack([describe_sound(speech(1.5, 100 + seed)) for seed in range(20)])
    return Familiarity(described, float(np.quantile(distances(others, described), 0.99)))


@pytest.mark.parametrize(
    ("channel", "reason"), [("gsm", "next to nothing above 4.0"), ("mu_law", "next to nothing above 3.")]
)
def test_a_telephone_is_unlike_wide_recordings_and_is_named(familiar, channel, reason):
    heard = CHANNELS[channel](speech(1.5, 50), np.random.default_rng(0))
    told = compare_sound(heard, familiar)
    assert told["unlike"]
    assert told["distance"] > told["threshold"]
    assert any(line.startswith(reason) for line in told["reasons"]), told


def test_of_its_own_kind_a_recording_is_no_stranger(familiar):
    told = [compare_sound(speech(1.5, 200 + seed), familiar) for seed in range(10)]
    assert sum(each["unlike"] for each in told) <= 1
    assert not any(each["reasons"] for each in told if not each["unlike"])


def test_what_is_missing_is_named_in_kilohertz():
    training = np.zeros((4, 3 * BANDS))
    training[:, 2 * BANDS :] = -2 - 0.1 * np.arange(4)[:, None]
    low = np.zeros(3 * BANDS)
    low[2 * BANDS :] = -2.15
    low[17:BANDS] = -9  # from the 18th band of 200 Hz on
    assert differences(low, training) == ["next to nothing above 3.4 kHz"]
    low[:2] = -9
    assert differences(low, training) == ["next to nothing above 3.4 kHz", "next to nothing below 0.4 kHz"]
    noisy = np.zeros(3 * BANDS)
    noisy[2 * BANDS :] = -1
    (line,) = differences(noisy, training)
    assert line == "steady noise: its quiet moments are 4 dB below the mean (the training recordings': 9 to 10 dB)"
    noisy[2 * BANDS :] = -5
    (line,) = differences(noisy, training)
    assert line.startswith("cut silences, as of a noise gate: quiet moments are 22 dB below the mean")


def test_what_a_file_is_can_be_a_reason():
    quiet = np.zeros(100, np.float32)
    about = {"format": "WAV", "coding": "ULAW", "rate": 8000, "channels": 1}
    assert file_reasons(about, quiet) == [
        "a lossy coding: ULAW", "8000 samples a second, so that nothing lies above 4 kHz"
    ]  # fmt: skip
    assert file_reasons({}, np.ones(100, np.float32)) == ["clipping: many samples stand at full scale"]
    assert file_reasons({"coding": "PCM_24", "rate": 48000}, quiet) == []
