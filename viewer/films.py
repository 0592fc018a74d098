"""What a video says of itself before anybody plays it: its kind, size, length, frames, and what is wrong with it.

A browser plays a file or does not, and says little of why; a frame can be stepped to only where it is known how many
there are a second. Both are found out here, by headers and indexes alone: no frame is decoded.

Formats: MP4 and QuickTime (ISO/IEC 14496-12, sections 4.2 and 8), WebM and Matroska (RFC 8794 and RFC 9559), and the
pictures that move: GIF89a, PNG (https://www.w3.org/TR/png-3/ section 11.3.4), WebP (RFC 9649, section 2.7).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace

from . import pictures
from .pictures import NoPicture

__all__ = ["Film", "NoFilm", "examine", "moves"]

CUT = "it ends in the middle"

MOST_PARTS = 300_000
"""Boxes, elements and frames that are looked at: of a file of more, some figures stay unknown."""


class NoFilm(Exception):
    """Bytes that no browser is given as a video; the message says what they are instead."""


@dataclass(frozen=True, slots=True)
class Film:
    """What a video says.

    Attributes:
        kind: the media type under which browsers play it.
        container: what people call the file: MP4, QuickTime, WebM, Matroska, GIF, PNG, WebP.
        width, height: in pixels; 0 where it does not say.
        seconds: how long it is; 0 where that cannot be told.
        frames: how many; 0 where that cannot be told.
        rate: frames a second, on the average; 0 where that cannot be told.
        codec: how frames are encoded, such as H.264.
        sound: whether it has a track of sound.
        delays: seconds that each frame of a moving picture stays; empty for other kinds.
        flaw: what is wrong with it though a part may be shown; empty for nothing.
    """

    kind: str
    container: str
    width: int = 0
    height: int = 0
    seconds: float = 0.0
    frames: int = 0
    rate: float = 0.0
    codec: str = ""
    sound: bool = False
    delays: tuple[float, ...] = ()
    flaw: str = ""


def examine(data: bytes) -> Film:
    """What a video says of itself.

    Args:
        data: the whole file.

    Raises:
        NoFilm: it is neither of the containers that browsers know nor a picture that moves, or it lacks what it takes
            to play any of it.
    """
    if not data:
        raise NoFilm("it is empty")
    try:
        if data[4:8] == b"ftyp" and data[8:12] not in (b"avif", b"avis", b"heic", b"mif1"):
            return _mp4(data)
        if data.startswith(b"\x1aE\xdf\xa3"):
            return _matroska(data)
        found = pictures.look(data)
    except NoPicture as no:
        raise NoFilm(str(no).replace("a PNG, GIF, JPEG, WebP or BMP", "an MP4, WebM or GIF")) from None
    except (struct.error, IndexError):
        raise NoFilm("it ends before its header does") from None
    delays = tuple(_delays(data))
    if not delays:
        raise NoFilm("it is a picture that does not move")
    container = {"image/gif": "GIF", "image/png": "PNG", "image/webp": "WebP"}[found.kind]
    seconds = sum(delays)
    rate = len(delays) / seconds if seconds else 0.0
    return Film(
        found.kind, container, found.width, found.height, seconds, len(delays), rate, delays=delays, flaw=found.flaw
    )


def moves(data: bytes) -> bool:
    """Whether a picture has several frames: a GIF, a PNG or a WebP may."""
    return len(_delays(data, 2)) > 1


# Pictures that move -------------------------------------------------------------------------------------------------


def _delays(data: bytes, most: int = MOST_PARTS) -> list[float]:
    """Seconds that each frame stays, as browsers have it; of what is cut off, those of the part that is there."""
    found: list[float] = []
    try:
        if data.startswith((b"GIF87a", b"GIF89a")):
            _gif_delays(data, found, most)
        elif data.startswith(b"\x89PNG\r\n\x1a\n"):
            _png_delays(data, found, most)
        elif data[8:12] == b"WEBP" and data[12:16] == b"VP8X" and data[20] & 2:
            at = 30
            while at + 24 <= len(data) and len(found) < most:
                name, length = struct.unpack_from("<4sI", data, at)
                if name == b"ANMF":
                    found.append(_as_played(int.from_bytes(data[at + 20 : at + 23], "little") / 1000))
                at += 8 + length + length % 2
    except (IndexError, struct.error):
        pass
    return found


def _gif_delays(data: bytes, found: list[float], most: int) -> None:
    at = 13 + pictures.colours(data[10])
    delay = 0.0
    while data[at] != 0x3B and len(found) < most:
        if data[at] == 0x2C:
            found.append(_as_played(delay))
            at += 11 + pictures.colours(data[at + 9])
        elif data[at] == 0x21:
            if data[at + 1] == 0xF9:
                delay = struct.unpack_from("<H", data, at + 4)[0] / 100
            at += 2
        else:
            return
        while data[at]:
            at += 1 + data[at]
        at += 1


def _png_delays(data: bytes, found: list[float], most: int) -> None:
    at = 8
    while at + 12 <= len(data) and len(found) < most:
        length, name = struct.unpack_from(">I4s", data, at)
        if name == b"fcTL":
            part, whole = struct.unpack_from(">HH", data, at + 28)
            found.append(_as_played(part / (whole or 100)))
        at += 12 + length


def _as_played(delay: float) -> float:
    """Browsers take what is 10 ms or less for a tenth of a second."""
    return 0.1 if delay <= 0.01 else delay


# MP4 ----------------------------------------------------------------------------------------------------------------

_FOURCC = {
    b"avc1": "H.264",
    b"avc3": "H.264",
    b"hvc1": "HEVC",
    b"hev1": "HEVC",
    b"av01": "AV1",
    b"vp08": "VP8",
    b"vp09": "VP9",
    b"mp4v": "MPEG-4 Visual",
    b"jpeg": "Motion JPEG",
    b"apcn": "ProRes",
}


@dataclass(slots=True)
class _Boxes:
    """Boxes of a level: content's first and last byte by name, and whether the last one is cut off."""

    places: dict[bytes, list[tuple[int, int]]] = field(default_factory=dict[bytes, "list[tuple[int, int]]"])
    cut: bool = False

    def first(self, name: bytes) -> tuple[int, int] | None:
        return self.places.get(name, [None])[0]


