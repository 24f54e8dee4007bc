"""Every error says in one line what is wrong and what to do, and has an exit code."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import scheduler
from scheduler.errors import Exit, SchedulerError

#: Importing these starts something.
AT_THE_TOP = ("scheduler.__main__", "scheduler.celeryapp", "scheduler.web", "scheduler.admin.serving")


def every(kind: type[SchedulerError]) -> Iterator[type[SchedulerError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from every(below)


def classes() -> list[type[SchedulerError]]:
    for module in pkgutil.walk_packages(scheduler.__path__, "scheduler."):
        if module.name not in AT_THE_TOP:
            importlib.import_module(module.name)
    return [kind for kind in dict.fromkeys(every(SchedulerError)) if kind.__init__ is SchedulerError.__init__]


@pytest.mark.parametrize("kind", classes(), ids=lambda kind: kind.__name__)
def test_the_default_message_is_a_sentence_that_says_what_to_do(kind: type[SchedulerError]) -> None:
    message = str(kind())
    assert message.endswith(".")
    assert "\n" not in message
    assert ":" in message or ";" in message
    assert kind.exit_code in set(Exit)


def test_a_message_of_its_own_replaces_the_default() -> None:
    assert str(SchedulerError("this is wrong: do that")) == "this is wrong: do that"


def test_exit_codes_are_those_of_sysexits_where_it_has_a_word() -> None:
    import os

    assert (Exit.USAGE, Exit.NO_INPUT, Exit.UNAVAILABLE) == (os.EX_USAGE, os.EX_NOINPUT, os.EX_UNAVAILABLE)
    assert (Exit.CANT_CREATE, Exit.TEMPORARY, Exit.CONFIG) == (os.EX_CANTCREAT, os.EX_TEMPFAIL, os.EX_CONFIG)
