import numpy as np
import pytest
import soundfile

from reprise.core.errors import InputError
from reprise.deepfake.data.audio import RATE, AudioFolder, read_audio, read_blocks
from tests.deepfake.helpers import speech


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
