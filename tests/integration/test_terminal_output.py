"""What a terminal shows: other people's text never moves its cursor, breaks a line or changes its direction."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from scheduler import celeryapp, changes
from scheduler.model import run_id
from scheduler.settings import Settings
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.store import Store
from tests.support.schedules import NOON
from tests.support.shell import Shell, add

NASTY = "a\x1b[2J\x9b31m\r\n\x07\u202eb\u2028c\ud800"
ACTED_ON = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\ud800-\udfff]")


def plant(store: Store, client: Client, keys: Keys) -> None:
    """NASTY text wherever people or programs can put some."""
    add(store)
    changes.pause(store, "job", by=NASTY, note=NASTY)
    entry = client.hgetall(keys.entry("job"))
    definition = json.loads(entry["definition"]) | {"task": NASTY, "description": NASTY}
    wanted = NASTY.replace("\ud800", "")
    foreign = f"bad{wanted}"
    client.hset(keys.entry(foreign), mapping={"definition": json.dumps(definition)})
    client.zadd(keys.schedule, {keys.entry(foreign): 4e9})
    record = {"due": "1772452800", "outcome": "failed", "result": NASTY, "detail": NASTY}
    run = run_id("job", NOON)
    client.hset(keys.ledger("job"), mapping={run: json.dumps(record), ":last": run})
    client.hset(keys.leader, mapping={"name": wanted, "since": "5"})
    client.hset(keys.file, mapping={"path": wanted, "problems": wanted, "state": "rejected"})
    client.zadd(keys.standbys, {wanted: 9e15})


@pytest.mark.parametrize("json_", [False, True])
@pytest.mark.parametrize(
    "command",
    ["list", "status", "audit", "history job", "next job", "next --all --until 2026-12-31", "export", "plan", "undo x"],
)
def test_no_command_prints_an_escape_or_a_line_break_of_other_people(
    shell: Shell, store: Store, client: Client, keys: Keys, command: str, json_: bool
) -> None:
    plant(store, client, keys)
    client.set(keys.lock, "ours")
    shell.settings.file.write_text("schedules: {}\n")
    told = shell(*command.split(), *(["--json"] if json_ and command != "plan" else []))
    assert not ACTED_ON.search(told.out + told.err), told
    assert all(line.strip() not in ("b", "c") for line in (told.out + told.err).splitlines())
    if json_ and told.out and command != "plan":
        json.loads(told.out)


def test_celery_report_hides_the_password_of_every_url(settings: Settings, tmp_path: Path) -> None:
    for url in ("redis://:geheim@127.0.0.1:1/0", "sentinel://:geheim@127.0.0.1:1,[::1]:2/main/0"):
        secret = Settings(redis_url=url, file=tmp_path / "schedules.yaml", state_dir=tmp_path)
        with celeryapp.build(secret) as app:
            assert "geheim" not in app.bugreport()
