"""What an encoded picture says of itself before anybody decodes it: its kind, its size, and what is wrong with it.

A browser allocates what a picture's header declares, so a few hundred bytes may ask it for gigabytes; and it believes
the type that it is told, so a drawing that can hold a script must not go out as a picture. Both are found out here, by
the headers alone.

Formats: PNG (https://www.w3.org/TR/png-3/ section 5), GIF (GIF89a, section 17 to 20), JPEG (ITU-T T.81, B.1 and B.2.2),
WebP (RFC 9649, section 2), BMP (BITMAPFILEHEADER and BITMAPINFOHEADER of the Windows API).
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass

__all__ = ["NoPicture", "Picture", "colours", "look"]


class NoPicture(Exception):
    """Bytes that no browser is given as a picture; the message says what they are instead."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What the first bytes of a picture say.

    Attributes:
        kind: its media type, one of image/png, image/gif, image/jpeg, image/webp and image/bmp.
        width, height: in pixels, as its header declares them.
        flaw: what is wrong with it though a part may be shown, such as "it ends in the middle"; empty for nothing.
    """

    kind: str
    width: int
    height: int
    flaw: str = ""

    @property
    def pixels(self) -> int:
        """How many there are to be decoded."""
        return self.width * self.height


def look(data: bytes) -> Picture:
    """What a picture says of itself.

    Args:
        data: the whole file.

    Raises:
        NoPicture: it is of none of the kinds that every browser shows as pixels and nothing else, or its header is cut
            off.
    """
    if not data:
        raise NoPicture("it is empty")
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return _png(data)
        if data.startswith((b"GIF87a", b"GIF89a")):
            return _gif(data)
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg(data)
        if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return _webp(data)
        if data.startswith(b"BM"):
            return _bmp(data)
    except (struct.error, IndexError):
        raise NoPicture("it ends before its header does") from None
    raise NoPicture(f"it is {_named(data)}, not a PNG, GIF, JPEG, WebP or BMP")


_CUT = "it ends in the middle"


def _png(data: bytes) -> Picture:
    if data[12:16] != b"IHDR":
        raise NoPicture("it is a PNG without a header")
    width, height = struct.unpack_from(">II", data, 16)
    at, whole, sound, begun, seen = 8, False, True, False, memoryview(data)
    while at + 12 <= len(data) and not whole:
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 12 + length
        whole = data[at + 4 : at + 8] == b"IEND"
        if data[at + 4 : at + 8] == b"IDAT" and not begun:
            _check_stream(data[at + 8 : min(end - 4, at + 4096)])
            begun = True
        sound = sound and (end > len(data) or zlib.crc32(seen[at + 4 : end - 4]) == int.from_bytes(seen[end - 4 : end]))
        at = end
    flaw = _CUT if not whole or at > len(data) else "" if sound else "a checksum in it fails: it is damaged"
    return Picture("image/png", *_sized(width, height), flaw)


def _check_stream(start: bytes) -> None:
    """Looks whether pixels can be unpacked: where they cannot, browsers draw nothing and report no error.

    Raises:
        NoPicture: they cannot.
    """
    try:
        zlib.decompressobj().decompress(start, 1)
    except zlib.error:
        raise NoPicture("its pixels cannot be unpacked: it is damaged") from None


def _gif(data: bytes) -> Picture:
    """Frames may stand out over the size in front, and browsers make room for the first that does."""
    width, height = struct.unpack_from("<HH", data, 6)
    at = 13 + colours(data[10])
    try:
        while data[at] != 0x3B:
            if data[at] == 0x2C:
                left, top, wide, high = struct.unpack_from("<HHHH", data, at + 1)
                width, height = max(width, left + wide), max(height, top + high)
                at += 11 + colours(data[at + 9])  # and the byte of the code size
            elif data[at] == 0x21:
                at += 2
            else:
                return Picture("image/gif", *_sized(width, height), "it has bytes where a frame should be")
            while data[at]:
                at += 1 + data[at]
            at += 1
    except (IndexError, struct.error):
        return Picture("image/gif", *_sized(width, height), _CUT)
    return Picture("image/gif", *_sized(width, height))


def colours(flags: int) -> int:
    """Bytes of a table of colours."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


_MARKER = re.compile(rb"\xff+([^\x00\xff])")
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))


def _jpeg(data: bytes) -> Picture:
    at = 2
    while found := _MARKER.search(data, at):
        marker, at = found[1][0], found.end()
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 3)
            return Picture("image/jpeg", *_sized(width, height), "" if b"\xff\xd9" in data[at:] else _CUT)
        if marker in (0xD9, 0xDA):
            break
        if marker not in _ALONE:
            (length,) = struct.unpack_from(">H", data, at)
            at += max(2, length)
    raise NoPicture("it is a JPEG without a size")


def _webp(data: bytes) -> Picture:
    (length,) = struct.unpack_from("<I", data, 4)
    flaw = "" if length + 8 <= len(data) else _CUT
    form = data[12:16]
    if form == b"VP8X":
        width, height = (1 + int.from_bytes(_exactly(data, at, 3), "little") for at in (24, 27))
    elif form == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif form == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    else:
        raise NoPicture("it is a WebP without a picture")
    return Picture("image/webp", *_sized(width, height), flaw)


def _exactly(data: bytes, at: int, count: int) -> bytes:
    found = data[at : at + count]
    if len(found) < count:
        raise IndexError(at)
    return found


def _bmp(data: bytes) -> Picture:
    length, header = struct.unpack_from("<I8xI", data, 2)
    if header == 12:  # OS/2's, of 16 bits
        width, height = struct.unpack_from("<HH", data, 18)
    elif header >= 40:
        width, height = struct.unpack_from("<ii", data, 18)
    else:
        raise NoPicture(f"it is {_named(data)}, not a PNG, GIF, JPEG, WebP or BMP")
    return Picture("image/bmp", *_sized(width, abs(height)), _CUT if length > len(data) else "")


def _sized(width: int, height: int) -> tuple[int, int]:
    if width < 1 or height < 1:
        raise NoPicture(f"its header says that it is {width} x {height} pixels")
    return width, height


def _named(data: bytes) -> str:
    """What bytes are that are no picture, for people."""
    start = data[:1024].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if b"<svg" in start:
        return "an SVG drawing, which can hold scripts"
    if start.startswith((b"<!doctype html", b"<html", b"<script", b"<body", b"<head", b"<iframe")):
        return "an HTML page"
    if start.startswith((b"<?xml", b"<!--")):
        return "an XML document"
    if data[4:8] == b"ftyp":
        return "an AVIF or HEIC picture or a video" if data[8:12] in (b"avif", b"heic", b"mif1") else "an MP4 video"
    for magic, name in _OTHERS.items():
        if data.startswith(magic):
            return name
    if not data[:64].translate(None, _PRINTED):
        return "a text"
    return "something unknown"


_PRINTED = bytes((9, 10, 13, *range(32, 127)))
_OTHERS = {
    b"\x1aE\xdf\xa3": "a WebM video",
    b"%PDF": "a PDF",
    b"II*\0": "a TIFF",
    b"MM\0*": "a TIFF",
    b"RIFF": "a sound",
    b"\x93NUMPY": "a NumPy array",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
}
