import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprise.core.errors import InputError
from reprise.deepfake.data.audio import AudioFolder, write_flac
from reprise.deepfake.data.protocols import Trial
from reprise.deepfake.data.verdicts import apply_verdicts, read_verdicts
from tests.deepfake.helpers import speech
from tests.taxonomy.readers import value_or_error

NAMES = ("a", "b", "c", "d", "e", "f", "g")
TRIALS = {
    "train": [Trial("a", "s1", "-", False, "p:1"), Trial("b", "s2", "A01", True, "p:2")],
    "dev": [Trial("c.flac", "-", "-", False, "p:3"), Trial("d", "-", "spoof", True, "p:4")],
    "eval": [Trial("e", "-", "-", False, "p:5"), Trial("f", "-", "spoof", True, "p:6")],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("recordings")
    for number, name in enumerate(NAMES):
        write_flac(path / f"{name}.flac", speech(0.05, number))
    return path


def judged(folder, text):
    path = folder / "verdicts.txt"
    path.write_text(text)
    return apply_verdicts(TRIALS, read_verdicts(path), AudioFolder(folder))


def keys(trials):
    return {split: [(trial.utterance, trial.spoof) for trial in part] for split, part in trials.items()}


def test_a_verdict_confirms_changes_or_adds_and_stays_in_its_split(folder):
    trials, counts = judged(folder, "b.flac train spoof\ng train bonafide\n\na train spoof\nc dev bonafide\n")
    assert keys(trials)["train"] == [("a", True), ("b", True), ("g", False)]
    assert (trials["train"][0].attack, trials["train"][0].speaker) == ("spoof", "s1")
    assert trials["train"][1].attack == "A01"
    assert keys(trials)["eval"] == keys(TRIALS)["eval"]
    assert counts["train"] == {"confirmed": 1, "changed": 1, "added": 1}
    assert counts["dev"] == {"confirmed": 1, "changed": 0, "added": 0}
    assert counts["eval"] == {"confirmed": 0, "changed": 0, "added": 0}


def test_without_a_file_the_protocols_stay(tmp_path):
    assert read_verdicts(tmp_path / "verdicts.txt") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("e train bonafide\n", r"verdicts\.txt:1: 'e' is in eval, not in train; a verdict moves no recording"),
        ("a train spoof\na.flac train spoof\n", r"verdicts\.txt:2: second verdict about 'a\.flac', first on .*:1"),
        ("z train spoof\n", r"verdicts\.txt:1: utterance 'z' has no recording"),
        ("a spoof\n", r"verdicts\.txt:1: 2 columns; expected file\.flac"),
        ("a test spoof\n", r"verdicts\.txt:1: split 'test'; expected train, dev, eval"),
        ("a train fake\n", r"verdicts\.txt:1: key 'fake' in column 3; expected bonafide or spoof"),
        ("\nc dev spoof\n", r"verdicts\.txt:2: the verdicts: the split dev has spoof utterances alone"),
    ],
)
def test_bad_verdicts_are_one_line(folder, text, message):
    with pytest.raises(InputError, match=message):
        judged(folder, text)


HOMES = {"a": "train", "b": "train", "c": "dev", "d": "dev", "e": "eval", "f": "eval"}
LINES = st.dictionaries(
    st.sampled_from(NAMES), st.tuples(st.sampled_from(("train", "dev", "eval")), st.sampled_from(("bonafide", "spoof")))
)


@given(LINES)
def test_no_verdict_brings_a_recording_into_another_split(folder, lines):
    text = "".join(f"{name} {split} {key}\n" for name, (split, key) in lines.items())
    moved = any(HOMES.get(name, split) != split for name, (split, _) in lines.items())
    result, error = value_or_error(lambda: judged(folder, text))
    if result is None:
        assert error is not None
        assert moved or "utterances alone" in error
        return
    assert not moved
    trials, counts = result
    heard = {name: key == "spoof" for name, (_, key) in lines.items()}
    for split, part in trials.items():
        for trial in part:
            name = trial.utterance.removesuffix(".flac")
            assert HOMES.get(name, split) == split
            assert name not in heard or trial.spoof == heard[name]
    assert sum(sum(own.values()) for own in counts.values()) == len(lines)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused_in_one_line(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("own") / "verdicts.txt"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    _, error = value_or_error(lambda: read_verdicts(path))
    assert error is None or "verdicts.txt" in error


def test_a_verdict_about_one_of_several_files_of_a_name_finds_it_by_its_folders(tmp_path):
    for number, name in enumerate(("real/s1/a", "real/s2/a", "fake/s1/a", "fake/s2/a")):
        write_flac(tmp_path / f"{name}.flac", speech(0.05, number))
    trials = {
        "train": [Trial("real/s1/a.flac", "s1", "-", False, "p:1"), Trial("fake/s1/a.flac", "s1", "x", True, "p:2")],
        "dev": [Trial("c", "-", "-", False, "p:3"), Trial("d", "-", "spoof", True, "p:4")],
        "eval": [Trial("real/s2/a.flac", "s2", "-", False, "p:5"), Trial("fake/s2/a.flac", "s2", "x", True, "p:6")],
    }
    verdicts = tmp_path / "verdicts.txt"
    verdicts.write_text("fake/s2/a train spoof\n")
    with pytest.raises(InputError, match=r"'fake/s2/a' is in eval, not in train"):
        apply_verdicts(trials, read_verdicts(verdicts), AudioFolder(tmp_path))
    verdicts.write_text("fake/s2/a eval spoof\n")
    corrected, counts = apply_verdicts(trials, read_verdicts(verdicts), AudioFolder(tmp_path))
    assert keys(corrected) == keys(trials)
    assert counts["eval"] == {"confirmed": 1, "changed": 0, "added": 0}