def _boxes(data: bytes, start: int, end: int) -> _Boxes:
    found = _Boxes()
    at = start
    for _ in range(MOST_PARTS):
        if at + 8 > end:
            found.cut = found.cut or at < end
            break
        size, name = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            size, head = struct.unpack_from(">Q", data, at + 8)[0], 16
        elif size == 0:
            size = end - at
        if size < head:
            break
        found.cut = at + size > end
        found.places.setdefault(name, []).append((at + head, min(end, at + size)))
        at += size
    return found


def _inside(data: bytes, outer: tuple[int, int] | None, *names: bytes) -> tuple[int, int] | None:
    """The content of a box in a box in a box."""
    for name in names:
        outer = _boxes(data, *outer).first(name) if outer else None
    return outer


def _mp4(data: bytes) -> Film:
    top = _boxes(data, 0, len(data))
    container = "QuickTime" if data[8:12] == b"qt  " else "MP4"
    moov = top.first(b"moov")
    if moov is None:
        raise NoFilm(f"it is a{'n MP4' if container == 'MP4' else ' QuickTime file'} {_without_index(top)}")
    if moov[1] == len(data) and top.cut:
        raise NoFilm("its index is cut off")
    film = Film("video/mp4", container)
    for trak in _boxes(data, *moov).places.get(b"trak", []):
        handler = _inside(data, trak, b"mdia", b"hdlr")
        kind = data[handler[0] + 8 : handler[0] + 12] if handler else b""
        if kind == b"soun":
            film = replace(film, sound=True)
        elif kind == b"vide" and not film.codec:
            film = _mp4_track(data, trak, film)
    if not film.codec:
        raise NoFilm("it has a track of sound, and none of pictures" if film.sound else "it has no track of pictures")
    if fragments := _inside(data, moov, b"mvex", b"mehd"):
        film = replace(film, seconds=_length_in(data, moov, fragments))
    return replace(film, flaw=CUT) if top.cut else film


