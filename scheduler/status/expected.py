"""The words for what fails and is expected to: no person is needed, so it is counted apart and shown in grey."""

from __future__ import annotations

EXPECTED_FAILURE = "expected failure"


def failing_in_words(failing: int, expected: int) -> str:
    """``1 failing, 2 expected failures``: of 3 schedules that are ``failing``, 2 are expected to."""
    unexpected = failing - expected
    parts = [f"{unexpected} failing"] if unexpected or not expected else []
    if expected:
        parts.append(f"{expected} {EXPECTED_FAILURE}{'' if expected == 1 else 's'}")
    return ", ".join(parts)
