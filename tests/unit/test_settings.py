"""The environment and systemd's credentials, read once, with complaints that name the variable."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from scheduler.errors import ConfigurationError, Exit
from scheduler.settings import Settings


def read(**environ: str) -> Settings:
    return Settings.from_environ({f"SCHEDULER_{name}": value for name, value in environ.items()})


def complaint(**environ: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(**environ)
    assert caught.value.exit_code == Exit.CONFIG
    return str(caught.value)


def test_an_empty_environment_gives_the_defaults() -> None:
    assert read() == Settings(redis_is_named=False)


def test_a_variable_that_is_set_to_nothing_counts_as_not_set() -> None:
    assert read(REDIS_URL="", FILE="  ", LEASE="", IMPORTS="", TRUSTED_HOSTS=" ") == Settings(redis_is_named=False)


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("REDIS_URL", "rediss://u:p@h:1/2", "redis_url", "rediss://u:p@h:1/2"),
        ("FILE", "/etc/s.yaml", "file", Path("/etc/s.yaml")),
        ("IMPORTS", "a.tasks, b.tasks\nc", "imports", ("a.tasks", "b.tasks", "c")),
        ("CELERY_APP", "project.celery:app", "celery_app", "project.celery:app"),
        ("FLASK_APP", "project:create_app", "flask_app", "project:create_app"),
        ("STATE_DIR", "/var/lib/x", "state_dir", Path("/var/lib/x")),
        ("KEY_PREFIX", "mine:", "key_prefix", "mine:"),
        ("LEASE", "30", "lease", 30.0),
        ("MAX_INTERVAL", "0.5", "max_interval", 0.5),
        ("RUN_LEASE", "5", "run_lease", 5.0),
        ("KEEP_RUNS", "7", "keep_runs", 7),
        ("KEEP_DAYS", "0.5", "keep_days", 0.5),
        ("OUTPUT_BYTES", "0", "output_bytes", 0),
        ("ADMIN_URL", "https://jobs.example.com/cron/", "admin_url", "https://jobs.example.com/cron"),
        ("TRUSTED_HOSTS", "a.example b.example", "trusted_hosts", ("a.example", "b.example")),
    ],
)
def test_each_variable_sets_its_field(name: str, text: str, field: str, value: object) -> None:
    assert getattr(read(**{name: text}), field) == value


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(FrozenInstanceError):
        read().lease = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"LEASE": "soon"}, "SCHEDULER_LEASE='soon' is not a number: use 3 to 300"),
        ({"LEASE": "1"}, "SCHEDULER_LEASE=1 is out of range: use 3 to 300"),
        ({"LEASE": "nan"}, "SCHEDULER_LEASE=nan is out of range: use 3 to 300"),
        ({"KEEP_RUNS": "0"}, "SCHEDULER_KEEP_RUNS=0 is out of range: use 1 to 100000"),
        (
            {"LEASE": "5"},
            "SCHEDULER_LEASE=5 is less than three times SCHEDULER_MAX_INTERVAL=2: "
            "raise the lease or lower the interval",
        ),
        (
            {"ADMIN_URL": "jobs.example.com"},
            "SCHEDULER_ADMIN_URL='jobs.example.com' is not a web address: write it like https://jobs.example.com",
        ),
        (
            {"CELERY_APP": "project.celery"},
            "SCHEDULER_CELERY_APP='project.celery' is not 'module:attribute': write it like project.celery:app",
        ),
        (
            {"REDIS_URL": "amqp://h"},
            "SCHEDULER_REDIS_URL starts with 'amqp': use one of redis://, rediss://, unix://, "
            "redis+socket://, sentinel://, sentinel+tls://",
        ),
        (
            {"REDIS_URL": "localhost"},
            "SCHEDULER_REDIS_URL starts with nothing: use one of redis://, rediss://, unix://, "
            "redis+socket://, sentinel://, sentinel+tls://",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_accepted(environ: dict[str, str], expected: str) -> None:
    assert complaint(**environ) == expected


def test_a_socket_is_spelled_as_each_library_spells_it() -> None:
    for url in ("unix:///run/r.sock?db=1", "redis+socket:///run/r.sock?db=1"):
        settings = read(REDIS_URL=url)
        assert settings.place.broker_url == "redis+socket:///run/r.sock?virtual_host=1"
        assert settings.place.redbeat_url == "unix:///run/r.sock?db=1"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://ann:secret@h:6379/0", "redis://h:6379/0"),
        ("rediss://:secret@h/0", "rediss://h/0"),
        ("redis://:s@cret@h/0", "redis://h/0"),
        ("redis://h/0", "redis://h/0"),
        ("unix://ann:secret@/run/r.sock?db=1", "unix:///run/r.sock?db=1"),
        ("unix:///run/r.sock?password=secret&db=1", "unix:///run/r.sock?db=1"),
        ("redis://h/0?password=secret", "redis://h/0"),
    ],
)
def test_the_shown_url_has_no_password(url: str, shown: str) -> None:
    assert read(REDIS_URL=url).shown_redis_url == shown


def test_secrets_are_not_shown_with_the_settings() -> None:
    settings = read(
        ADMIN_PASSWORD_HASH="secret1", SECRET_KEY="secret2", METRICS_TOKEN="secret4", REDIS_URL="redis://:secret3@h"
    )
    assert "secret" not in repr(settings)


SECRETS = {"REDIS_URL": "redis://:x@h/1", "ADMIN_PASSWORD_HASH": "hash", "SECRET_KEY": "key", "METRICS_TOKEN": "token"}
FIELDS = {name: name.lower() for name in SECRETS}


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_may_stand_in_a_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRETS[name] + "\n")
    assert getattr(read(**{f"{name}_FILE": str(tmp_path / "secret")}), FIELDS[name]) == SECRETS[name]


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_may_be_a_credential_of_systemd(name: str, tmp_path: Path) -> None:
    (tmp_path / name.lower().replace("_", "-")).write_text(SECRETS[name])
    found = Settings.from_environ({"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert getattr(found, FIELDS[name]) == SECRETS[name]


def test_the_variable_comes_before_the_file_and_the_file_before_the_credential(tmp_path: Path) -> None:
    (tmp_path / "secret-key").write_text("credential")
    (tmp_path / "file").write_text("file")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path), "SCHEDULER_SECRET_KEY_FILE": str(tmp_path / "file")}
    assert Settings.from_environ(environ).secret_key == "file"
    assert Settings.from_environ(environ | {"SCHEDULER_SECRET_KEY": "variable"}).secret_key == "variable"


def test_a_secret_file_that_cannot_be_read_is_an_error_and_not_a_default(tmp_path: Path) -> None:
    path = tmp_path / "nothing"
    expected = f"SCHEDULER_SECRET_KEY_FILE={path}: No such file or directory: check its path, owner and mode"
    assert complaint(SECRET_KEY_FILE=str(path)) == expected


def test_a_secret_file_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert complaint(SECRET_KEY_FILE=str(tmp_path / "binary")).startswith("SCHEDULER_SECRET_KEY_FILE=")


@pytest.mark.parametrize("variable", ["SCHEDULER_REDIS_URL", "SCHEDULER_REDIS_URL_FILE"])
def test_a_redis_that_the_operator_names_is_told_from_the_default(tmp_path: Path, variable: str) -> None:
    (tmp_path / "url").write_text("redis://elsewhere/0")
    value = str(tmp_path / "url") if variable.endswith("_FILE") else "redis://elsewhere/0"
    assert Settings.from_environ({variable: value}).redis_is_named
    assert not Settings.from_environ({"SCHEDULER_STATE_DIR": str(tmp_path)}).redis_is_named


def test_a_variable_that_is_no_setting_is_named_with_the_setting_that_it_resembles() -> None:
    settings = read(REDIS_ULR="redis://x/0", KEEP_RUN="5", COLOUR="red", LEASE="6", SECRET_KEY_FILES="/x")
    assert settings.unknown == (
        "SCHEDULER_COLOUR is not a setting and changes nothing: see the list of settings in docs/operations.md",
        "SCHEDULER_KEEP_RUN is not a setting and changes nothing: did you mean SCHEDULER_KEEP_RUNS?",
        "SCHEDULER_REDIS_ULR is not a setting and changes nothing: did you mean SCHEDULER_REDIS_URL?",
        "SCHEDULER_SECRET_KEY_FILES is not a setting and changes nothing: did you mean SCHEDULER_SECRET_KEY_FILE?",
    )
