"""What a worker writes of a run's output."""

from __future__ import annotations

from scheduler.storage.ledger import Ledger
from scheduler.storage.output import Bounded, write


def printed(ledger: Ledger, run_id: str, data: bytes, attempt: int = 1, size: int = 65_536) -> None:
    """Let this attempt have printed that."""
    bounded = Bounded(size)
    bounded.add(data)
    write(ledger.client, ledger.keys.output(run_id, attempt), bounded, bounded.since(0), len(data), 3600)
