"""No beat leads: each one that runs says so itself, once, and says so again when one leads."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.support.polling import until
from tests.support.receivers import Web, serving
from tests.support.redis_server import redis_server
from tests.support.refusals import fill, mend
from tests.support.service import service, short_leases

FILE = """
alerts: {sinks: {chat: {webhook: {url: "URL"}}}}
schedules: {job: {task: scheduler.tasks.log_it, args: [1, 2], every: 1h}}
"""


def said(chat: Web) -> list[dict[str, Any]]:
    bodies = [json.loads(body) for _, _, body in list(chat.taken)]
    return [body for body in bodies if body["reason"].startswith("No beat sends anything")]


def test_every_beat_tells_once_that_none_can_lead_and_that_one_leads_again(tmp_path: Path) -> None:
    with serving(Web()) as chat, redis_server(durable=True) as redis:
        settings = short_leases(redis.url, tmp_path)
        settings.file.write_text(FILE.replace("URL", chat.url))
        with service(settings) as running:
            running.start("beat").says("Loaded ")
            running.start("beat2").says("Standing by: ")
            fill(redis)
            until(lambda: len(said(chat)) == 2, 60, "both beats tell")
            assert all("memory is full" in body["reason"] for body in said(chat))
            mend(redis)
            until(lambda: len(said(chat)) == 4, 60, "both beats tell that one leads")
            assert Counter(body["event"] for body in said(chat)) == {"problem": 2, "recovered": 2}
            assert all(" (from " in body["reason"] for body in said(chat) if body["event"] == "recovered")
            assert len({body["id"] for body in said(chat)}) == 4
