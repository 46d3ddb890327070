"""Files that are not what their headers say, and files that hold more than one recording."""

import io
import struct

import numpy as np
import pytest
import soundfile

from reprise.core.errors import InputError
from reprise.deepfake.data.audio import RATE, AudioFile, read_audio
from reprise.deepfake.data.containers import PiecewiseFile, find_streams, mp3_frame, ogg_checksum, ogg_pages
from tests.deepfake.helpers import encode, speech

KINDS = ("flac", "wav", "gsm", "ima", "ogg", "opus", "mp3", "vbr")


def decode(path, content):
    """Samples, and what is wrong with the file."""
    path.write_bytes(content)
    audio = AudioFile(path)
    return np.concatenate([np.zeros(0, np.float32), *audio.blocks()]), audio.damage


@pytest.fixture
def file(tmp_path):
    return tmp_path / "a"


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_file_is_read_as_libsndfile_reads_it(file, kind):
    samples, damage = decode(file, encode(kind, speech(1.5, 0)))
    assert damage is None
    assert abs(len(samples) / RATE - 1.5) < 0.09
    if kind in ("flac", "wav", "ogg", "mp3"):
        expected, _ = soundfile.read(file, dtype="float32")
        assert np.allclose(samples, expected, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_cut_short_is_damaged_and_what_is_read_is_a_part_of_it(file, kind):
    content = encode(kind, speech(3, 0))
    frame = mp3_frame(content, 0)
    bare = content if frame is None else content[frame.length :]  # without what the encoder says it padded
    whole, _ = decode(file, bare)
    samples, damage = decode(file, content[: len(content) * 2 // 3])
    assert damage is not None
    assert damage.startswith("damaged audio: ")
    assert " s can be read of " in damage
    assert 0.2 * RATE < len(samples) < 2.2 * RATE
    settled = len(samples) - 1500  # the end of a cut stream of a lossy codec lacks what would have overlapped
    assert np.allclose(samples[:settled], whole[:settled], atol=1e-3)
    with pytest.raises(InputError, match="damaged audio: "):
        read_audio(file, 0.1, 10)


def test_the_seconds_that_were_promised_are_named(file):
    content = encode("wav", speech(2, 0))
    _, damage = decode(file, content[: 44 + RATE])
    assert damage == "damaged audio: the file is cut short; 0.50 s can be read of 2.00 s promised"


def test_flac_of_unknown_length_and_of_a_wrong_one_is_read_to_its_end(file):
    content = encode("flac", speech(2, 0))
    whole, _ = decode(file, content)
    packed = int.from_bytes(content[18:26], "big")
    for total in (0, 8000):
        lying = content[:18] + (packed >> 36 << 36 | total).to_bytes(8, "big") + content[26:]
        samples, damage = decode(file, lying)
        assert damage is None
        assert np.array_equal(samples, whole)
    promising = content[:18] + (packed >> 36 << 36 | 64_000).to_bytes(8, "big") + content[26:]
    assert decode(file, promising)[1] == "damaged audio: it ends early; 2.00 s can be read of 4.00 s promised"


def test_mp3_without_its_information_frame_and_with_a_wrong_one_is_read_to_its_end(file):
    content = encode("vbr", speech(3, 0))
    frame = mp3_frame(content, 0)
    assert frame is not None
    tag = 4 + frame.side
    assert content[tag : tag + 4] == b"Xing"
    bare, damage = decode(file, content[frame.length :])
    assert damage is None
    assert 3 <= len(bare) / RATE < 3.2
    count = int.from_bytes(content[tag + 8 : tag + 12], "big")
    lying = content[: tag + 8] + (count // 3).to_bytes(4, "big") + content[tag + 12 :]
    samples, damage = decode(file, lying)
    assert damage is None
    assert np.array_equal(samples, bare)
    promising = content[: tag + 8] + (count * 2).to_bytes(4, "big") + content[tag + 12 :]
    assert "the file is cut short" in str(decode(file, promising)[1])


def test_wav_whose_length_is_unknown_is_read_to_its_end(file):
    samples = speech(1, 0)
    content = encode("wav", samples)
    for size in (0, 0xFFFFFFFF, 0x7FFFFFFF - 36):
        read, damage = decode(file, content[:40] + struct.pack("<I", size) + content[44:])
        assert damage is None
        assert len(read) == len(samples)
    empty = io.BytesIO()
    soundfile.write(empty, np.zeros(0), RATE, format="WAV", subtype="PCM_16")
    read, damage = decode(file, empty.getvalue() + b"LIST" + struct.pack("<I", 20) + bytes(range(20)))
    assert (len(read), damage) == (0, None)


@pytest.mark.parametrize("kind", ["flac", "ogg", "opus", "mp3", "vbr"])
def test_streams_that_follow_each_other_are_all_heard(file, kind):
    parts = [encode(kind, speech(seconds, seed)) for seed, seconds in enumerate((1.0, 2.0, 1.5))]
    alone = [decode(file, part)[0] for part in parts]
    samples, damage = decode(file, b"".join(parts))
    assert damage is None
    assert sum(map(len, alone)) <= len(samples) <= sum(map(len, alone)) + 0.6 * RATE  # each MP3 is padded
    if kind in ("flac", "ogg", "opus"):
        assert np.array_equal(samples, np.concatenate(alone))
    else:
        assert np.abs(samples[-RATE:]).max() > 0.05


def test_mp3_streams_of_two_formats_are_both_heard(file):
    other = io.BytesIO()
    soundfile.write(other, np.stack([np.repeat(speech(1, 1), 3)] * 2, 1), 3 * RATE, format="MP3")
    tagged = b"ID3\x04\0\0\0\0\0\x05hello"
    samples, damage = decode(file, encode("mp3", speech(1, 0)) + tagged + other.getvalue() + b"TAG".ljust(128, b" "))
    assert damage is None
    assert len(samples) / RATE == pytest.approx(2, abs=0.1)


def test_a_second_wav_file_or_chunk_is_refused(file):
    content = encode("wav", speech(1, 0))
    with pytest.raises(InputError, match=r"another WAV file follows at byte 32044; cut the file in two"):
        decode(file, content + content)
    with pytest.raises(InputError, match="two data chunks"):
        decode(file, content + content[36:])


@pytest.mark.parametrize("kind", ["mp3", "flac", "ogg"])
@pytest.mark.parametrize("odd", [False, True])
def test_another_recording_behind_a_wav_file_is_refused(file, kind, odd):
    samples = speech(1, 0)[:-1] if odd else speech(1, 0)
    content = soundfile_bytes(samples, odd)
    with pytest.raises(InputError, match=rf"another recording follows at byte {len(content)}; cut the file in two"):
        decode(file, content + encode(kind, speech(1, 1)))


def soundfile_bytes(samples, odd):
    """WAV of 16 bits, or of 8 with an odd number of bytes and no padding."""
    if not odd:
        return encode("wav", samples)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE, format="WAV", subtype="PCM_U8")
    content = buffer.getvalue()
    return content[: 44 + len(samples)]


def ogg_page(position, flags, number, body=b"\0" * 10, serial=1):
    head = b"OggS\0" + struct.pack("<BQIII", flags, position, serial, number, 0) + bytes([1, len(body)])
    return head[:22] + ogg_checksum(head + body) + head[26:] + body


def test_the_checksum_is_that_of_a_real_page():
    content = encode("ogg", speech(0.5, 0))
    end = 27 + content[26] + sum(content[27 : 27 + content[26]])
    page = content[:22] + bytes(4) + content[26:end]
    assert ogg_checksum(page) == content[22:26]


@pytest.mark.parametrize(
    ("pages", "message"),
    [
        ([ogg_page(0, 2, 0), ogg_page(0, 2, 0, serial=2)], "several streams at once"),
        ([ogg_page(0, 2, 0), ogg_page(900, 0, 1), ogg_page(300, 4, 2)], "positions do not follow each other"),
        ([ogg_page(0, 2, 0), ogg_page(300, 4, 1), ogg_page(900, 0, 2)], "pages after the end of its stream"),
        ([ogg_page(0, 0, 0)], "without the start of a stream"),
    ],
)
def test_ogg_pages_that_would_not_all_be_heard_are_refused(file, pages, message):
    with pytest.raises(InputError, match=message):
        decode(file, b"".join(pages))


def test_a_page_that_is_missing_or_damaged_is_told(file):
    content = encode("ogg", speech(6, 0))
    starts = [place for place in range(len(content)) if content[place : place + 4] == b"OggS"]
    assert len(starts) > 4
    _, damage = decode(file, content[: starts[3]] + content[starts[4] :])
    assert "a page is missing" in str(damage)
    _, damage = decode(file, content[: starts[3] + 500] + b"\xaa" + content[starts[3] + 501 :])
    assert "a page is damaged" in str(damage)


def test_files_that_are_slow_on_purpose_are_refused(file):
    for content in (
        b"\xff" * 3_000_000,
        b"OggS" * 300_000,
        encode("flac", speech(0.1, 0))[:42] * 2000,
        b"RIFF\xff\xff\xff\xffWAVE" + b"junk\0\0\0\0" * 50_000,
    ):
        with pytest.raises(InputError):
            decode(file, content)


def test_pieces_are_one_file():
    pieces = PiecewiseFile(b"0123456789", [b"ab", (3, 6), (6, 6), b"", (8, 10), b"z"])
    assert pieces.read() == b"ab34589z"
    for start in range(9):
        for count in range(10):
            pieces.seek(start)
            assert pieces.read(count) == b"ab34589z"[start : start + count]
    assert pieces.seek(-2, io.SEEK_END) == 6


def test_what_is_given_to_the_decoder_of_a_wav_file_is_its_format_and_its_samples():
    content = encode("wav", speech(0.1, 0))
    extra = content[:36] + b"LIST" + struct.pack("<I", 3) + b"abc\0" + content[36:]
    stream = find_streams(extra)[0]
    assert PiecewiseFile(extra, stream.pieces).read() == content


def move_positions(content, places):
    """Give pages, by number from the end, other positions, with checksums that fit."""
    pages = [page for page in ogg_pages(content) if not isinstance(page, str)]
    parts = [bytearray(content[page.start : page.end]) for page in pages]
    for place, position in places.items():
        page = parts[place]
        page[6:14], page[22:26] = struct.pack("<Q", position), bytes(4)
        page[22:26] = ogg_checksum(bytes(page))
    return b"".join(map(bytes, parts))


@pytest.mark.parametrize("kind", ["ogg", "opus"])
def test_sound_behind_the_stated_end_of_an_ogg_stream_is_told(file, kind):
    content = encode(kind, speech(4, 0))
    pages = [page for page in ogg_pages(content) if not isinstance(page, str)]
    before, last = pages[-3].position, pages[-1].position
    assert last - before > 8192
    _, damage = decode(file, move_positions(content, {-2: before, -1: before}))
    assert "there is sound behind its stated end" in str(damage)
    _, damage = decode(file, move_positions(content, {-1: last - 100}))  # as encoders do with their padding
    assert damage is None


def test_frames_in_a_tag_among_the_frames_of_an_mp3_file_are_heard_and_told(file):
    first, second = encode("mp3", speech(1, 0)), encode("mp3", speech(2, 1))

    def tag(body):
        return (
            b"ID3\4\0\0"
            + bytes([len(body) >> 21 & 127, len(body) >> 14 & 127, len(body) >> 7 & 127])
            + (bytes([len(body) & 127]) + body)
        )

    samples, damage = decode(file, first + tag(second))
    assert len(samples) / RATE == pytest.approx(3, abs=0.15)
    assert "frames within a tag" in str(damage)
    samples, damage = decode(file, first + tag(b"a picture, say" * 100) + second)
    assert len(samples) / RATE == pytest.approx(3, abs=0.15)
    assert damage is None
    assert "a tag of 1200010 bytes" in str(decode(file, first + tag(bytes(1_200_000)) + second)[1])


@pytest.mark.parametrize(("place", "form", "value"), [(28, "<I", 1), (32, "<H", 1)])
def test_one_wrong_figure_of_a_wav_header_is_outvoted(file, place, form, value):
    content = bytearray(encode("wav", speech(1, 0)))
    expected, _ = decode(file, bytes(content))
    content[place : place + struct.calcsize(form)] = struct.pack(form, value)
    samples, damage = decode(file, bytes(content))
    assert damage is None
    assert np.array_equal(samples, expected)


def test_samples_of_another_width_than_the_header_says_are_refused(file):
    content = bytearray(encode("wav", speech(1, 0)))
    content[34:36] = struct.pack("<H", 24)
    assert "it ends early" in str(decode(file, bytes(content))[1])
