"""Take audio files apart into streams that are decoded from start to end, whatever their headers claim.

libsndfile, which decodes, believes headers: it stops where a header says that a file ends, hears the first of several
streams that follow each other, and takes a file cut short for a shorter one. So the containers are walked here first:
WAV by its chunks, FLAC by its stream headers, Ogg by its pages (RFC 3533), MP3 by its frames (ISO 11172-3). Each stream
is handed on with a header that does not end early, and with what the file's own header promised.
"""

import dataclasses
import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from itertools import accumulate, islice, pairwise
from statistics import mode

from reprise.core.errors import InputError

Content = bytes  # or a memory map, which is sliced and searched alike
Piece = bytes | tuple[int, int]  # bytes of our own, or a range of the file


MOST_STREAMS = 1000  # of a file
MOST_CHUNKS = 10_000  # of a WAV file
MOST_DAMAGED_PAGES = 100  # of an Ogg file
LONGEST_GAP = 2**20  # bytes of an MP3 file that are no frames, together
MOST_HIDDEN_FRAMES = 3  # that follow each other in an MP3 file's tag; pictures hold two by chance
MOST_PADDING = 8192  # samples behind the stated end of an Ogg stream: the longest packet


class ContainerError(InputError):
    """A file that is not audio, or not in a form that is read whole; the line does not name the file."""


@dataclasses.dataclass(frozen=True)
class Stream:
    """A part of a file that a decoder reads from start to end.

    Attributes:
        pieces: what the decoder is given, one after the other.
        promised: seconds that the file's own header promises; None: it promises nothing.
        damage: what is wrong with the container; None: nothing.
        frames: samples of each channel at which a container ends that the decoder goes beyond; None: it does not.
    """

    pieces: Sequence[Piece]
    promised: float | None = None
    damage: str | None = None
    frames: int | None = None


class PiecewiseFile(io.RawIOBase):
    """Pieces as one file that can be read and sought.

    Args:
        content: the file that ranges refer to.
        pieces: bytes and ranges.
    """

    def __init__(self, content: Content, pieces: Sequence[Piece]) -> None:
        self.content, self.pieces = content, pieces
        lengths = [len(piece) if isinstance(piece, bytes) else piece[1] - piece[0] for piece in pieces]
        self.ends = list(accumulate(lengths))
        self.position, self.index = 0, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = (0, self.position, self.ends[-1])[whence]
        self.position, self.index = max(0, base + offset), 0
        return self.position

    def tell(self) -> int:
        return self.position

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        view, filled = memoryview(buffer).cast("B"), 0
        while filled < len(view):
            while self.index < len(self.ends) and self.position >= self.ends[self.index]:
                self.index += 1
            if self.index == len(self.ends):
                break
            count = min(len(view) - filled, self.ends[self.index] - self.position)
            piece = self.pieces[self.index]
            if isinstance(piece, bytes):
                start = self.position - self.ends[self.index] + len(piece)
                part = piece[start : start + count]
            else:
                start = piece[1] - (self.ends[self.index] - self.position)
                part = self.content[start : start + count]
            view[filled : filled + count] = part
            filled += count
            self.position += count
        return filled


def find_streams(content: Content) -> list[Stream]:
    """Take a file apart.

    Raises:
        ContainerError: not WAV, FLAC, Ogg or MP3, or in a form that would not be heard whole.
    """
    start = skip_id3(content, 0)
    magic = content[start : start + 4]
    if content[:4] in (b"RIFF", b"RIFX", b"RF64"):
        return [wav_stream(content)]
    if magic == b"fLaC":
        found = flac_streams(content, start)
    elif content[:4] == b"OggS":
        found = ogg_streams(content)
    else:
        found = mp3_streams(content, start)
    streams = list(islice(found, MOST_STREAMS + 1))
    if len(streams) > MOST_STREAMS:
        raise ContainerError(f"more than {MOST_STREAMS} recordings in one file")
    return streams


