"""What the crash tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.chaos.processes import Launcher, running_launcher
from tests.chaos.service import Service
from tests.chaos.service import service as run_service

HERE = Path(__file__).parent
ServiceWith = Callable[[str], AbstractContextManager[Service]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def launcher() -> Iterator[Launcher]:
    with running_launcher() as started:
        yield started


@pytest.fixture
def service(launcher: Launcher) -> Iterator[Service]:
    """A service whose Redis appends every second, as `up` starts it."""
    with run_service(launcher) as started:
        yield started
