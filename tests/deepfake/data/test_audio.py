import os
import struct
import threading
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile

from reprise.core.errors import InputError
from reprise.deepfake.data.audio import RATE, AudioFile, AudioFolder, list_recordings, read_audio
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
    blocks = list(AudioFile(tmp_path / "a.wav").blocks())
    assert [len(block) for block in blocks] == [480_000, 480_000, 160_000]
    assert np.array_equal(np.concatenate(blocks), samples)
    soundfile.write(tmp_path / "b.wav", np.repeat(samples, 2), 2 * RATE, subtype="FLOAT")
    resampled = np.concatenate(list(AudioFile(tmp_path / "b.wav").blocks()))
    assert abs(len(resampled) - len(samples)) <= 2


def test_clipped_recordings_are_told(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.clip(8 * speech(1, 0), -1, 1), RATE)
    assert read_audio(tmp_path / "a.wav", 0.2, 10).clipped


def test_samples_beyond_full_scale_are_clipped_and_told(tmp_path):
    samples = 3 * speech(1, 0) / np.abs(speech(1, 0)).max()
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    recording = read_audio(tmp_path / "a.wav", 0.2, 10)
    np.testing.assert_array_equal(recording.samples, np.clip(samples, -1, 1).astype(np.float32))
    assert recording.clipped


@pytest.mark.parametrize("level", [0.5, -1 / 128])
def test_one_level_is_silence(tmp_path, level):
    soundfile.write(tmp_path / "a.wav", np.full(2 * RATE, level), 2 * RATE, subtype="PCM_U8")
    with pytest.raises(InputError, match=r"a\.wav: silent"):
        read_audio(tmp_path / "a.wav", 0.2, 10)


def test_channels_that_cancel_each_other_are_refused_and_others_are_not(tmp_path):
    one, other = speech(1, 0), speech(1, 1)
    noise = np.random.default_rng(0).normal(0, 1e-3, len(one))
    for opposite in (-one, noise - one):
        soundfile.write(tmp_path / "a.wav", np.stack([one, opposite], 1), RATE)
        with pytest.raises(InputError, match=r"a\.wav: its channels cancel each other"):
            read_audio(tmp_path / "a.wav", 0.2, 10)
    for channels in ([one, other], [one] + [np.zeros(len(one))] * 15):
        soundfile.write(tmp_path / "a.wav", np.stack(channels, 1), RATE)
        assert len(read_audio(tmp_path / "a.wav", 0.2, 10).samples) == RATE


@pytest.mark.parametrize("factor", [32767, 1e30])
def test_samples_in_other_units_are_refused(tmp_path, factor):
    soundfile.write(tmp_path / "a.wav", factor * speech(1, 0), RATE, subtype="DOUBLE")
    with pytest.raises(InputError, match=r"a\.wav: samples up to .*; expected -1 to 1"):
        read_audio(tmp_path / "a.wav", 0.2, 10)


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


def test_samples_that_are_no_numbers(tmp_path):
    samples = speech(1, 0)
    samples[500] = np.nan
    soundfile.write(tmp_path / "b.wav", samples, RATE, subtype="FLOAT")
    with pytest.raises(InputError, match=r"b\.wav: samples that are not finite"):
        read_audio(tmp_path / "b.wav", 0.2, 10)


def test_a_folder_a_pipe_and_rates_that_no_recording_has(tmp_path):
    with pytest.raises(InputError, match="a folder; expected a recording"):
        read_audio(tmp_path, 0.2, 10)
    soundfile.write(tmp_path / "a.wav", speech(1, 0), RATE)
    content = (tmp_path / "a.wav").read_bytes()
    reading, writing = os.pipe()
    threading.Thread(target=lambda: os.fdopen(writing, "wb").write(content)).start()
    piped = read_audio(Path(f"/dev/fd/{reading}"), 0.2, 10)
    assert np.array_equal(piped.samples, read_audio(tmp_path / "a.wav", 0.2, 10).samples)
    (tmp_path / "a.wav").write_bytes(content[:24] + struct.pack("<II", 900_000, 1) + content[32:])
    with pytest.raises(InputError, match="900000 samples a second in 1 channels; not a recording"):
        read_audio(tmp_path / "a.wav", 0.2, 10)


def test_names_are_compared_composed(tmp_path):
    (tmp_path / unicodedata.normalize("NFD", "Café é.wav")).write_bytes(b"")
    assert AudioFolder(tmp_path).find("Café é", "p:1").exists()


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


def test_a_linked_folder_is_refused_and_a_linked_file_or_root_is_not(tmp_path):
    (tmp_path / "cached").touch()
    (tmp_path / "calls/late").mkdir(parents=True)
    (tmp_path / "calls/late/a.wav").symlink_to(tmp_path / "cached")
    (tmp_path / "root").symlink_to(tmp_path / "calls")
    assert list_recordings(tmp_path / "root") == [tmp_path / "root/late/a.wav"]
    (tmp_path / "calls/late/early").symlink_to(tmp_path)
    with pytest.raises(InputError, match="calls/late/early: a link to a folder, which is not followed"):
        list_recordings(tmp_path / "calls")