def skip_id3(content: Content, start: int) -> int:
    """Where the ID3v2 tags that start here end; their sizes are in bytes of 7 bits."""
    while content[start : start + 3] == b"ID3" and len(content) >= start + 10:
        a, b, c, d = content[start + 6 : start + 10]
        footer = 10 if content[start + 5] & 0x10 else 0
        start += 10 + footer + ((a & 127) << 21 | (b & 127) << 14 | (c & 127) << 7 | d & 127)
    return min(start, len(content))


# WAV

UNKNOWN_SIZES = (0xFFFFFFFF, 0)  # what programs write that do not know the size when they start
LARGEST_SIZES = 0x7FFF0000  # or a number about as large as a signed one can be
CODECS = {1, 2, 3, 6, 7, 0x11, 0x31, 0xFFFE}  # PCM, ADPCM, float, A-law, mu-law, IMA ADPCM, GSM 6.10, extensible
SAMPLES_APART = {1, 3, 6, 7, 0xFFFE}  # of these, those whose samples are whole bytes
GIB4 = 2**32 - 2**16


def wav_stream(content: Content) -> Stream:
    """Find the samples of a WAV file, and give them a header of their own."""
    order = ">" if content[:4] == b"RIFX" else "<"
    if content[8:12] != b"WAVE":
        raise ContainerError("a RIFF file that is not WAV")
    kept, data, wide, position = b"", None, None, 12
    byte_rate = chunks = 0
    while position + 8 <= len(content):
        chunks += 1
        if chunks > MOST_CHUNKS:
            raise ContainerError(f"WAV with more than {MOST_CHUNKS} chunks")
        name, size = (
            content[position : position + 4],
            struct.unpack(order + "I", content[position + 4 : position + 8])[0],
        )
        start = position + 8
        if name in (b"RIFF", b"RIFX", b"RF64"):
            raise ContainerError(f"another WAV file follows at byte {position}; cut the file in two")
        if data is not None:
            refuse_appended(content, {data[0] + data[1], position})
        if name == b"ds64" and size >= 16 and len(content) >= start + 16:
            wide = struct.unpack("<Q", content[start + 8 : start + 16])[0]
        if name in (b"fmt ", b"fact") and data is None:
            kept += content[position : start + size + size % 2]
        if name == b"fmt " and size >= 16 and len(content) >= start + 16:
            codec, channels, rate, byte_rate, width, bits = struct.unpack(order + "HHIIHH", content[start : start + 16])
            if codec in SAMPLES_APART and rate:  # of three figures that say the same, two that agree
                byte_rate = mode((byte_rate, rate * width, rate * channels * -(-bits // 8)))
            if codec not in CODECS:
                raise ContainerError(
                    f"WAV with codec {codec:#x}; expected PCM, float, A-law, mu-law, ADPCM or GSM 6.10"
                )
        if name == b"data":
            if data is not None:
                raise ContainerError("WAV with two data chunks")
            size = wide if size == 0xFFFFFFFF and wide is not None else size
            data = (start, _data_size(content, start, size))
            size = data[1]
        position = start + size + size % 2
    if data is None or not byte_rate:
        raise ContainerError("WAV without a format or without data")
    start, size = data
    end = min(start + size, len(content))
    damage = "the file is cut short" if start + size > len(content) else None
    if end - start >= GIB4:
        return Stream([(0, len(content))], size / byte_rate, damage)
    header = b"WAVE" + kept + b"data" + struct.pack(order + "I", end - start)
    riff = (b"RIFX" if order == ">" else b"RIFF") + struct.pack(order + "I", len(header) + end - start)
    return Stream([riff + header, (start, end)], size / byte_rate, damage)


def refuse_appended(content: Content, positions: set[int]) -> None:
    """Refuse a recording of another kind behind the samples of a WAV file, where a chunk should stand.

    Args:
        content: of the file.
        positions: where the samples end, and the same at the next even byte: programs that append leave no padding.

    Raises:
        ContainerError: FLAC, Ogg or MP3 starts there; a tag of ID3v2 may come first.
    """
    for position in positions:
        tagged = content[position : position + 3] == b"ID3" and content[position + 3 : position + 4] in b"\2\3\4"
        start = skip_id3(content, position) if tagged else position
        mark = bytes(content[start : start + 4])
        if tagged or mark in (b"fLaC", b"OggS") or (mark[:1] == b"\xff" and len(mark) > 1 and mark[1] >= 0xE0):
            raise ContainerError(f"another recording follows at byte {position}; cut the file in two")


def _data_size(content: Content, start: int, size: int) -> int:
    """How many bytes a data chunk has, where its header may say that it does not know."""
    rest = len(content) - start
    if size == 0 and rest >= 8:  # an empty chunk, if another one follows that ends where the file does
        following = int.from_bytes(content[start + 4 : start + 8], "little")
        if content[start : start + 4].isalnum() and following + following % 2 + 8 == rest:
            return 0
    unknown = size in UNKNOWN_SIZES or (size > rest and size >= LARGEST_SIZES)
    return rest if unknown else size


# FLAC

STREAM_INFO = b"fLaC\x00\x00\x00\x22"  # FLAC's mark, then the header of the block that comes first, 34 bytes long
TOTAL = (1 << 36) - 1  # the bits of it that hold the number of samples


def flac_streams(content: Content, start: int) -> Iterator[Stream]:
    """Find the FLAC streams that follow each other, and take away where their headers say that they end."""
    if content[start : start + 8] not in (STREAM_INFO, b"fLaC\x80\x00\x00\x22") or len(content) < start + 42:
        raise ContainerError("FLAC without a stream header")
    starts = [start]
    while (found := content.find(STREAM_INFO, starts[-1] + 42)) >= 0:
        starts.append(found)
    tail = 128 if content[-128:-125] == b"TAG" and len(content) - 128 > starts[-1] + 42 else 0  # ID3v1
    for first, end in zip(starts, [*starts[1:], len(content) - tail], strict=True):
        packed = int.from_bytes(content[first + 18 : first + 26], "big")  # rate, channels, width, total
        rate, total = packed >> 44, packed & TOTAL
        if not rate:
            raise ContainerError("FLAC without a sample rate")
        endless = content[first : first + 18] + (packed & ~TOTAL).to_bytes(8, "big")
        yield Stream([endless, (first + 26, end)], total / rate if total else None)


# Ogg

CONTINUED, FIRST, LAST = 1, 2, 4  # flags of a page
VORBIS, OPUS = b"\x01vorbis", b"OpusHead"
LARGEST_PAGE = 255 * MOST_PADDING  # samples; a page has 255 packets at most
ENDLESS_POSITION = 2**40  # added to a stream's end
NO_POSITION = 0xFFFFFFFFFFFFFFFF  # of a page on which no packet ends
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclasses.dataclass(frozen=True)
class Page:
    """A page of an Ogg file, as its header describes it; `body` is where what follows the header starts."""

    start: int
    end: int
    flags: int
    position: int
    serial: int
    number: int
    ends_packet: bool
    body: int


def ogg_streams(content: Content) -> Iterator[Stream]:
    """Find the streams of an Ogg file that follow each other, and check each page."""
    link: list[Page] = []
    damage: str | None = None
    for page in ogg_pages(content):
        if isinstance(page, str):
            damage = damage or page
            continue
        if page.flags & FIRST:
            if link and all(other.flags & FIRST for other in link):
                raise ContainerError("Ogg with several streams at once; expected one after the other")
            if link:
                yield ogg_stream(content, link, damage)
            link, damage = [page], None
        elif link:
            link.append(page)
        else:
            damage = damage or "the start of the stream is missing"
    if not link:
        raise ContainerError("Ogg without the start of a stream")
    yield ogg_stream(content, link, damage)


def ogg_stream(content: Content, pages: Sequence[Page], damage: str | None) -> Stream:
    """Check that pages belong together; positions that go back would make a decoder stop early."""
    if len({page.serial for page in pages}) > 1:
        raise ContainerError("Ogg with several streams at once; expected one after the other")
    if any(page.flags & LAST for page in pages[:-1]):
        raise ContainerError("Ogg with pages after the end of its stream")
    positions = [page.position for page in pages if page.position != NO_POSITION]
    if positions != sorted(positions) or any(page.ends_packet == (page.position == NO_POSITION) for page in pages):
        raise ContainerError("Ogg whose positions do not follow each other")
    if any(second.number != first.number + 1 for first, second in pairwise(pages)):
        damage = damage or "a page is missing"
    if not pages[-1].flags & LAST:
        damage = damage or "the file is cut short"
    if content[pages[0].body : pages[0].body + 7] == VORBIS:
        return vorbis_stream(content, pages, damage)
    is_opus = content[pages[0].body : pages[0].body + 8] == OPUS
    if is_opus and opus_frames(content, pages) > pages[-1].position + MOST_PADDING:
        damage = damage or "there is sound behind its stated end"
    return Stream([(pages[0].start, pages[-1].end)], None, damage)


def vorbis_stream(content: Content, pages: Sequence[Page], damage: str | None) -> Stream:
    """Move the end of a Vorbis stream, which its last page states, behind all of its packets."""
    last, first_sound = pages[-1], next((page for page in pages if page.position > 0), pages[0])
    if last.position == NO_POSITION or not 0 < first_sound.position <= LARGEST_PAGE:
        return Stream([(pages[0].start, last.end)], None, damage)  # without sound, or not from its start
    page = bytearray(content[last.start : last.end])
    page[6:14] = (last.position + ENDLESS_POSITION).to_bytes(8, "little")
    page[22:26] = bytes(4)
    page[22:26] = ogg_checksum(bytes(page))
    return Stream([(pages[0].start, last.start), bytes(page)], None, damage, last.position)


def opus_frames(content: Content, pages: Sequence[Page]) -> int:
    """Samples at 48 kHz of the packets of an Opus stream (RFC 6716, section 3.1), as its pages number them.

    Where a stream does not start at 0, as one that was cut out of a longer one, its first page says at how many.
    """
    total, start = 0, 0
    for number, page in enumerate(pages):
        count, begins = 0, not page.flags & CONTINUED
        position = page.body
        for length in content[page.start + 27 : page.body]:
            if begins and length:
                count += opus_packet_frames(content[position : position + 2], length)
            position, begins = position + length, length < 255
        if number > 0 and not total:
            start = max(0, page.position - count) if page.position != NO_POSITION else 0
        total += count
    return start + total


def opus_packet_frames(packet: bytes, length: int) -> int:
    """Samples at 48 kHz that a packet holds, by its first bytes; those of a header hold none."""
    configuration, code = packet[0] >> 3, packet[0] & 3
    if packet == OPUS[:2]:  # of OpusHead and OpusTags; as sound it would be a packet of 960 ms, which there is not
        return 0
    if configuration < 12:
        frame = (480, 960, 1920, 2880)[configuration & 3]
    elif configuration < 16:
        frame = (480, 960)[configuration & 1]
    else:
        frame = (120, 240, 480, 960)[configuration & 3]
    return frame * (1, 2, 2, packet[1] & 63 if length > 1 else 0)[code]


def ogg_pages(content: Content) -> Iterator[Page | str]:
    """Walk the pages; between them, yield what is wrong."""
    position = damaged = 0
    while position < len(content):
        if content[position : position + 4] != b"OggS":
            found = content.find(b"OggS", position)
            if found < 0:
                if content[position:].strip(b"\0"):
                    yield "bytes that are no page"
                return
            yield "bytes that are no page"
            position = found
        header = content[position : position + 27]
        lengths = content[position + 27 : position + 27 + header[26]] if len(header) == 27 else b""
        end = position + 27 + len(lengths) + sum(lengths)
        if len(header) < 27 or len(lengths) < header[26] or end > len(content):
            yield "the file is cut short"
            return
        flags, granule, serial, number = struct.unpack("<BQII", header[5:22])
        bare = content[position : position + 22] + bytes(4) + content[position + 26 : end]
        if header[4] or ogg_checksum(bare) != header[22:26]:
            yield "a page is damaged"
            damaged += 1
            if damaged > MOST_DAMAGED_PAGES:
                raise ContainerError("Ogg with too many damaged pages")
            position += 4
            continue
        ends_packet, body = any(length < 255 for length in lengths), position + 27 + len(lengths)
        yield Page(position, end, flags, granule, serial, number, ends_packet, body)
        position = end


def ogg_checksum(page: bytes) -> bytes:
    """Ogg's CRC-32, by zlib's, which takes the bits of each byte the other way round."""
    mirrored = zlib.crc32(page.translate(REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return mirrored.to_bytes(4, "big").translate(REVERSED)


# MP3

BITRATES = {  # kbit/s, by whether the version is 1
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}  # by the version's bits
INFO_BITRATE = 9  # an index of BITRATES: its frames have room for what an information frame says


@dataclasses.dataclass(frozen=True)
class Frame:
    """An MP3 frame, as its header describes it.

    Attributes:
        length: bytes.
        rate: samples a second.
        channels: 1 or 2.
        samples: in each channel.
        side: bytes of side information, after the header.
    """

    length: int
    rate: int
    channels: int
    samples: int
    side: int


def mp3_frame(content: Content, position: int, bitrate: int | None = None) -> Frame | None:
    """Read a frame's header; None: there is none here.

    Args:
        content: the file.
        position: of the header.
        bitrate: index of a bitrate to work out the length for; None: the header's.
    """
    header = content[position : position + 4]
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:  # 11 bits of sync, layer III
        return None
    version, index, rate_index, mode = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3, header[3] >> 6
    if version == 1 or rate_index == 3 or not 0 < index < 15:
        return None
    first, rate, channels = version == 3, RATES[version][rate_index], 1 if mode == 3 else 2
    kilobits = BITRATES[first][index if bitrate is None else bitrate]
    padding = header[2] >> 1 & 1 if bitrate is None else 0
    length = (144 if first else 72) * kilobits * 1000 // rate + padding
    side = (17 if channels == 1 else 32) if first else (9 if channels == 1 else 17)
    return Frame(length, rate, channels, 1152 if first else 576, side)


def same_format(one: Frame, other: Frame | None) -> bool:
    return other is not None and (one.rate, one.channels, one.samples) == (other.rate, other.channels, other.samples)


def mp3_streams(content: Content, start: int) -> Iterator[Stream]:
    """Find the frames of an MP3 file; where their format changes, another stream begins."""
    position = _next_mp3_frame(content, start, start + LONGEST_GAP)
    if position is None:
        raise ContainerError("not audio that can be read; expected WAV, FLAC, Ogg Vorbis, Opus or MP3")
    walker = _Mp3Walker(content)
    while position is not None and position < len(content):
        frame = mp3_frame(content, position)
        if frame is None or position + frame.length > len(content):
            position = walker.between_frames(position, frame)
            continue
        if walker.first is not None and not same_format(walker.first, frame):
            yield walker.stream()
            walker = _Mp3Walker(content)
        walker.add(position, frame)
        position += frame.length
    yield walker.stream()


def _next_mp3_frame(content: Content, start: int, end: int) -> int | None:
    """Where the next frame starts, before `end`, that another one of its format, or the file's end, follows."""
    position = content.find(b"\xff", start, end)
    while position >= 0:
        frame = mp3_frame(content, position)
        if frame is not None:
            after = position + frame.length
            if after == len(content) or same_format(frame, mp3_frame(content, after)):
                return position
        position = content.find(b"\xff", position + 1, end)
    return None


def encoder_padding(content: Content, tag: int, end: int) -> int:
    """Samples that the encoder put before and after the sound, as the LAME part of an information frame says."""
    flags = content[tag + 7]
    place = tag + 8 + 4 * (flags & 1) + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1) + 21
    if place + 3 > end:
        return 0
    both = int.from_bytes(content[place : place + 3], "big")
    return (both >> 12) + (both & 0xFFF)


class _Mp3Walker:
    """Collects the frames of one stream."""

    def __init__(self, content: Content) -> None:
        self.content = content
        self.first: Frame | None = None
        self.header_at = 0  # of the first frame
        self.ranges: list[tuple[int, int]] = []
        self.count = 0
        self.promised = 0  # frames
        self.information: list[int] = []  # where information frames start
        self.damage: str | None = None
        self.gaps = 0  # bytes that are no frame
        self.padding = 0  # samples that an information frame says to leave out

    def add(self, position: int, frame: Frame) -> None:
        """Take a frame, but for one of information, which holds no sound."""
        if self.first is None:
            self.first, self.header_at = frame, position
        tag = position + 4 + frame.side
        kind = self.content[tag : tag + 4]
        if kind in (b"Xing", b"Info") and frame.length >= frame.side + 16:
            self.information.append(position)
            if self.content[tag + 7] & 1:
                self.promised += int.from_bytes(self.content[tag + 8 : tag + 12], "big")
            self.padding = encoder_padding(self.content, tag, position + frame.length)
            return
        if self.content[position + 36 : position + 40] == b"VBRI":
            self.information.append(position)
            self.promised += int.from_bytes(self.content[position + 50 : position + 54], "big")
            return
        end = position + frame.length
        if self.ranges and self.ranges[-1][1] == position:
            self.ranges[-1] = (self.ranges[-1][0], end)
        else:
            self.ranges.append((position, end))
        self.count += 1

    def between_frames(self, position: int, frame: Frame | None) -> int | None:
        """Pass what is no frame, or none that is whole; returns where the next one starts."""
        content = self.content
        if content[position : position + 3] == b"ID3":
            return self._skip_tag(position, skip_id3(content, position))
        if content[position : position + 3] == b"TAG" and len(content) - position <= 128 + 227:
            return None
        if content[position : position + 8] in (b"APETAGEX", b"LYRICSBE"):
            return _next_mp3_frame(content, position, position + LONGEST_GAP)
        if frame is not None:
            self.damage = self.damage or "the last frame is cut short"
            return None
        following = _next_mp3_frame(content, position, position + LONGEST_GAP)
        gap = content[position : len(content) if following is None else following]
        if gap.strip(b"\0"):
            self.damage = self.damage or "bytes that are no frame"
        self.gaps += len(gap)
        return following if self.gaps <= LONGEST_GAP else None

    def _skip_tag(self, position: int, end: int) -> int:
        """Pass a tag among the frames, but for frames in it: some players skip them, and others play them."""
        if end - position > LONGEST_GAP:
            self.damage = self.damage or f"a tag of {end - position} bytes among the frames"
            return end
        following = _next_mp3_frame(self.content, position + 10, end)
        while following is not None:
            place = following
            for _ in range(MOST_HIDDEN_FRAMES + 1):
                frame = mp3_frame(self.content, place)
                if frame is None or place + frame.length > end:
                    break
                place += frame.length
            else:
                self.damage = self.damage or "frames within a tag"
                return following
            following = _next_mp3_frame(self.content, following + 1, end)
        return end

    def stream(self) -> Stream:
        """Give the frames a first one of information that counts them, so that the decoder goes to their end."""
        frame = self.first
        assert frame is not None
        seconds = frame.samples / frame.rate
        promised = self.promised * seconds if self.promised else None
        damage = self.damage
        if self.promised > self.count:
            damage = damage or "the file is cut short"
        whole = len(self.ranges) == 1 and self.information == [self.header_at] and self.promised == self.count
        if whole and promised is not None:  # with its own information frame, which says what the encoder padded
            promised -= self.padding / frame.rate
            return Stream([(self.header_at, self.ranges[0][1])], promised, damage)
        return Stream([self._information_frame(), *self.ranges], promised, damage)

    def _information_frame(self) -> bytes:
        header = bytearray(self.content[self.header_at : self.header_at + 4])
        header[1] |= 1  # no checksum
        header[2] = INFO_BITRATE << 4 | header[2] & 0x0C  # no padding
        frame = mp3_frame(bytes(header), 0)
        assert frame is not None
        text = bytes(header) + bytes(frame.side) + b"Info" + (1).to_bytes(4, "big") + self.count.to_bytes(4, "big")
        return text.ljust(frame.length, b"\0")
