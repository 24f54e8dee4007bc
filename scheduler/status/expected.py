"""The word for what fails and is expected to: no person is needed, so it is counted apart and shown in grey."""

from __future__ import annotations

EXPECTED_FAILURE = "expected failure"
