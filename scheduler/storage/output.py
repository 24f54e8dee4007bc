"""What an attempt of a run printed and logged: the head and the tail of it, in one string of Redis for each attempt.

The string is a header, then the head, then a ring that the newest bytes overwrite. So only new bytes are sent, sending
them again changes nothing, and the string never grows beyond its limit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from redis.exceptions import ResponseError

from scheduler.storage.client import Client
from scheduler.storage.keys import Keys

HEADER = "{written:016d} {head:08d} {size:08d}\n"
HEADER_BYTES = 35
IN_HEADER = re.compile(rb"(\d{16}) (\d{8}) (\d{8})\n")


@dataclass(frozen=True)
class Output:
    """What is kept of an attempt's output; between head and tail are ``left_out`` bytes that are not."""

    run_id: str
    attempt: int
    head: bytes = b""
    tail: bytes = b""
    left_out: int = 0

    @property
    def written(self) -> int:
        """Bytes that the attempt wrote."""
        return len(self.head) + self.left_out + len(self.tail)

    def since(self, position: int) -> tuple[bytes, int, bytes]:
        """What came after so many bytes: of the head, how many were left out, and of the tail."""
        cut = len(self.head) + self.left_out
        missing = max(cut - max(position, len(self.head)), 0)
        return self.head[position:], missing, self.tail[max(position - cut, 0) :]


class Bounded:
    """The output of one attempt in memory, laid out as in Redis."""

    def __init__(self, size: int) -> None:
        self.size = size  #: bytes that are kept
        self.head = size // 2
        self.written = 0
        self.body = bytearray(size)

    def add(self, data: bytes) -> None:
        """Keep these bytes, over the oldest of the ring where there is no other place."""
        ring = self.size - self.head
        begin = self.written
        first = data[: max(self.head - begin, 0)]
        self.body[begin : begin + len(first)] = first
        self.written += len(data)
        rest = data[len(first) :][-ring:]
        at = self.place(self.written - len(rest))
        before_end = rest[: self.size - at]
        self.body[at : at + len(before_end)] = before_end
        self.body[self.head : self.head + len(rest) - len(before_end)] = rest[len(before_end) :]

    def place(self, position: int) -> int:
        """Where the byte of this position in the output is, or was, in the body."""
        return position if position < self.head else self.head + (position - self.head) % (self.size - self.head)

    def since(self, position: int) -> list[tuple[int, bytes]]:
        """The pieces of the body that came after the first ``position`` bytes of the output, each with its place."""
        begin = max(position, self.head, self.written - (self.size - self.head))
        at, length = self.place(begin), max(self.written - begin, 0)
        ring = self.body[at : at + length]  # a slice ends where the body does
        pieces = [
            (position, self.body[position : min(self.head, self.written)]),
            (at, ring),
            (self.head, self.body[self.head : self.head + length - len(ring)]),
        ]
        return [(place, bytes(piece)) for place, piece in pieces if piece]


def write(
    client: Client, key: str, output: Bounded, pieces: Iterable[tuple[int, bytes]], written: int, ttl_s: int
) -> int:
    """Send pieces of an output, and how many bytes were written in all, in one step.

    Returns how many bytes of the body were there before.
    """
    with client.pipeline() as pipe:
        pipe.setrange(key, 0, HEADER.format(written=written, head=output.head, size=output.size))
        for at, piece in pieces:
            pipe.setrange(key, HEADER_BYTES + at, piece)
        lengths = pipe.expire(key, ttl_s).execute()
    return int(lengths[0]) - HEADER_BYTES


def read(client: Client, keys: Keys, run_id: str, attempts: Sequence[int]) -> list[Output]:
    """What is kept of these attempts of a run; nothing of an attempt that wrote nothing."""
    with client.pipeline(transaction=False) as pipe:
        for attempt in attempts:
            pipe.execute_command("GET", keys.output(run_id, attempt), NEVER_DECODE=True)
        answers = pipe.execute(raise_on_error=False)
    for answer in answers:
        if isinstance(answer, Exception) and not (isinstance(answer, ResponseError) and "WRONGTYPE" in str(answer)):
            raise answer
    outputs = (unfold(run_id, attempt, text) for attempt, text in zip(attempts, answers, strict=True))
    return [output for output in outputs if output]


def unfold(run_id: str, attempt: int, stored: object) -> Output | None:
    """The output from its string in Redis; None for anything else that stands in its place."""
    header = IN_HEADER.match(stored) if isinstance(stored, bytes) else None
    if header is None:
        return None
    written, head, size = map(int, header.groups())
    body = stored[HEADER_BYTES:]  # type: ignore[index]
    if size <= head:
        return None
    if written <= size:
        return Output(run_id, attempt, body[: min(head, written)], body[head:written])
    turn = head + (written - head) % (size - head)
    return Output(run_id, attempt, body[:head], body[turn:size] + body[head:turn], written - size)
