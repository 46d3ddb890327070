"""Folders, tables and protocols of the same recordings say the same; one source is split by speaker."""

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from reprise.core.errors import InputError
from reprise.deepfake.data.audio import AudioFolder
from reprise.deepfake.data.class_folders import read_class_folders
from reprise.deepfake.data.protocols import SPLITS, Trial, shared_speakers
from reprise.deepfake.data.sources import read_trials, source_kind
from reprise.deepfake.data.speaker_split import group_trials, split_by_speaker

SHARES = {"train": 0.6, "dev": 0.2, "eval": 0.2}


def write_sound(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(160, 0.1), 16_000)


def plain(trials):
    """Trials without the places where they stand."""
    return {split: [(t.utterance, t.speaker, t.attack, t.spoof) for t in part] for split, part in trials.items()}


def test_folders_a_table_and_a_protocol_of_the_same_recordings(tmp_path):
    names = [
        f"{kind}{speaker}/{number}.wav" for kind in ("real/", "fake/A01/") for speaker in "abc" for number in (1, 2)
    ]
    for name in names:
        write_sound(tmp_path / "own" / name)
    found = read_class_folders(tmp_path / "own")
    table = "".join(f"{t.utterance},{t.speaker},{'fake' if t.spoof else 'real'},{t.attack}\n" for t, _ in found)
    (tmp_path / "meta.csv").write_text("file,speaker,label,attack\n" + table)
    lines = "".join(f"{t.speaker} {t.utterance} - {t.attack} {'spoof' if t.spoof else 'bonafide'}\n" for t, _ in found)
    (tmp_path / "p.txt").write_text(lines)
    sources = [tmp_path / "own", tmp_path / "meta.csv", tmp_path / "p.txt"]
    by_folders, by_table, by_protocol = (plain(read_trials(dict.fromkeys(SPLITS, path), SHARES, 0)) for path in sources)
    assert by_folders == by_table == by_protocol
    assert ("fake/A01/a/1.wav", "a", "A01", True) in [trial for part in by_folders.values() for trial in part]
    assert len({source_kind(path) for path in sources}) == 3


def test_folders_of_splits_and_recordings_of_no_speaker(tmp_path):
    for split in ("training", "validation", "testing"):
        for name in ("REAL/a.wav", "Fake/b.wav"):
            write_sound(tmp_path / split / name.replace(".", f"{split}."))
    trials = plain(read_trials(dict.fromkeys(SPLITS, tmp_path), SHARES, 0))
    assert trials["dev"] == [
        ("validation/Fake/bvalidation.wav", "-", "spoof", True),
        ("validation/REAL/avalidation.wav", "-", "-", False),
    ]
    write_sound(tmp_path / "real/c.wav")
    with pytest.raises(InputError, match=r"real/c\.wav: in no split, though others"):
        read_trials(dict.fromkeys(SPLITS, tmp_path), SHARES, 0)


def test_mlaads_own_tables_beside_the_spoofs(tmp_path):
    write_sound(tmp_path / "fake/en/m 1/x.wav")
    write_sound(tmp_path / "real/en_US/by_book/male/elliot/book/wavs/x.wav")
    header = "path|original_file|language|model_name|architecture\n"
    row = "./fake/en/m 1/x.wav|en_US/by_book/male/elliot/book/wavs/x.wav|en|tts/vits|vits\n"
    (tmp_path / "fake/en/m 1/meta.csv").write_text(header + row)
    (spoof, _), (natural, _) = read_class_folders(tmp_path)
    assert (spoof.speaker, spoof.attack, natural.speaker) == ("elliot", "tts/vits", "elliot")


def test_a_recording_in_neither_folder(tmp_path):
    write_sound(tmp_path / "real/a.wav")
    write_sound(tmp_path / "other/a.wav")
    with pytest.raises(InputError, match=r"other/a\.wav lies in neither; expected a protocol file, or folders real/"):
        read_class_folders(tmp_path)


def test_recordings_are_found_by_their_folders_too(tmp_path):
    for name in ("real/a.wav", "fake/en/a.wav"):
        write_sound(tmp_path / name)
    folder = AudioFolder(tmp_path)
    assert folder.find("real/a.wav", "x:1") == tmp_path / "real/a.wav"
    assert folder.find("en/a", "x:1") == tmp_path / "fake/en/a.wav"
    assert AudioFolder(tmp_path / "fake").find("fake/en/a.wav", "x:1") == tmp_path / "fake/en/a.wav"
    with pytest.raises(InputError, match=r"x:1: utterance 'a' could be any of"):
        folder.find("a", "x:1")
    with pytest.raises(InputError, match=r"x:1: utterance 'de/a' has no recording"):
        folder.find("de/a", "x:1")


