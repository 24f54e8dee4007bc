"""A Redis that is busy with another client's script."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
import redis

from tests.support.meanwhile import meanwhile
from tests.support.polling import until
from tests.support.redis_server import RedisServer

BEGINS = "a script of another client begins"
FOREVER = f"redis.log(redis.LOG_WARNING, '{BEGINS}') while true do end"


@contextmanager
def meanwhile_busy(server: RedisServer) -> Iterator[Callable[[], object]]:
    """A script of another client runs, and Redis says so, until the function that is given is called."""

    def run() -> None:
        with server.client() as client, pytest.raises(redis.ResponseError, match="killed"):
            client.eval(FOREVER, 0)

    with server.client() as client:
        client.config_set("lua-time-limit", 100)  # our own scripts take less
    begun = server.log.count(BEGINS)
    with meanwhile(run), server.client() as client:

        def is_busy() -> bool:
            try:
                client.ping()
            except redis.ResponseError as error:
                return "busy" in str(error)
            return False

        until(lambda: server.log.count(BEGINS) > begun and is_busy(), 20, "Redis is busy with that script")
        try:
            yield client.script_kill
        except BaseException:
            with suppress(redis.ResponseError):
                client.script_kill()
            raise
