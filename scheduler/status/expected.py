"""The words for a schedule that fails and is expected to: it is counted apart and shown in grey."""

from __future__ import annotations

EXPECTED_FAILURE = "expected failure"