TRIALS = st.lists(st.tuples(st.sampled_from("abcdefgh-"), st.booleans()), min_size=1, max_size=40).map(
    lambda rows: [
        Trial(f"u{number}", speaker, "A01" if spoof else "-", spoof, f"p:{number}")
        for number, (speaker, spoof) in enumerate(rows)
    ]
)


@given(TRIALS, st.integers(0, 3))
def test_a_split_by_speaker_keeps_every_trial_once_and_shares_no_speaker(trials, seed):
    try:
        split = split_by_speaker("p", trials, SHARES, seed)
    except InputError:  # too few speakers of a kind
        return
    assert sorted(t.where for part in split.values() for t in part) == sorted(t.where for t in trials)
    assert shared_speakers(split) == []
    group = {trial.where: name for trial, name in zip(trials, group_trials(trials), strict=True)}
    groups = [{group[trial.where] for trial in part} for part in split.values()]
    assert sum(map(len, groups)) == len(set.union(*groups))
    for part in split.values():
        assert {trial.spoof for trial in part} == {True, False}
        assert [trial.where for trial in part] == [trial.where for trial in trials if trial in part]


def test_shares_are_kept_where_there_are_many_speakers():
    trials = [Trial(f"u{n}", f"s{n // 10}", "-", n % 2 == 0, f"p:{n}") for n in range(1000)]
    split = split_by_speaker("p", trials, SHARES, 0)
    assert [len(split[name]) for name in SPLITS] == [600, 200, 200]
    assert split == split_by_speaker("p", trials, SHARES, 0)
    assert split != split_by_speaker("p", trials, SHARES, 1)


def test_spoofs_called_like_their_originals_stay_with_them():
    trials = [
        Trial(f"{kind}/{n}.wav", "-", "-", kind == "fake", f"{kind}{n}") for kind in ("real", "fake") for n in range(9)
    ]
    split = split_by_speaker("p", trials, SHARES, 0)
    homes = {t.utterance: name for name, part in split.items() for t in part}
    assert all(homes[f"real/{n}.wav"] == homes[f"fake/{n}.wav"] for n in range(9))


def test_spoofs_without_a_speaker_go_where_the_speaker_of_their_file_name_goes():
    trials = [
        Trial(f"{folder}/s{n // 4}-{n}.wav", speaker, "-", spoof, f"{folder}{n}")
        for n in range(40)
        for folder, speaker, spoof in ((f"real/s{n // 4}", f"s{n // 4}", False), ("fake/A01", "-", True))
    ]
    split = split_by_speaker("p", trials, SHARES, 0)
    homes: dict[str, dict[bool, str]] = {trial.utterance.rpartition("/")[2]: {} for trial in trials}
    for name, part in split.items():
        for trial in part:
            homes[trial.utterance.rpartition("/")[2]][trial.spoof] = name
    assert all(home[False] == home[True] for home in homes.values())
    assert [len(split[name]) for name in SPLITS] == [48, 16, 16]


def test_a_file_name_of_several_speakers_says_nothing_of_a_trial_without_one():
    trials = [Trial(f"real/{who}/1.wav", who, "-", False, who) for who in "ab"]
    trials += [Trial("fake/A01/1.wav", "-", "A01", True, "f"), Trial("fake/A02/1.wav", "-", "A02", True, "g")]
    assert group_trials(trials) == ["speaker a", "speaker b", "file 1", "file 1"]


def test_too_few_speakers_and_one_kind_alone(tmp_path):
    (tmp_path / "m.csv").write_text("file,speaker,label\na,s1,real\nb,s2,fake\nc,s2,real\nd,s1,fake\n")
    with pytest.raises(InputError, match=r"m\.csv: 2 speakers of natural and 2 of synthesised speech cannot be split"):
        read_trials(dict.fromkeys(SPLITS, tmp_path / "m.csv"), SHARES, 0)
    (tmp_path / "m.csv").write_text("file,label\na,fake\n")
    with pytest.raises(InputError, match=r"m\.csv: the split train has spoof utterances alone"):
        read_trials({"train": tmp_path / "m.csv"}, SHARES, 0)
    (tmp_path / "m.csv").write_text("file,label\na,fake\na,real\n")
    with pytest.raises(InputError, match=r"m\.csv:3: duplicate utterance 'a', first on .*m\.csv:2"):
        read_trials({"train": tmp_path / "m.csv"}, SHARES, 0)
