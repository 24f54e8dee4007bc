"""What beat sends, Celery's worker can read: of any options that an entry may have."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from celery import Celery
from celery.worker.request import Request
from kombu.connection import Connection

from scheduler import celeryapp, timing
from scheduler.model import Policies
from scheduler.registry import signatures
from scheduler.sending import message
from scheduler.sending.message import CannotCompose
from scheduler.settings import Settings
from scheduler.storage.entries import Job
from tests.support import oddities

RUN = "job@2026-11-28T18:00:00Z"
LOG_IT = "scheduler.tasks.log_it"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Celery:
    file = tmp_path_factory.mktemp("app") / "schedules.yaml"
    made = celeryapp.build(Settings(redis_url="redis://localhost:1", file=file))
    signatures(made)
    return made


def job(options: dict[str, Any]) -> Job:
    every = timing.build("every", "1h")
    return Job("job", LOG_IT, (1, 2), {}, options, every, Policies())


def refusal(app: Celery, options: dict[str, Any]) -> str:
    try:
        message.refuse_unsendable(app, job(options), RUN, None)
    except CannotCompose as error:
        return str(error)
    return ""


def request(app: Celery, options: dict[str, Any]) -> Request:
    """Celery's own request, as a worker builds it of the message of these options."""
    raw = message.draft(app, job(options), RUN, None)
    opened: Any = Connection("memory://")  # type: ignore[no-untyped-call]
    with opened as connection:
        channel = connection.channel()
        channel._inplace_augment_message(raw, "", "celery")
        return Request(channel.message_to_python(raw), app=app, task=app.tasks[LOG_IT])


@pytest.mark.parametrize("seed", range(4))
def test_of_all_options_that_beat_sends_a_worker_builds_a_request(app: Celery, seed: int) -> None:
    random = Random(seed)
    sent = 0
    for _ in range(250):
        options = oddities.options(random)
        if refusal(app, options):
            continue
        sent += 1
        built = request(app, options)
        hard, soft = built.time_limits
        assert 0 <= (hard or 0) + (soft or 0) < 1e10, options
        assert not built.eta or built.eta.timestamp(), options
        assert not built.revoked() or built.expires < datetime.now(UTC), options
        assert built._context.get("retries", 0) is None or built._context.retries >= 0, options
        assert dict.fromkeys([built.id, built.name, built.root_id, built.group]), options
    assert 30 < sent < 200  # neither everything nor nothing


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"time_limit": "x"}, "headers.timelimit.0: "),
        ({"time_limit": [1]}, "headers.timelimit.0: "),
        ({"soft_time_limit": True}, "headers.timelimit.1: "),
        ({"link": 5}, "body.2.callbacks.0: must be a signature"),
        ({"link_error": {"task": "x", "subtask_type": "nonsense"}}, "body.2.errbacks.0: must be a signature"),
        ({"headers": {"timelimit": "x"}}, "headers.timelimit: "),
        ({"headers": {"stamps": 5}}, "headers.stamps: "),
        ({"headers": {"get": 5}}, "headers.get: Celery uses this name itself"),
        ({"headers": {"id": "another"}}, "its options set the header 'id'"),
        ({"serializer": "pickle"}, "body: Refusing to deserialize"),
        ({"retries": "x"}, "headers.retries: "),
        ({"eta": "soon"}, "headers.eta: "),
    ],
)
def test_a_refusal_names_the_part(app: Celery, options: dict[str, Any], part: str) -> None:
    assert part in refusal(app, options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"time_limit": 10, "soft_time_limit": 2.5},
        {"countdown": 60},
        {"link": {"task": "x", "args": [], "kwargs": {}, "options": {}, "subtask_type": None, "immutable": False}},
        {"headers": {"sentry-trace": "1", "anything": [1]}, "priority": 3, "compression": "gzip"},
        {"stamped_headers": ["team"], "team": ["a"]},
    ],
)
def test_what_celery_can_read_is_sent(app: Celery, options: dict[str, Any]) -> None:
    assert refusal(app, options) == ""
