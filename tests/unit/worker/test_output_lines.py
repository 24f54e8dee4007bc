"""What bodies print, as lines of the log."""

from __future__ import annotations

from scheduler.worker.output_lines import MAX_LINES_AT_END, MAX_LINES_PER_STEP, Lines


def test_whole_lines_are_logged_and_the_last_one_at_the_end() -> None:
    lines = Lines(1000)
    lines.add(b"one\n\ntwo\x1b[2J\nthr")
    assert lines.take(everything=False) == ["one", "two\\x1b[2J"]
    lines.add(b"ee")
    assert lines.take(everything=False) == []
    assert lines.take(everything=True) == ["three"]
    assert lines.take(everything=True) == []


def test_a_burst_is_logged_in_several_steps() -> None:
    lines = Lines(10_000)
    lines.add(b"line\n" * (MAX_LINES_PER_STEP + 1))
    assert len(lines.take(everything=False)) == MAX_LINES_PER_STEP
    assert lines.take(everything=False) == ["line"]


def test_a_flood_is_cut_and_says_so() -> None:
    lines = Lines(10)
    lines.add(b"one\ntwo\nthree\nfour\n")
    lines.add(b"five\n")
    assert lines.take(everything=False) == ["one", "two", "th", "… 14 bytes left out …"]
    lines.add(b"six\n")
    assert lines.take(everything=False) == ["six"]


def test_a_line_without_an_end_is_logged_when_there_is_no_more_room() -> None:
    lines = Lines(10)
    lines.add(b"0123456789")
    assert lines.take(everything=False) == ["0123456789"]
    lines.add(b"0123456789")
    lines.add(b"0")
    assert lines.take(everything=False) == ["0123456789", "… 1 bytes left out …"]


def test_the_end_of_a_body_logs_only_so_many_lines_and_says_how_much_was_left_out() -> None:
    lines = Lines(100_000)
    lines.add(b"line\n" * (MAX_LINES_AT_END + 10))
    *texts, last = lines.take(everything=True)
    assert texts == ["line"] * MAX_LINES_AT_END
    assert last == f"… {10 * len('line ') + 1} bytes left out …"
