"""Entries that differ only in their arguments share one composition, and code that sees arguments is asked for each."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery, Task
from celery.utils.saferepr import saferepr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from scheduler.sending import message
from scheduler.sending.message import CannotCompose
from scheduler.sending.shapes import Shapes, shown
from scheduler.storage import entries
from scheduler.storage.entries import Job
from scheduler.storage.instants import from_seconds
from tests.support.schedules import declared, entry_of

RUN, NOW = "job@2026-03-02T12:01:00Z", from_seconds(1_795_000_000.25)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


OTHER_SHAPES: tuple[dict[str, Any], ...] = (
    {"queue": "slow"},
    {"retries": 2},
    {"retries": 2, "retry_delay": "5s"},
    {"keep_result": "2h"},
    {"task": "tests.two", "args": [1, 2]},
)


@pytest.fixture(autouse=True)
def tasks(celery: Celery) -> None:
    @celery.task(name="tests.echo", shared=False)
    def echo(*args: Any, **kwargs: Any) -> None:
        """Take whatever it is given."""

    @celery.task(name="tests.two", shared=False)
    def two(first: int, second: int) -> None:
        """Take two arguments."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The arguments with which Celery was asked to make a message."""
    heard: list[Any] = []
    original = Celery.send_task

    def send_task(app: Celery, name: str, args: Any, *others: Any, **options: Any) -> Any:
        heard.append(args)
        return original(app, name, args, *others, **options)

    monkeypatch.setattr(Celery, "send_task", send_task)
    return heard


def make(*args: Any, **fields: Any) -> Job:
    return entries.job(entry_of(declared(**{"task": "tests.echo", "args": list(args)} | fields)))


def text(shapes: Shapes, job: Job) -> str:
    made = shapes.template(job, expiring=False)
    assert made is not None
    body = json.loads(made.render(RUN, None, NOW).payload)
    del body["properties"]["delivery_tag"]
    return json.dumps(body)


def test_celery_is_asked_once_for_entries_that_differ_only_in_their_arguments(celery: Celery, asked: list[Any]) -> None:
    shapes = Shapes(celery)
    for number in range(5):
        text(shapes, make(number))
    assert asked == [[0]]
    for fields in OTHER_SHAPES:
        text(shapes, make(7, **fields))
    assert len(asked) == 1 + len(OTHER_SHAPES)
    shapes.forget()
    text(shapes, make(8))
    assert len(asked) == 2 + len(OTHER_SHAPES)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(JSON, max_size=3), st.dictionaries(st.text(), JSON, max_size=3))
def test_any_arguments_make_the_message_that_celery_makes(
    celery: Celery, args: list[Any], kwargs: dict[str, Any]
) -> None:
    shapes, job = Shapes(celery), make(*args, kwargs=kwargs)
    text(shapes, make("another", kwargs={"b": 1}))
    alone = message.template(celery, job, expiring=False)
    assert alone is not None
    expected = json.loads(alone.render(RUN, None, NOW).payload)
    del expected["properties"]["delivery_tag"]
    assert text(shapes, job) == json.dumps(expected)


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text("ab c'\\\n\u00ad…", max_size=6)


@given(
    st.lists(PLAIN, max_size=4) | st.dictionaries(st.text("ab'\\", max_size=3), PLAIN, max_size=3),
    st.integers(1, 40),
    st.integers(0, 2),
)
def test_arguments_are_shown_as_celery_shows_them(arguments: Any, size: int, levels: int) -> None:
    assert shown(arguments, size, levels) == saferepr(arguments, size, maxlevels=levels)


@pytest.mark.parametrize(
    "wrong",
    [{"task": "tests.two", "args": [1]}, {"kwargs": {"a": {"__type__": "uuid", "__value__": "none"}}}],
    ids=["arguments that the task does not take", "a value that a worker cannot read"],
)
def test_arguments_that_no_worker_takes_are_refused_in_the_same_words(celery: Celery, wrong: dict[str, Any]) -> None:
    shapes = Shapes(celery)
    text(shapes, make(**(wrong | {"args": [1, 2], "kwargs": {}})))
    with pytest.raises(CannotCompose) as alone:
        message.template(celery, make(**wrong), expiring=False)
    with pytest.raises(CannotCompose) as shared:
        shapes.template(make(**wrong), expiring=False)
    assert str(alone.value) == str(shared.value)


def route_by_argument(celery: Celery) -> None:
    @celery.task(name="tests.own", shared=False)
    def own(number: int) -> None:
        """Take a number."""

    celery.conf.task_routes = [lambda name, args, kwargs, options, task=None, **_: {"queue": f"q{args[0]['number']}"}]


def name_by_argument(celery: Celery) -> None:
    class Named(Task):
        def shadow_name(self, args: Any, kwargs: Any, options: Any) -> str:
            return f"number {args[0]['number']}"

    celery.register_task(type("Mine", (Named,), {"name": "tests.own", "run": lambda self, number: None})())


def dump_models(celery: Celery) -> None:
    class Number(BaseModel):
        number: int

    @celery.task(name="tests.own", shared=False, pydantic=True)
    def echo(number: Number) -> None:
        """Take a model."""


@pytest.mark.parametrize("change", [route_by_argument, name_by_argument, dump_models])
def test_code_of_the_application_that_sees_arguments_is_asked_for_each(
    celery: Celery, asked: list[Any], change: Callable[[Celery], None]
) -> None:
    change(celery)
    shapes = Shapes(celery)
    for number in range(3):
        text(shapes, make({"number": number}, task="tests.own"))
    assert len(asked) == 3
