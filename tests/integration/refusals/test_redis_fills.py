"""A Redis that fills is a problem long before it is full."""

from __future__ import annotations

import re

import pytest
import redis

from scheduler.errors import Exit
from scheduler.settings import Settings
from scheduler.status.problems.facts import Facts
from scheduler.status.problems.memory import look
from scheduler.storage.keys import Keys
from scheduler.storage.store import Store
from tests.support.redis_server import RedisServer
from tests.support.shell import Shell


def fill(client: redis.Redis, share: float) -> None:
    """Let this share of Redis's memory be in use; its own use changes by some KB from one moment to the next."""
    client.setrange("theirs", 40_000_000, "x")
    client.config_set("maxmemory", int(client.info("memory")["used_memory"] / share))


@pytest.mark.parametrize(("share", "is_told"), [(0.7, False), (0.9, True)])
def test_status_and_doctor_say_that_redis_fills_before_it_refuses(
    share: float, is_told: bool, own_redis: RedisServer, shell: Shell
) -> None:
    with own_redis.client() as client:
        fill(client, share)
    told = r"problem +Redis at unix://\S+ has used (89|90|91)% of its maxmemory \(.* of .* MB\), and nothing runs once "
    for command in ("status", "doctor"):
        said = shell(command)
        assert said.code == Exit.PROBLEMS, "no beat leads here"
        assert bool(re.search(told, said.out)) is is_told, said.out


def test_a_redis_without_a_limit_is_compared_with_the_memory_of_its_machine(own_redis: RedisServer) -> None:
    memory = {"used_memory": 900, "mem_not_counted_for_evict": 50, "maxmemory": 0, "total_system_memory": 1000}
    facts = Facts(Store(own_redis.client(), Keys()), Settings())
    facts.refusal = None

    def told(**changed: int) -> list[str]:
        facts.info = memory | changed
        return [problem.sentence for problem in look(facts)]

    assert "has used 85% of its machine's memory" in told()[0]
    assert not told(total_system_memory=2000)
    assert not told(total_system_memory=0)
