import numpy as np
import pytest
import soundfile

from reprise.core.errors import InputError
from reprise.deepfake.data.audio import RATE, AudioFolder, read_audio, read_blocks
from reprise.deepfake.data.protocols import read_protocol
from tests.deepfake.helpers import speech

LAYOUTS = {
    "ASVspoof 2019": ("LA_0079 LA_T_1 - - bonafide\nLA_0080 LA_T_2 - A01 spoof\n", "LA_0080", "A01"),
    "ASVspoof 2021 LA": (
        "LA_1 LA_T_1 alaw ita_tx bonafide bonafide notrim eval\nLA_9 LA_T_2 alaw ita_tx A07 spoof notrim eval\n",
        "LA_9",
        "A07",
    ),
    "ASVspoof 2021 DF": (
        "LA_1 LA_T_1 nocodec asvspoof - bonafide notrim eval - - - - -\n"
        "LA_9 LA_T_2 nocodec asvspoof A14 spoof notrim progress traditional_vocoder - - - -\n",
        "LA_9",
        "A14",
    ),
    "ASVspoof 5": (
        "T_4850 LA_T_1 F - - - - - bonafide -\nT_4851 LA_T_2 F - - - AC3 A05 spoof -\n",
        "T_4851",
        "A05",
    ),
    "merged": ("LA_T_1 train bonafide\nLA_T_2 train spoof\nLA_T_3 dev spoof\n", "-", "spoof"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_published_layouts(tmp_path, layout):
    text, speaker, attack = LAYOUTS[layout]
    (tmp_path / "p.txt").write_text(text)
    natural, spoof = read_protocol(tmp_path / "p.txt", "train")
    assert (natural.utterance, natural.spoof, natural.attack) == ("LA_T_1", False, "-")
    assert (spoof.utterance, spoof.spoof, spoof.attack, spoof.speaker, spoof.line) == (
        "LA_T_2",
        True,
        attack,
        speaker,
        2,
    )


GOOD = "s1 a - - bonafide\ns2 b - A01 spoof\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "s3 c A01 spoof\n", r"p\.txt:3: 4 columns; expected 3 \(merged\), 5 \(ASVspoof 2019\)"),
        (GOOD + "s3 c - A01 fake\n", r"p\.txt:3: key 'fake' in column 5; expected bonafide or spoof"),
        (GOOD + "\ns3 a - A01 spoof\n", r"p\.txt:4: utterance 'a' stands in line 1"),
        ("s2 b - A01 spoof\n", r"p\.txt: the split train has spoof utterances alone"),
        ("s2 b - - bonafide\n", r"p\.txt: the split train has bonafide utterances alone"),
        ("", r"p\.txt: no trial of the split train"),
        ("a test spoof\n", r"p\.txt:1: split 'test'; expected train, dev, eval"),
    ],
)
def test_bad_protocols(tmp_path, text, message):
    (tmp_path / "p.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        read_protocol(tmp_path / "p.txt", "train")


def test_protocols_that_are_not_there_or_not_text(tmp_path):
    with pytest.raises(InputError, match="no such protocol file"):
        read_protocol(tmp_path / "p.txt", "train")
    (tmp_path / "p.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        read_protocol(tmp_path / "p.txt", "train")


@pytest.mark.parametrize("kind", ["flac", "wav", "ogg", "mp3"])
@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (44_100, 2), (8_000, 1)])
def test_formats_rates_and_channels(tmp_path, kind, rate, channels):
    seconds = np.arange(rate) / rate
    tone = 0.5 * np.sin(2 * np.pi * 440 * seconds).astype(np.float32)
    soundfile.write(tmp_path / f"a.{kind}", np.stack([tone] * channels, 1), rate)
    recording = read_audio(tmp_path / f"a.{kind}", 0.2, 10)
    assert (recording.rate, recording.channels, recording.clipped) == (rate, channels, False)
    assert abs(len(recording.samples) - RATE) < 0.15 * RATE  # mp3 and ogg pad
    spectrum = np.abs(np.fft.rfft(recording.samples[2000:10_000]))
    assert abs(spectrum.argmax() * RATE / 8000 - 440) < 3
    assert np.abs(recording.samples[2000:10_000]).max() == pytest.approx(0.5, abs=0.05)


def test_long_files_are_read_in_blocks_that_join_without_a_seam(tmp_path):
    samples = speech(70, 0)
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    blocks = [block for block, _, _ in read_blocks(tmp_path / "a.wav")]
    assert [len(block) for block in blocks] == [480_000, 480_000, 160_000]
    assert np.array_equal(np.concatenate(blocks), samples)
    soundfile.write(tmp_path / "b.wav", np.repeat(samples, 2), 2 * RATE, subtype="FLOAT")
    resampled = np.concatenate([block for block, _, _ in read_blocks(tmp_path / "b.wav")])
    assert abs(len(resampled) - len(samples)) <= 2


def test_clipped_recordings_are_told(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.clip(8 * speech(1, 0), -1, 1), RATE)
    assert read_audio(tmp_path / "a.wav", 0.2, 10).clipped


def damaged(path, content):
    path.write_bytes(content)


CASES = {
    "empty file": (lambda path: damaged(path, b""), r"a\.flac: empty file"),
    "not audio": (lambda path: damaged(path, b"hello" * 100), r"a\.flac: not audio that can be read"),
    "no samples": (
        lambda path: soundfile.write(path, np.zeros(0), RATE, format="WAV"),
        r"a\.flac: 0\.000 s; expected at least 0\.2 s",
    ),
    "silent": (lambda path: soundfile.write(path, np.zeros(RATE), RATE), r"a\.flac: silent"),
    "50 ms": (
        lambda path: soundfile.write(path, speech(0.05, 0), RATE),
        r"a\.flac: 0\.050 s; expected at least 0\.2 s",
    ),
    "too long": (lambda path: soundfile.write(path, speech(12, 0), RATE), r"a\.flac: 12 s; expected at most 10 s"),
}


@pytest.mark.parametrize("case", CASES)
def test_recordings_that_cannot_be_used(tmp_path, case):
    make, message = CASES[case]
    make(tmp_path / "a.flac")
    with pytest.raises(InputError, match=message):
        read_audio(tmp_path / "a.flac", 0.2, 10)


def test_truncated_files_and_samples_that_are_no_numbers(tmp_path):
    soundfile.write(tmp_path / "a.flac", speech(2, 0), RATE)
    content = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"a\.flac: .*damaged"):
        read_audio(tmp_path / "a.flac", 0.2, 10)
    samples = speech(1, 0)
    samples[500] = np.nan
    soundfile.write(tmp_path / "b.wav", samples, RATE, subtype="FLOAT")
    with pytest.raises(InputError, match=r"b\.wav: samples that are not finite"):
        read_audio(tmp_path / "b.wav", 0.2, 10)


def test_utterances_are_found_by_name_under_the_folder(tmp_path):
    (tmp_path / "x/y").mkdir(parents=True)
    for name in ("x/y/a.flac", "b.wav", "x/c.flac", "c.wav"):
        (tmp_path / name).write_bytes(b"")
    folder = AudioFolder(tmp_path)
    assert folder.find("a", "p:1") == tmp_path / "x/y/a.flac"
    assert folder.find("b.wav", "p:1") == tmp_path / "b.wav"
    with pytest.raises(InputError, match=r"^p:1: utterance 'd' has no recording under"):
        folder.find("d", "p:1")
    with pytest.raises(InputError, match=r"utterance 'c' could be any of"):
        folder.find("c", "p:1")
    with pytest.raises(InputError, match="no such folder"):
        AudioFolder(tmp_path / "none")
