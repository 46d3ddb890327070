import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from reprise.core.errors import InputError
from reprise.deepfake.stages import prepare
from tests.conftest import tiny_params, write_params
from tests.deepfake.helpers import make_corpus, write_recordings
from tests.tools.check.helpers import apply_printed, check

SPLITS = ("train", "dev", "eval")


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, tiny_params(Path("none")))
    return tmp_path


def write_table(folder, speakers=6):
    """In-the-Wild's layout: files and meta.csv in one folder."""
    folder.mkdir(parents=True)
    corpus = make_corpus(speakers, 0.5)
    rows = []
    for row, entry in enumerate(corpus.table.itertuples()):
        soundfile.write(folder / f"{row}.wav", corpus.waveform(row), 16_000)
        rows.append((f"{row}.wav", entry.speaker, "spoof" if entry.spoof else "bona-fide"))
    pd.DataFrame(rows, columns=["file", "speaker", "label"]).to_csv(folder / "meta.csv", index=False)


def write_folders(folder):
    write_table(folder)
    for _, (name, speaker, label) in pd.read_csv(folder / "meta.csv").iterrows():
        target = folder / ("fake/A01" if label == "spoof" else "real") / speaker
        target.mkdir(parents=True, exist_ok=True)
        (folder / name).rename(target / name)
    (folder / "meta.csv").unlink()


def write_protocols(folder):
    for number, split in enumerate(SPLITS):
        write_recordings(folder, make_corpus(2, 0.5, number), split)


def write_partial_spoof(folder):
    write_protocols(folder)
    labels = {f"u2-{row}": np.array(["1", "1", "0", "1", "1"] if row > 1 else ["1"] * 5) for row in range(4)}
    (folder / "segment_labels").mkdir()
    np.save(folder / "segment_labels/eval_seglab_0.1.npy", np.array(labels, dtype=object), allow_pickle=True)


def manifests():
    return {split: pd.read_parquet(f"data/deepfake/prepared/{split}/manifest.parquet") for split in SPLITS}


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (write_table, "table with a header"),
        (write_folders, "folders real/ and fake/"),
        (write_protocols, "protocol in a layout of ASVspoof"),
        (write_partial_spoof, "segments of 0.1 s of 4 eval utterances"),
    ],
)
def test_what_is_printed_runs(write, said):
    write(Path("my data"))
    code, output = check("deepfake", "my data")
    assert (code, said in output) == (0, True), output
    assert "12 of 12 recordings opened" in output
    assert apply_printed(output) == ["deepfake-evaluate", "deepfake-explain"]
    prepare.main()
    assert sum(len(table) for table in manifests().values()) == 12
    speakers = [set(table["speaker"]) for table in manifests().values()]
    assert len(set.union(*speakers)) == sum(map(len, speakers))
    counts = json.loads(Path("metrics/deepfake/data.json").read_text())
    assert counts["partial_spoofs_labelled"] == (2 if write is write_partial_spoof else 0)


def test_verdicts_are_no_protocol_and_are_applied():
    write_folders(Path("own"))
    verdicts = Path("own/verdicts.txt")
    before = check("deepfake", "own")[1]
    accepted = []
    for split in SPLITS:  # a verdict has to name the split that its recording was drawn into
        verdicts.write_text(f"real/s0-0/0.wav {split} bonafide\n")
        code, output = check("deepfake", "own")
        if code == 0:
            accepted.append(output)
    (output,) = accepted
    assert "own: folders real/ and fake/" in output
    assert "own/verdicts.txt: 1 verdicts, keys 1 confirmed, 0 changed, 0 added" in output
    assert apply_printed(output) == apply_printed(before)
    verdicts.write_text("real/none.wav train bonafide\n")
    assert check("deepfake", "own")[0] == 1


def test_a_table_and_protocols_of_its_split_give_the_same_prepared_files():
    write_table(Path("own"))
    apply_printed(check("deepfake", "own")[1])
    prepare.main()
    shutil.copytree("data", "first")
    for split, table in manifests().items():
        lines = [f"{e.speaker} {e.utterance} - {e.attack} {e.key}\n" for e in table.itertuples()]
        Path("own", f"{split}.txt").write_text("".join(lines))
    code, output = check("deepfake", "own")
    assert (code, "own/train.txt: protocol" in output) == (0, True)
    apply_printed(output)
    prepare.main()
    files = [path for path in Path("first").rglob("*") if path.is_file()]
    assert len(files) == 8
    for path in files:
        assert path.read_bytes() == Path("data", path.relative_to("first")).read_bytes(), path


def write_shared_speaker(folder):
    write_protocols(folder)
    text = (folder / "dev.txt").read_text()
    (folder / "dev.txt").write_text(text.replace("s1-0", "s0-0"))


def write_lost(folder):
    write_table(folder)
    (folder / "3.wav").unlink()


def write_two_speakers(folder):
    write_table(folder, speakers=2)


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (write_shared_speaker, "speaker 's0-0' is in train too"),
        (write_lost, "utterance '3.wav' has no recording under own"),
        (write_two_speakers, "2 speakers of natural and 2 of synthesised speech cannot be split"),
    ],
)
def test_what_is_refused_is_refused_by_prepare_in_the_same_words(write, said):
    write(Path("own"))
    code, output = check("deepfake", "own")
    assert (code, said in output) == (1, True), output
    apply_printed(output)
    with pytest.raises(InputError) as refused:
        prepare.main()
    assert str(refused.value) in output
    assert not list(Path().rglob("audio.npy"))


def test_a_recording_that_cannot_be_read_is_not_counted_as_opened():
    write_table(Path("own"))
    Path("own/3.wav").write_bytes(b"no audio")
    assert "11 of 12 recordings opened" in check("deepfake", "own")[1]


def test_oddities():
    write_table(Path("own"))
    shutil.copy("own/0.wav", "own/copy.wav")
    shutil.copy("own/0.wav", "own/unlisted.wav")
    with Path("own/meta.csv").open("a") as file:
        file.write("copy.wav,s0-0,bona-fide\n")
    code, output = check("deepfake", "own")
    assert code == 0
    assert "1 recordings come twice, such as own/0.wav = own/copy.wav" in output
    assert "1 recordings are in no protocol" in output
    assert "own/meta.csv names no splits: they are drawn by speaker, in deepfake.prepare.shares" in output
    assert "eval has no attack that train lacks" in output


def test_a_folder_of_nothing_known():
    write_table(Path("own"))
    Path("own/meta.csv").unlink()
    code, output = check("deepfake", "own")
    assert (code, "own: nothing says which recordings are natural; expected a protocol for each split" in output) == (
        1,
        True,
    )
