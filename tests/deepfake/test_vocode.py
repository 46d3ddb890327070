import itertools
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import load_yaml

from reprise.deepfake import vocode
from reprise.deepfake.data.audio import RATE, AudioFolder
from reprise.deepfake.data.protocols import SPLITS
from reprise.deepfake.data.sources import read_trials
from reprise.deepfake.sample.vocoders import VOCODERS
from tests.deepfake.helpers import call, speech

SPEAKERS = ("anna", "ben", "speaker one")


@pytest.fixture
def mine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, speaker in enumerate(SPEAKERS):
        Path("mine", speaker).mkdir(parents=True)
        soundfile.write(f"mine/{speaker}/{speaker} {number}.wav", np.repeat(speech(1.0, number), 2), 2 * RATE)
    return tmp_path


def make(*arguments):
    return call(vocode.main, "mine", "out", "--processes", 1, *arguments)


def test_what_is_written_is_what_the_protocols_name(mine):
    code, output, _ = make("--vocoder", "random_phase", "--vocoder", "band_limited")
    assert code == 0
    trials = read_trials({split: Path(f"out/{split}.txt") for split in SPLITS}, dict.fromkeys(SPLITS, 1.0), 0)
    folder = AudioFolder(Path("out/flac"))
    found = {}
    for split in SPLITS:
        assert len({trial.speaker for trial in trials[split]}) == 1
        for trial in trials[split]:
            samples, rate = soundfile.read(folder.find(trial.utterance, trial.where))
            assert (len(samples), rate) == (RATE, RATE)
            found[trial.utterance] = (trial.speaker, trial.attack)
    assert found == {
        f"{speaker} {number}{suffix}": (speaker, attack)
        for number, speaker in enumerate(SPEAKERS)
        for suffix, attack in (("", "-"), ("-random_phase", "random_phase"), ("-band_limited", "band_limited"))
    }
    assert "dvc exp run -S deepfake.data=out/flac -S deepfake.protocols.train=out/train.txt" in output
    code, _, errors = make()
    assert code == 1
    assert errors == "out: not empty; name a new folder\n"


def test_the_printed_command_is_one_that_dvc_reads(tmp_path):
    params = tmp_path / "params.yaml"
    params.write_text("deepfake: {data: '', protocols: {train: '', dev: '', eval: ''}}\n")
    command = shlex.split(vocode.next_command(Path("données")))
    apply_overrides(str(params), [value for key, value in itertools.pairwise(command) if key == "-S"])
    assert load_yaml(str(params))["deepfake"]["protocols"]["eval"] == "données/eval.txt"


def test_one_protocol_for_speakers_to_be_split_by_hand(mine):
    assert make("--vocoder", "random_phase", "--no-split")[0] == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["flac", "protocol.txt"]


def test_a_broken_recording_leaves_nothing_half_written(mine):
    Path("mine/anna/broken.wav").write_bytes(b"RIFF....")
    code, _, errors = make("--vocoder", "random_phase")
    assert code == 1
    assert "mine/anna/broken.wav" in errors
    assert errors.count("\n") == 1
    assert sorted(path.name for path in mine.iterdir()) == ["mine"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda: [soundfile.write(f"mine/anna/{name}.wav", speech(1, 0), RATE) for name in ("a", "a-smoothed")],
            "mine/anna/a-smoothed.wav and mine/anna/a.wav would both be written as a-smoothed.flac; rename one",
        ),
        (
            lambda: [soundfile.write(f"mine/{name}/a.wav", speech(1, 0), RATE) for name in ("anna", "ben")],
            "mine/anna/a.wav and mine/ben/a.wav would both be written as a.flac; rename one",
        ),
        (
            lambda: soundfile.write("mine/lonely.wav", speech(1, 0), RATE),
            "speakers: -, anna, ben, speaker one; expected at least three folders, a speaker each",
        ),
        (
            lambda: soundfile.write("mine/anna/tab\there.wav", speech(1, 0), RATE),
            r"mine/anna/tab\there.wav: 'tab\there' cannot be a name",
        ),
    ],
)
def test_recordings_that_cannot_go_into_a_set_are_named(mine, spoil, message):
    spoil()
    code, _, errors = make()
    assert code == 1
    assert errors.startswith(message)
    assert errors.count("\n") == 1
    assert not Path("out").exists()


def test_recordings_in_containers_that_are_not_read_are_counted(mine):
    for name in ("call.m4a", "anna/tape.AIFF", "notes.txt"):
        Path("mine", name).write_bytes(b"")
    code, _, errors = make("--vocoder", "random_phase")
    assert code == 0
    assert "passed over 2 files (.aiff, .m4a), such as mine/anna/tape.AIFF: convert them to FLAC" in errors


def test_a_vocoder_that_is_none_is_named(mine):
    code, _, errors = make("--vocoder", "wavenet")
    assert code == 1
    assert errors.startswith("no vocoder 'wavenet'; there are griffin_lim, ")


def test_without_names_every_vocoder_that_runs_here_is_taken(mine, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyworld", None)  # as where it is not installed
    code, _, errors = make()
    assert (code, errors) == (0, "")
    attacks = {line.split("\t")[-2] for path in Path("out").glob("*.txt") for line in path.read_text().splitlines()}
    assert attacks - {"-"} == VOCODERS.keys() - {"world"}


@pytest.mark.parametrize("out", [".", ".."])
def test_the_working_folder_is_not_replaced(tmp_path, monkeypatch, out):
    (tmp_path / "a/b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a/b")
    code, _, errors = call(vocode.main, "..", out, "--processes", 1)
    assert code == 1
    assert errors == f"{out}: the working folder is in it; name a new folder\n"
