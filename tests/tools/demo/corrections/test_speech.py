"""Recordings that chance draws, and what is heard in them."""

import pytest

from reprise.core.errors import InputError
from reprise.tools.correct.deepfake import judge_recording, load_trials
from reprise.tools.demo.corrections.speech import answer_recording, find_recording, list_recordings, undo_recording
from tests.tools.demo.corrections.helpers import PROTOCOL, write_params, write_recordings


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, deepfake="data/deepfake/mine/flac")
    return write_recordings(tmp_path)


def drawn(split, count=10):
    return [each["recording"] for each in list_recordings(split, count)["recordings"]]


def test_chance_draws_once_and_those_that_were_judged_come_last(own):
    assert sorted(drawn("train")) == ["a.flac", "b.flac"]
    assert drawn("none") == ["new call.flac"]
    assert drawn("eval") == drawn("eval")
    assert drawn("eval", 1) == drawn("eval")[:1]
    first, second = drawn("eval")
    answer_recording(first, "spoof" if first == "f.flac" else "bonafide", "")
    assert drawn("eval") == [second, first]
    listed = list_recordings("eval")
    assert (listed["in_split"], listed["with_verdict"]) == (2, 1)
    with pytest.raises(InputError, match="split 'test'; expected train, dev, eval, none"):
        list_recordings("test")


def test_a_new_recording_leaves_the_order_of_the_others(own):
    before = drawn("train")
    (own / "more.flac").write_bytes((own / "a.flac").read_bytes())
    assert drawn("train") == before


def test_a_verdict_is_that_of_the_command_and_the_protocol_stays(own):
    answers = (("b", "spoof", ""), ("new call", "spoof", "train"), ("e.flac", "bonafide", ""))
    for recording, verdict, split in answers:
        record, _ = answer_recording(recording, verdict, split)
        assert record["lines"] == (own / "verdicts.txt").read_text().splitlines()[-1:]
    ours = (own / "verdicts.txt").read_bytes()
    (own / "verdicts.txt").unlink()
    for recording, verdict, split in answers:
        judge_recording(own, load_trials(), recording, verdict, split or None)
    assert (own / "verdicts.txt").read_bytes() == ours
    assert (own.parents[3] / "protocol.txt").read_text() == PROTOCOL
    assert record["next"] == "dvc repro deepfake-evaluate"
    path, about = find_recording("new call")
    assert path == own.relative_to(own.parents[3]) / "new call.flac"
    assert about == {
        "recording": "new call.flac", "split": "train", "key": "", "verdict": "spoof", "verdicts": 3
    }  # fmt: skip


def test_unsure_says_nothing_and_takes_a_verdict_back(own):
    record, removed = answer_recording("b", "unsure", "")
    assert (record["lines"], removed) == ([], [])
    assert not (own / "verdicts.txt").exists()
    answer_recording("b", "spoof", "")
    assert answer_recording("b", "unsure", "")[1] == ["b.flac train spoof"]
    assert not (own / "verdicts.txt").exists()
    with pytest.raises(InputError, match="recording 'b': no answer that could be withdrawn"):
        answer_recording("b", "withdraw", "")


def test_a_verdict_is_undone_to_what_was_said_before(own):
    _, none = answer_recording("new call", "spoof", "dev")
    _, lines = answer_recording("new call", "bonafide", "train")
    undo_recording("new call", lines)
    assert (own / "verdicts.txt").read_text() == "new call.flac\tdev\tspoof\n"
    undo_recording("new call", none)
    assert not (own / "verdicts.txt").exists()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (("e", "spoof", "train"), "'e.flac' is in eval, not in train"),
        (("new call", "spoof", ""), "'new call' is in no protocol; expected --split"),
        (("z", "spoof", ""), "utterance 'z' has no recording"),
        (("b", "fake", ""), "verdict 'fake'; expected bonafide, spoof, unsure"),
        (("new call", "spoof", "test"), "the answer: split 'test'"),
    ],
)
def test_wrong_verdicts_are_one_line_and_write_nothing(own, answer, message):
    with pytest.raises(InputError, match=message):
        answer_recording(*answer)
    assert not (own / "verdicts.txt").exists()


def test_a_generated_folder_takes_no_verdict(own, tmp_path):
    own.parent.rename(own.parent.with_name("sample"))
    write_params(tmp_path, deepfake="data/deepfake/sample/flac")
    with pytest.raises(InputError, match="`cp -r data/deepfake/sample data/deepfake/mine`"):
        answer_recording("b", "spoof", "")
    assert not list(tmp_path.rglob("verdicts.txt"))


def test_two_recordings_of_one_name_are_told_apart(own):
    for folder in ("one", "two"):
        (own / folder).mkdir()
        (own / folder / "g.flac").write_bytes((own / "a.flac").read_bytes())
    assert {"one/g.flac", "two/g.flac"} < set(drawn("none"))
    assert find_recording("two/g.flac")[0].parent.name == "two"
