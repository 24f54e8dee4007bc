"""A Lua script runs whether Redis knows it or not, also when it was forgotten a moment ago."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from scheduler.model import run_id
from scheduler.storage import lua
from scheduler.storage.client import Client
from scheduler.storage.ledger import Ledger
from scheduler.storage.scripts import script
from tests.support.redis_server import RedisServer
from tests.support.schedules import NOON, SECOND


@pytest.fixture
def forgetful(redis_server: RedisServer) -> Iterator[None]:
    """A Redis that forgets every script all the time, as one does that is started anew."""
    over = threading.Event()

    def forget() -> None:
        with redis_server.client() as client:
            while not over.is_set():
                client.script_flush()

    thread = threading.Thread(target=forget)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.mark.usefixtures("forgetful")
def test_a_script_that_is_forgotten_between_any_two_commands_runs(ledger: Ledger) -> None:
    identities = [run_id("job", NOON + number * SECOND) for number in range(300)]
    assert [ledger.close(identity, "succeeded") for identity in identities] == [False] * len(identities)


def test_a_script_is_sent_once(ledger: Ledger, client: Client) -> None:
    client.script_flush()
    client.config_resetstat()
    for number in range(10):
        ledger.close(run_id("job", NOON + number * SECOND), "succeeded")
    calls = client.info("commandstats")
    assert calls["cmdstat_eval"]["calls"] == 1
    assert calls["cmdstat_evalsha"]["calls"] == 10


def test_a_script_is_of_the_release_that_the_process_started_with(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cached in (lua.texts, lua.lua_text, lua.script_text):
        cached.cache_clear()
    script(client, "claim")
    monkeypatch.setattr(lua, "files", lambda _: pytest.fail("the files may be of a newer release by now"))
    assert "HSET" in script(client, "commit").text, "of a role that this process takes later"
