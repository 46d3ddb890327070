"""Sentences that a real voice reads aloud (`make speech-env` installs it first)."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from reprise.core.errors import InputError
from reprise.deepfake import vocode
from reprise.deepfake.data.audio import RATE
from reprise.deepfake.text_to_speech import read_aloud
from tests.deepfake.helpers import call, speech

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("speech")]

SENTENCES = ("Good morning.", "The harbour was quiet, and nobody counted the coins twice after nine.", "It is late.")


def test_hibari_reads_what_it_is_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for speaker in range(3):
        Path(f"recordings/{speaker}").mkdir(parents=True)
        soundfile.write(f"recordings/{speaker}/recording{speaker}.wav", speech(1.0, speaker), RATE)
    Path("sentences.txt").write_text("\n".join(SENTENCES))
    options = ("--vocoder", "random_phase", "--sentences", "sentences.txt", "--processes", 1)
    for out in ("first", "again"):
        assert call(vocode.main, "recordings", out, *options)[0] == 0
    readings = []
    for number in (1, 2, 3):
        first, again = (Path(out, f"flac/hibari-0000{number}.flac") for out in ("first", "again"))
        assert first.read_bytes() == again.read_bytes()
        readings.append(soundfile.read(first)[0])
    seconds = [len(samples) / RATE for samples in readings]
    assert 3 < seconds[1] < 8  # 13 words, at 2 to 4 a second
    assert max(seconds[0], seconds[2]) < seconds[1] / 2
    assert voiced_share(readings[1]) > 0.3


def test_hibari_refuses_what_it_would_leave_out(tmp_path):
    with pytest.raises(InputError, match="the voice hibari cannot read this: it does not know '上', '早'"):
        read_aloud("hibari", "Good morning. 早上", np.random.default_rng(0))
    assert len(read_aloud("hibari", "Good café, No. 12.", np.random.default_rng(0))) > RATE / 2


def voiced_share(samples: np.ndarray) -> float:
    """Frames of 40 ms that repeat themselves at a pitch of 80 to 320 Hz, as speech does and noise does not."""
    frames = samples[: len(samples) // 640 * 640].reshape(-1, 640)
    frames = frames - frames.mean(1, keepdims=True)
    correlations = np.fft.irfft(np.square(np.abs(np.fft.rfft(frames, 2048))))
    return float((correlations[:, 50:200].max(1) > 0.5 * correlations[:, 0]).mean())
