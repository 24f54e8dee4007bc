"""SCHEDULER_BROKER_URL: which broker is another one, what is refused, and what Celery is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from celery import Celery

from scheduler.application.target import refuse_other_broker
from scheduler.celeryapp import configuration, promised
from scheduler.errors import ConfigurationError
from scheduler.settings import Settings

REDIS = "redis://localhost:6379/0"
RABBIT = "amqp://me:secret@rabbit.example.org//"


def settings(broker: str, redis_url: str = REDIS, celery_app: str = "") -> Settings:
    made = Settings(redis_url=redis_url, broker=broker, celery_app=celery_app)
    made.check()
    return made


@pytest.mark.parametrize(
    ("broker", "other"),
    [
        ("", False),
        (REDIS, False),
        ("redis://localhost", False),
        ("redis://localhost:6379/1", True),
        ("redis://elsewhere", True),
        ("unix:///run/redis.sock", True),
        (RABBIT, True),
        ("amqps://rabbit.example.org", True),
    ],
)
def test_only_another_place_than_the_redis_of_the_schedule_has_an_outbox(broker: str, other: bool) -> None:
    assert settings(broker).has_outbox is other


@pytest.mark.parametrize(
    ("broker", "complaint"),
    [
        ("sqs://", "SCHEDULER_BROKER_URL starts with 'sqs': use one of amqp://, amqps://, redis://"),
        ("rabbit.example.org", "SCHEDULER_BROKER_URL starts with nothing"),
        ("me:secret@rabbit.example.org", "SCHEDULER_BROKER_URL starts with 'me'"),
        ("redis://localhost/first", "SCHEDULER_BROKER_URL has an invalid database 'first'"),
    ],
)
def test_what_is_no_broker_is_refused_with_its_variable(broker: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        settings(broker)
    assert complaint in str(refused.value)
    assert "secret" not in str(refused.value)


def test_its_password_comes_from_a_file_and_is_shown_nowhere(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"{RABBIT}\n")
    found = Settings.from_environ({"SCHEDULER_BROKER_URL_FILE": str(tmp_path / "url")})
    assert found.broker == RABBIT
    assert "secret" not in repr(found)


def test_celery_sends_to_rabbitmq_with_confirmations_and_keeps_results_in_redis() -> None:
    found = configuration(settings(RABBIT, "rediss://:x@redis.example.org/2"))
    assert found["broker_url"] == RABBIT
    assert found["broker_transport_options"] == {"confirm_publish": True}
    assert found["broker_use_ssl"] is False
    assert found["result_backend"].startswith("rediss://")
    assert found["redis_backend_use_ssl"]


def test_a_tls_connection_to_rabbitmq_checks_the_name_of_the_host() -> None:
    assert configuration(settings("amqps://rabbit.example.org"))["broker_use_ssl"] == {"server_hostname": None}


def test_queues_of_our_own_application_know_priorities_and_those_of_another_are_left_as_they_are() -> None:
    assert configuration(settings(RABBIT))["task_queue_max_priority"] == 9
    assert "task_queue_max_priority" not in configuration(settings(RABBIT, celery_app="project:app"))


def test_celery_sends_to_the_other_redis_and_keeps_results_in_the_first() -> None:
    found = configuration(settings("redis://elsewhere/3"))
    assert found["broker_url"] == "redis://elsewhere:6379/3"
    assert found["broker_transport_options"]["visibility_timeout"] == 3600
    assert found["result_backend"] == "redis://localhost:6379/0"


@pytest.mark.parametrize(("seconds", "is_kept"), [(59, False), (60, True), (7200, True)])
def test_a_visibility_timeout_of_a_minute_or_more_is_the_users(seconds: int, is_kept: bool) -> None:
    ours = configuration(settings(""))
    theirs = ours | {"broker_transport_options": {"visibility_timeout": seconds}}
    assert (promised(theirs) == promised(ours)) == is_kept


@pytest.mark.parametrize(("theirs", "ours"), [(RABBIT, RABBIT), ("redis://elsewhere:6379/0", "redis://elsewhere")])
def test_an_application_with_the_same_broker_is_taken(theirs: str, ours: str) -> None:
    refuse_other_broker(Celery("theirs", broker=theirs), settings(ours))


@pytest.mark.parametrize(("theirs", "ours"), [(RABBIT, ""), (REDIS, RABBIT), (RABBIT, "redis://elsewhere")])
def test_an_application_with_another_broker_is_refused_with_the_remedy(theirs: str, ours: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        refuse_other_broker(Celery("theirs", broker=theirs), settings(ours, celery_app="theirs:app"))
    assert "SCHEDULER_BROKER_URL" in str(refused.value)
    assert "secret" not in str(refused.value)
