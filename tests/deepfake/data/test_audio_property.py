"""Whatever a file holds: no sample is given out that was not decoded from it, and only an InputError is raised."""

from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reprise.core.errors import InputError
from reprise.deepfake.data.audio import RATE, AudioFile
from tests.deepfake.helpers import encode, speech

KINDS = ("flac", "wav", "float", "gsm", "ima", "ogg", "opus", "mp3", "vbr")
SECONDS = 1.2
quick = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@cache
def whole(kind):
    return encode(kind, speech(SECONDS, 0))


def read(path, content):
    """Samples and damage, or the error; the same again after another file has passed through memory."""
    found = []
    for noise in (None, 1.0, -1.0):
        if noise is not None:
            np.full(3 * RATE, noise, np.float32)
        path.write_bytes(content)
        audio = AudioFile(path)
        try:
            found.append((np.concatenate([np.zeros(0, np.float32), *audio.blocks()]), audio.damage))
        except InputError as error:
            found.append((np.zeros(0, np.float32), str(error)))
    for samples, damage in found[1:]:
        assert np.array_equal(samples, found[0][0])
        assert damage == found[0][1]
    assert np.isfinite(found[0][0]).all()
    return found[0]


@pytest.mark.parametrize("kind", KINDS)
@quick
@given(share=st.floats(0, 0.999))
def test_a_cut_file_is_told_or_whole(tmp_path, kind, share):
    content = whole(kind)
    samples, damage = read(tmp_path / "a", content[: int(share * len(content))])
    if damage is None:
        assert len(samples) > (SECONDS - 0.11) * RATE
    assert len(samples) < (SECONDS + 0.3) * RATE


@pytest.mark.parametrize("kind", KINDS)
@quick
@given(places=st.lists(st.tuples(st.floats(0, 0.999), st.integers(1, 255)), min_size=1, max_size=6))
def test_a_damaged_file_is_told_or_read(tmp_path, kind, places):
    content = bytearray(whole(kind))
    for share, flip in places:
        content[int(share * len(content))] ^= flip
    samples, damage = read(tmp_path / "a", bytes(content))
    if kind == "flac" and damage is None:  # every frame has a checksum
        assert len(samples) > 0


@pytest.mark.parametrize("kind", KINDS)
@quick
@given(start=st.floats(0, 1), length=st.integers(0, 3000), insert=st.binary(max_size=3000))
def test_a_stretch_that_is_lost_or_foreign(tmp_path, kind, start, length, insert):
    content = whole(kind)
    place = int(start * len(content))
    read(tmp_path / "a", content[:place] + insert + content[place + length :])


@settings(quick, max_examples=150)
@given(
    start=st.sampled_from([b"", b"RIFF....WAVE", b"fLaC", b"OggS", b"ID3\x04", b"\xff\xfb\x90\x64", b"FORM", b".snd"]),
    rest=st.binary(max_size=4000),
)
def test_random_bytes(tmp_path, start, rest):
    read(tmp_path / "a", start + rest)