def _without_index(top: _Boxes) -> str:
    return "that ends before its index comes" if top.cut else "without an index (moov)"


def _mp4_track(data: bytes, trak: tuple[int, int], film: Film) -> Film:
    header = _inside(data, trak, b"mdia", b"mdhd")
    table = _inside(data, trak, b"mdia", b"minf", b"stbl")
    codec = ""
    if (described := _inside(data, table, b"stsd")) and described[0] + 16 <= described[1]:
        fourcc = data[described[0] + 12 : described[0] + 16]
        codec = _FOURCC.get(fourcc, fourcc.decode("latin-1").strip() or "unknown")
    width = height = frames = 0
    if size := _inside(data, trak, b"tkhd"):
        width, height = (side >> 16 for side in struct.unpack_from(">II", data, size[1] - 8))
    if header is None or not codec:
        raise NoFilm("its track of pictures does not say what it is")
    scale, length = _times(data, header[0])
    ticks = 0
    if runs := _inside(data, table, b"stts"):
        for at in range(runs[0] + 8, min(runs[1] - 7, runs[0] + 8 + 8 * MOST_PARTS), 8):
            count, each = struct.unpack_from(">II", data, at)
            frames, ticks = frames + count, ticks + count * each
    seconds = (ticks or length) / scale if scale else 0.0
    rate = frames / seconds if seconds else 0.0
    return replace(film, width=width, height=height, frames=frames, seconds=seconds, rate=rate, codec=codec)


def _times(data: bytes, at: int) -> tuple[int, int]:
    """Ticks a second and in all, of an mvhd or mdhd."""
    if data[at] == 1:
        scale, length = struct.unpack_from(">IQ", data, at + 20)
        return scale, 0 if length == 2**64 - 1 else length
    scale, length = struct.unpack_from(">II", data, at + 12)
    return scale, 0 if length == 2**32 - 1 else length


def _length_in(data: bytes, moov: tuple[int, int], mehd: tuple[int, int]) -> float:
    """Seconds of a file in fragments."""
    header = _inside(data, moov, b"mvhd")
    scale = _times(data, header[0])[0] if header else 0
    length = struct.unpack_from(">Q" if data[mehd[0]] == 1 else ">I", data, mehd[0] + 4)[0]
    return length / scale if scale else 0.0


# WebM ---------------------------------------------------------------------------------------------------------------

_SEGMENT, _INFO, _TRACKS, _CLUSTER, _GROUP = 0x18538067, 0x1549A966, 0x1654AE6B, 0x1F43B675, 0xA0
_ENTERED = frozenset((_SEGMENT, _INFO, _TRACKS, 0xAE, 0xE0, _CLUSTER, _GROUP))
_CODECS = {"V_VP8": "VP8", "V_VP9": "VP9", "V_AV1": "AV1", "V_MPEG4/ISO/AVC": "H.264", "V_MPEGH/ISO/HEVC": "HEVC"}


@dataclass(slots=True)
class _Webm:
    """What was seen of a WebM by now."""

    doctype: str = ""
    scale: float = 1e-3  # seconds of a tick
    length: float = 0.0  # in ticks
    track: dict[int, bytes] = field(default_factory=dict[int, bytes])
    tracks: list[dict[int, bytes]] = field(default_factory=list["dict[int, bytes]"])
    cluster: int = 0
    video: int = -1
    times: list[int] = field(default_factory=list[int])
    cut: bool = False
    whole: bool = True


