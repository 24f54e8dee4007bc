"""What is kept of an output: its head and its tail, and the number of bytes between them."""

from __future__ import annotations

import random

import pytest

from scheduler.storage.output import HEADER, HEADER_BYTES, Bounded, Output, unfold


def kept_by(pieces: list[bytes], size: int) -> Output:
    """The output as a reader finds it, when each piece was sent by itself."""
    bounded, stored, sent = Bounded(size), bytearray(), 0
    for piece in pieces:
        bounded.add(piece)
        header = HEADER.format(written=bounded.written, head=bounded.head, size=bounded.size).encode()
        for at, part in [(0, header), *((HEADER_BYTES + at, part) for at, part in bounded.since(sent))]:
            stored += bytes(max(at + len(part) - len(stored), 0))
            stored[at : at + len(part)] = part
        sent = bounded.written
    output = unfold("job@x", 1, bytes(stored))
    assert output is not None
    return output


@pytest.mark.parametrize("seed", range(20))
def test_head_and_tail_are_what_was_written_however_it_was_cut_into_pieces(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(50):
        size = chance.randint(1, 40)
        written = chance.randbytes(chance.choice((1, size - 1, size, size + 1, chance.randint(1, 200))) or 1)
        cuts = sorted(chance.randint(0, len(written)) for _ in range(chance.randint(0, 9)))
        pieces = [written[a:b] for a, b in zip([0, *cuts], [*cuts, len(written)], strict=True)]
        output, head = kept_by(pieces, size), size // 2
        assert output.written == len(written)
        assert output.left_out == max(len(written) - size, 0)
        assert output.head == written[:head]
        assert output.tail == written[head:][-(size - head) :]


@pytest.mark.parametrize("size", [1, 5, 8])
def test_a_reader_that_comes_back_gets_what_is_new(size: int) -> None:
    written = b"0123456789abcdef"
    for end in range(1, len(written) + 1):
        output = kept_by([written[:end]], size)
        for position in range(end + 1):
            head, left_out, tail = output.since(position)
            assert len(head) + left_out + len(tail) == end - position
            assert written[position:].startswith(head)
            assert written[:end].endswith(tail)


@pytest.mark.parametrize("stored", [None, b"", b"of another program", b"0000000000000009 00000009 00000009\nabc"])
def test_what_another_program_wrote_there_is_no_output(stored: bytes | None) -> None:
    assert unfold("job@x", 1, stored) is None
