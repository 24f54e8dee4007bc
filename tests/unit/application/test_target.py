"""The application that SCHEDULER_CELERY_APP names: what may be named, and what is refused with one line."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from celery import Celery
from celery.app import app_or_default

from scheduler import celeryapp
from scheduler.application.target import celery_target, misnamed_settings
from scheduler.errors import ConfigurationError
from scheduler.settings import Settings

Module = Callable[[str], str]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Module]:
    """Makes the module `theirs` of a text."""
    monkeypatch.syspath_prepend(tmp_path)
    before = app_or_default()

    def made(text: str) -> str:
        (tmp_path / "theirs.py").write_text("from celery import Celery\n" + textwrap.dedent(text))
        return str(tmp_path / "theirs.py")

    yield made
    sys.modules.pop("theirs", None)
    before.set_current()  # each Celery() of a test has made itself the current one


NAMED = {
    "an application": ("app = Celery('found')", "theirs:app"),
    "its factory": ("def make():\n    return Celery('found')", "theirs:make"),
    "a Flask application": (
        "from flask import Flask\nweb = Flask('x')\nweb.extensions['celery'] = Celery('found')",
        "theirs:web",
    ),
    "the factory of one": (
        "from flask import Flask\ndef make():\n    web = Flask('x')\n    web.extensions['celery'] = Celery('found')\n"
        "    return web",
        "theirs:make",
    ),
}


@pytest.mark.parametrize(("text", "target"), NAMED.values(), ids=NAMED.keys())
def test_an_application_may_be_named_in_four_ways(module: Module, text: str, target: str) -> None:
    module(text)
    assert celery_target(target).main == "found"


MIXED = "{'CELERY_RESULT_BACKEND': 'rpc://', 'CELERY_TIMEZONE': 'UTC', 'CELERY_TASK_SERIALIZER': 'json', 'imports': ()}"
REFUSED = {
    "a number": ("app = 5", "theirs:app is no Celery application: name one, a Flask application"),
    "a Flask application without": ("from flask import Flask\napp = Flask('x')", "is no Celery application"),
    "a factory that fails": (
        "def app():\n    raise KeyError('DATABASE')",
        "makes no application: KeyError: 'DATABASE' at {}:3 — fix it",
    ),
    "old and new names": (
        f"app = Celery('x')\napp.config_from_object({MIXED})",
        "its settings have old and new names, which Celery does not mix: rename imports to CELERY_IMPORTS",
    ),
    "no module of settings": (
        "app = Celery('x')\napp.config_from_object('no_such_settings')",
        "its settings cannot be read: ModuleNotFoundError: No module named 'no_such_settings'",
    ),
}


@pytest.mark.parametrize(("text", "line"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_unfit_is_refused_with_one_line(module: Module, text: str, line: str) -> None:
    path = module(text)
    with pytest.raises(ConfigurationError) as refused:
        celery_target("theirs:app")
    assert line.format(path) in str(refused.value)
    assert "\n" not in str(refused.value)


OLD = "BROKER_URL='redis://h', CELERYBEAT_SCHEDULE={'a': {'task': 't', 'schedule': 5}}, CELERY_TIMEZONE='Europe/Berlin'"


@pytest.mark.parametrize("how", ["config_from_object", "conf.update"])
def test_settings_with_the_names_of_celery_3_and_4_mean_what_they_meant(module: Module, how: str) -> None:
    module(f"app = Celery('x')\napp.{how}(dict({OLD}))")
    app = celeryapp.build(Settings(redis_url="redis://h", celery_app="theirs:app"))
    assert (app.scheduler_zone, list(app.conf.beat_schedule), app.scheduler_differences) == ("Europe/Berlin", ["a"], ())


def test_a_setting_that_celery_reads_under_another_name_is_named_with_that_name() -> None:
    django, plain, update = Celery("a"), Celery("b"), Celery("c")
    django.config_from_object(
        {"CELERYBEAT_SCHEDULE": {"a": 1}, "CELERY_TIMEZONE": "UTC", "DEBUG": 1}, namespace="CELERY"
    )
    plain.config_from_object({"CELERY_BROKER_URL": "redis://h", "CELERY_ENABLE_UTC": False, "CELERY_TIMEZONE": "UTC"})
    update.conf.update(CELERY_BEAT_SCHEDULE={"a": 1}, CELERY_RESULT_BACKEND="rpc://", SECRET_KEY="x")
    assert [app.conf.enable_utc for app in (django, plain, update)] == [True] * 3  # which reads the settings
    hint = ", or give config_from_object namespace='CELERY'"
    assert list(misnamed_settings(django)) == []
    assert list(misnamed_settings(plain)) == [
        f"Celery does not read the application's setting CELERY_BROKER_URL: rename it to broker_url{hint}"
    ]
    assert list(misnamed_settings(update)) == [
        f"Celery does not read the application's setting CELERY_BEAT_SCHEDULE: rename it to beat_schedule{hint}"
    ]


def test_a_trial_uses_its_own_redis_and_says_so(
    module: Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://theirs")
    module("app = Celery('x', broker='redis://theirs', backend='redis://theirs')")
    trial = Settings(redis_url=f"unix://{tmp_path}/run/redis.sock", state_dir=tmp_path, celery_app="theirs:app")
    app = celeryapp.build(trial)
    assert app.conf.broker_url == app.conf.result_backend == trial.place.broker_url
    assert [line.partition(":")[0] for line in app.scheduler_differences] == [
        "The application's broker_url is not used",
        "The application's result_backend is not used",
    ]


def test_a_signal_handler_that_fails_is_named_with_its_place(module: Module) -> None:
    path = module(
        "app = Celery('x')\n@app.on_after_configure.connect\ndef declare(sender, **_):\n    sender.nothing()\n"
    )
    app = celeryapp.build(Settings(redis_url="unix:///nowhere", celery_app="theirs:app"))
    (line,) = app.scheduler_failed_handlers
    assert line.startswith("A handler of a signal failed, so what it declares is missing: AttributeError: ")
    assert line.endswith(f" at {path}:5")


def test_a_module_of_tasks_that_cannot_be_imported_ends_the_process_with_one_line(
    module: Module, capsys: pytest.CaptureFixture[str]
) -> None:
    module("app = Celery('x', include=['no_such_tasks'])")
    app = celeryapp.build(Settings(redis_url="unix:///nowhere", celery_app="theirs:app"))
    with pytest.raises(SystemExit):
        app.loader.import_default_modules()
    assert capsys.readouterr().err.startswith(
        "scheduler: SCHEDULER_CELERY_APP=theirs:app: a module of its tasks cannot be imported: ModuleNotFoundError: "
        "No module named 'no_such_tasks' — fix it"
    )
