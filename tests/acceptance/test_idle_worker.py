"""A worker with nothing to do asks Redis little."""

from __future__ import annotations

from pathlib import Path

from bench.idle import SIDES, commands
from scheduler.up.redis_server import find_server

MAX_COMMANDS_A_SECOND = 3.5


def test_an_idle_worker_asks_redis_three_times_a_second() -> None:
    """Counted within scripts too; a busy machine makes them fewer."""
    asked = commands(SIDES[2], find_server(Path()), seconds=10, warm_up=4)
    assert sum(asked.values()) <= MAX_COMMANDS_A_SECOND, asked
    assert asked["ping"] <= 1.2, asked
    assert asked["brpop"] > 0, asked  # it works
