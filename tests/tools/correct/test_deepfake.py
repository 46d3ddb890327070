"""What a person heard, one recording at a time."""

import pytest

from reprise.core.errors import InputError
from reprise.deepfake.data.audio import write_flac
from reprise.deepfake.data.sources import read_trials
from reprise.tools.correct import deepfake
from reprise.tools.correct.deepfake import judge_recording
from tests.deepfake.helpers import speech

PROTOCOL = "a train bonafide\nb train spoof\nc dev bonafide\nd dev spoof\ne eval bonafide\nf eval spoof\n"


@pytest.fixture
def own(tmp_path):
    folder = tmp_path / "recordings"
    folder.mkdir()
    for number, name in enumerate([*"abcdef", "new call"]):
        write_flac(folder / f"{name}.flac", speech(0.05, number))
    (tmp_path / "protocol.txt").write_text(PROTOCOL)
    return folder


def trials(own):
    sources = dict.fromkeys(("train", "dev", "eval"), own.parent / "protocol.txt")
    return read_trials(sources, dict.fromkeys(sources, 1 / 3), 0)


def test_verdicts_are_lines_of_a_protocol_and_the_last_one_counts(own):
    assert judge_recording(own, trials(own), "b", "spoof") == "b.flac train spoof"
    judge_recording(own, trials(own), "new call", "spoof", "train")
    judge_recording(own, trials(own), "e.flac", "bonafide")
    judge_recording(own, trials(own), "new call.flac", "bonafide", "train")
    lines = (own / "verdicts.txt").read_text()
    assert lines == "b.flac train spoof\ne.flac eval bonafide\nnew call.flac\ttrain\tbonafide\n"
    assert (own.parent / "protocol.txt").read_text() == PROTOCOL


def test_a_withdrawn_verdict_leaves_no_trace(own):
    judge_recording(own, trials(own), "b", "spoof")
    judge_recording(own, trials(own), "new call", "spoof", "train")
    assert judge_recording(own, trials(own), "b.flac", "withdraw") == "b.flac train spoof"
    assert (own / "verdicts.txt").read_text() == "new call.flac\ttrain\tspoof\n"
    with pytest.raises(InputError, match="recording 'b': no answer that could be withdrawn"):
        judge_recording(own, trials(own), "b", "withdraw")
    assert judge_recording(own, trials(own), "new call", "withdraw") == "new call.flac\ttrain\tspoof"
    assert not (own / "verdicts.txt").exists()


def test_what_is_printed_says_whether_a_verdict_came_or_went(own, monkeypatch, capsys):
    monkeypatch.setattr(deepfake, "load_trials", lambda: trials(own))
    deepfake.main("b", "spoof", None, own)
    deepfake.main("b", "withdraw", None, own)
    assert capsys.readouterr().out == "b.flac train spoof\nwithdrawn: b.flac train spoof\n"


def test_a_sample_lies_deeper_than_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/deepfake/sample/flac").mkdir(parents=True)
    with pytest.raises(
        InputError, match=r"`cp -r data/deepfake/sample data/deepfake/mine`, and name .*/mine/flac with"
    ):
        judge_recording(tmp_path / "data/deepfake/sample/flac", {}, "a", "spoof")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (("e", "spoof", "train"), "'e.flac' is in eval, not in train"),
        (("new call", "spoof"), "'new call' is in no protocol; expected --split train, dev or eval"),
        (("z", "spoof"), "the answer: utterance 'z' has no recording"),
        (("b", "fake"), "the answer: key 'fake' in column 3; expected bonafide or spoof"),
        (("new call", "spoof", "test"), "the answer: split 'test'"),
        (("a", "spoof"), "the split train has spoof utterances alone"),
    ],
)
def test_bad_verdicts_write_nothing(own, answer, message):
    with pytest.raises(InputError, match=message):
        judge_recording(own, trials(own), *answer)
    assert not (own / "verdicts.txt").exists()


def test_a_name_that_several_recordings_have_is_written_with_its_folders(own):
    for speaker in ("s1", "s2"):
        write_flac(own / speaker / "g.flac", speech(0.05, 20 + len(speaker) + int(speaker[1])))
    with pytest.raises(InputError, match="could be any of"):
        judge_recording(own, trials(own), "g", "spoof", "train")
    assert judge_recording(own, trials(own), "s2/g", "spoof", "train") == "s2/g.flac train spoof"
    assert judge_recording(own, trials(own), "s2/g", "withdraw") == "s2/g.flac train spoof"