def _matroska(data: bytes) -> Film:
    seen = _Webm()
    at, parts = 0, 0
    while at < len(data):
        parts += 1
        if parts > MOST_PARTS:
            seen.whole = False
            break
        name, at = _vint(data, at, keep=True)
        size, at = _vint(data, at, keep=False)
        if name in _ENTERED:
            seen.cut = seen.cut or (size is not None and at + size > len(data))
            if name == 0xAE:
                seen.track = {}
                seen.tracks.append(seen.track)
            continue
        if name is None or size is None:
            seen.cut = True
            break
        seen.cut = seen.cut or at + size > len(data)
        _note(seen, name, data, at, size)
        at += size
    return _webm_film(seen)


def _vint(data: bytes, at: int, *, keep: bool) -> tuple[int | None, int]:
    """A number of EBML and where it ends; None for an unknown size, or where there is none."""
    if at >= len(data) or data[at] == 0:
        return None, len(data)
    length = 9 - data[at].bit_length()
    value = int.from_bytes(data[at : at + length])
    if keep:
        return value, at + length
    value &= (1 << 7 * length) - 1
    return (None if value == (1 << 7 * length) - 1 else value), at + length


def _note(seen: _Webm, name: int, data: bytes, at: int, size: int) -> None:
    """What an element that holds no others says."""
    if name in (0xA3, 0xA1):  # a block, alone or in a group
        track, start = _vint(data, at, keep=False)
        if seen.video < 0:
            seen.video = _video_number(seen)
        if track == seen.video and start + 2 <= len(data):
            seen.times.append(seen.cluster + int.from_bytes(data[start : start + 2], signed=True))
        return
    content = data[at : at + min(size, 8)]
    if name == 0xE7:
        seen.cluster = int.from_bytes(content)
    elif name == 0x2AD7B1:
        seen.scale = int.from_bytes(content) / 1e9
    elif name == 0x4489 and size in (4, 8):
        seen.length = struct.unpack(">d" if size == 8 else ">f", content)[0]
    elif name == 0x1A45DFA3:
        header = data[at : at + min(size, 256)]
        mark = header.find(b"\x42\x82")
        length, start = _vint(header, mark + 2, keep=False) if mark >= 0 else (0, 0)
        seen.doctype = header[start : start + (length or 0)].decode("ascii", "replace")
    elif name == 0x86:
        seen.track[name] = data[at : at + min(size, 64)]
    elif name in (0xD7, 0x83, 0xB0, 0xBA, 0x23E383):
        seen.track[name] = content


def _video_number(seen: _Webm) -> int:
    return next((int.from_bytes(one.get(0xD7, b"\1")) for one in seen.tracks if one.get(0x83) == b"\1"), 0)


def _webm_film(seen: _Webm) -> Film:
    track = next((one for one in seen.tracks if one.get(0x83) == b"\1"), None)
    sound = any(one.get(0x83) == b"\2" for one in seen.tracks)
    if track is None:
        if seen.cut and not seen.tracks:
            raise NoFilm("it ends before it says what it holds")
        raise NoFilm("it has a track of sound, and none of pictures" if sound else "it has no track of pictures")
    if not seen.times:
        raise NoFilm("it ends before its first frame" if seen.cut else "it has no frames")
    codec = track.get(0x86, b"").rstrip(b"\0").decode("ascii", "replace")
    first, last, frames = min(seen.times), max(seen.times), len(seen.times)
    each = int.from_bytes(track.get(0x23E383, b"")) / 1e9
    if not each and frames > 1:
        each = (last - first) * seen.scale / (frames - 1)
    known = seen.length * seen.scale if 0 < seen.length < 2**52 and not seen.cut else 0.0
    return Film(
        "video/webm",
        "WebM" if seen.doctype == "webm" else "Matroska",
        int.from_bytes(track.get(0xB0, b"")),
        int.from_bytes(track.get(0xBA, b"")),
        known or ((last - first) * seen.scale + each if seen.whole else 0.0),
        frames if seen.whole else 0,
        1 / each if each else 0.0,
        _CODECS.get(codec, codec.removeprefix("V_")),
        sound,
        flaw=CUT if seen.cut else "",
    )
