"""What all tests share: nothing of the caller's environment, Hypothesis without a clock, and one line about skips."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("steady", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

#: How this machine reaches the network, who runs the tests, and what pytest is told: nothing else of the caller counts.
KEPT = re.compile(
    r"CI|HOME|USER|LOGNAME|TERM|TMPDIR|XDG_CACHE_HOME|SCREENSHOT|CHAOS_SEED|REDIS_RESTARTS|PYTEST_.*|PIP_.*|UV_.*|SSL_.*|.*_CA_BUNDLE"
    r"|(https?|no|all)_proxy",
    re.IGNORECASE,
)
PLACES = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
INSTALL = "apt-get install "

for name in [name for name in os.environ if not KEPT.fullmatch(name)]:
    del os.environ[name]
# Here and not in a fixture, because modules read it while they are imported.
os.environ |= {"PATH": os.pathsep.join(PLACES), "LANG": "C.UTF-8"}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slow ones: one that comes last would run alone, beside idle cores."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for all skips: what to install or to do, and for how many tests."""
    skipped = terminalreporter.stats.get("skipped", [])
    if not skipped:
        return
    reasons = [str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped]
    remedies = sorted({remedy for reason in reasons for remedy in reason.split("; ")})
    packages = {word for remedy in remedies if remedy.startswith(INSTALL) for word in remedy.split()[2:]}
    to_do = [f"{INSTALL}{' '.join(sorted(packages))}"] if packages else []
    to_do += [remedy for remedy in remedies if not remedy.startswith(INSTALL)]
    tests = "1 test" if len(skipped) == 1 else f"{len(skipped)} tests"
    terminalreporter.write_line(f"{tests} skipped. To run all: {'; '.join(to_do)}")
