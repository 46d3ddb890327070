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
from tests.deepfake.tiny_voice import save_tiny_voice

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


SENTENCES = ["good morning", "the harbour was quiet", "count them twice", "nobody came", "it is late"]


def read_by(*voices, **options):
    """The arguments that have voices read sentences.txt."""
    chosen = [part for voice in voices for part in ("--voice", str(voice))]
    return ("--vocoder", "random_phase", "--sentences", "sentences.txt", *chosen, *options.get("more", ()))


def test_voices_read_each_sentence_into_one_split(mine):
    voices = [save_tiny_voice(mine / name) for name in ("low", "high")]
    Path("sentences.txt").write_text("\n\n".join(SENTENCES))
    code, output, _ = make(*read_by(*voices, more=("--channel", "mu_law")))
    assert code == 0
    assert output.startswith("6 recordings, 26 spoofs in out/flac: dev.txt, eval.txt, train.txt\n")
    trials = read_trials({split: Path(f"out/{split}.txt") for split in SPLITS}, dict.fromkeys(SPLITS, 1.0), 0)
    homes: dict[str, set[str]] = {}
    for split in SPLITS:
        for trial in trials[split]:
            if trial.attack in ("low", "high"):
                assert trial.spoof
                assert trial.speaker == "-"
                homes.setdefault(trial.utterance.removeprefix(f"{trial.attack}-")[:5], set()).add(split)
    assert {line: len(splits) for line, splits in homes.items()} == dict.fromkeys(
        ("00001", "00003", "00005", "00007", "00009"), 1
    )
    assert set.union(*homes.values()) == set(SPLITS)


def test_readings_hang_on_the_seed_and_not_on_processes_or_the_path_of_a_voice(mine):
    save_tiny_voice(mine / "low")
    Path("sentences.txt").write_text("\n".join(SENTENCES))

    def readings(out, voice, *options):
        arguments = read_by(voice, more=("--seed", 0, *options))
        assert call(vocode.main, "mine", out, *arguments)[0] == 0
        return [path.read_bytes() for path in sorted(Path(out, "flac").glob("low-*.flac"))]

    alone, pair = readings("alone", "low", "--processes", 1), readings("pair", "./low", "--processes", 2)
    assert len(set(alone)) == 5
    assert alone == pair
    assert alone != readings("other", "low", "--processes", 1, "--seed", 1)
    both = [Path(out, f"{split}.txt").read_text() for out in ("alone", "pair") for split in SPLITS]
    assert both[:3] == both[3:]


def test_readings_are_as_loud_as_one_of_the_recordings(mine):
    for number, path in enumerate(sorted(Path("mine").rglob("*.wav"))):
        soundfile.write(path, speech(1.0, number) * 0.05 * (number + 1), RATE)
    Path("sentences.txt").write_text("\n".join(SENTENCES))
    assert make(*read_by(save_tiny_voice(mine / "v")))[0] == 0

    def power(path):
        return np.sqrt(np.mean(np.square(soundfile.read(path)[0])))

    natural = np.array([power(path) for path in sorted(Path("mine").rglob("*.wav"))])
    ratios = np.abs(np.array([power(path) for path in Path("out/flac").glob("v-*.flac")])[:, None] / natural - 1)
    assert ratios.min(1).max() < 0.02
    assert len(set(ratios.argmin(1))) > 1


def test_sentences_of_one_protocol_need_no_split(mine):
    Path("sentences.txt").write_bytes(b"\xef\xbb\xbfGood morning.\r\n")
    assert make(*read_by(save_tiny_voice(mine / "v"), more=("--no-split",)))[0] == 0
    assert "-\tv-00001\t-\tv\tspoof\n" in Path("out/protocol.txt").read_text().replace(" ", "\t")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a\nb\n", "sentences.txt: sentences: 2; expected 3 or more, for train, dev and eval"),
        (
            "good morning\nit is late\n\nnobody came\n123\n",
            "sentences.txt: line 5: the voice v cannot read this: it does not know '1', '2', '3'",
        ),
    ],
)
def test_sentences_that_cannot_be_read_aloud_leave_nothing_half_written(mine, content, message):
    Path("sentences.txt").write_text(content)
    save_tiny_voice(mine / "v")
    assert make(*read_by("v"))[::2] == (1, f"{message}\n")
    assert not Path("out").exists()


def test_a_voice_that_cannot_be_loaded_ends_the_command_before_any_recording_is_read(mine, monkeypatch):
    Path("mine/anna/broken.wav").write_bytes(b"RIFF....")  # would be an error, too
    Path("sentences.txt").write_text("\n".join(SENTENCES))
    Path("v").mkdir()
    Path("v/config.json").write_text("{}")
    code, _, errors = make(*read_by("v"))
    assert code == 1
    assert errors.startswith("the voice v cannot be loaded: ")
    assert errors.count("\n") == 1


def test_names_of_readings_are_theirs_alone(mine):
    Path("sentences.txt").write_text("\n".join(SENTENCES))
    save_tiny_voice(mine / "v")
    save_tiny_voice(mine / "smoothed")
    expected = "--voice ./v: its spoofs would be called v, as those of the voice v\n"
    assert make(*read_by("v", "./v"))[::2] == (1, expected)
    expected = "--voice smoothed: its spoofs would be called smoothed, as those of the vocoder smoothed\n"
    assert make(*read_by("smoothed"))[::2] == (1, expected)
    soundfile.write("mine/anna/V-00002.wav", speech(1.0, 7), RATE)
    expected = "mine/anna/V-00002.wav and sentences.txt: line 2, read by v, would both be written as v-00002.flac"
    assert make(*read_by("v"))[2].startswith(expected)


def test_a_voice_needs_sentences(mine):
    code, _, errors = make("--voice", "hibari")
    assert (code, errors) == (1, "--voice without --sentences: name a text file, a sentence a line\n")


@pytest.mark.parametrize("out", [".", ".."])
def test_the_working_folder_is_not_replaced(tmp_path, monkeypatch, out):
    (tmp_path / "a/b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a/b")
    code, _, errors = call(vocode.main, "..", out, "--processes", 1)
    assert code == 1
    assert errors == f"{out}: the working folder is in it; name a new folder\n"
