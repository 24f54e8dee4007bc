"""How a worker stops its pool."""

from __future__ import annotations

from typing import Any

import pytest
from celery.concurrency.prefork import TaskPool

from scheduler.worker.drain import stop_once


class Processes:
    """Those of a pool that the handler of a signal stops while they close."""

    _state = 0

    def __init__(self, pool: Any) -> None:
        self.pool = pool

    def close(self) -> None:
        self.pool._pool = None


def test_a_pool_that_a_signal_stops_as_it_closes_has_stopped() -> None:
    pool: Any = TaskPool(1)
    pool.on_stop = stop_once(pool)
    pool._pool = Processes(pool)
    pool.stop()
    assert pool._pool is None


def test_celery_alone_looks_for_what_is_gone() -> None:
    pool: Any = TaskPool(1)
    pool._pool = Processes(pool)
    with pytest.raises(AttributeError, match="join"):
        pool.stop()
