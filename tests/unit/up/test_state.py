from __future__ import annotations

import stat
from pathlib import Path

import pytest
from werkzeug.security import check_password_hash

from scheduler.errors import AlreadyRunning, CannotWrite, ConfigurationError
from scheduler.up.state import MAX_SOCKET_PATH_BYTES, StateDirectory


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    state = StateDirectory(tmp_path / "state")
    state.prepare()
    return state


def test_only_the_owner_may_look_in_even_if_others_could_before(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o777)
    state = StateDirectory(tmp_path / "state")
    state.prepare()
    assert {stat.S_IMODE(path.stat().st_mode) for path in (state.path, state.run, state.redis_data)} == {0o700}


def test_a_file_in_the_way_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(
        CannotWrite, match=r"cannot write the state directory .*/state: File exists; make it a directory"
    ):
        StateDirectory(tmp_path / "state").prepare()


def test_a_secret_that_cannot_be_written_is_an_error_with_the_remedy_as_on_a_full_disk(state: StateDirectory) -> None:
    (state.path / "secret-key.new").mkdir()
    with pytest.raises(CannotWrite, match=r"cannot write the state directory .*/state: Is a directory; make it"):
        state.make_secret_key()


def try_lock(state: StateDirectory) -> None:
    with StateDirectory(state.path).locked():
        pass


def test_the_second_holder_of_the_lock_is_told_where_the_first_one_serves(state: StateDirectory) -> None:
    with state.locked():
        state.note_url("http://127.0.0.1:8003/")
        with pytest.raises(AlreadyRunning, match=r"in this directory at http://127\.0\.0\.1:8003/: use it"):
            try_lock(state)
    try_lock(state)


def test_the_url_of_the_last_time_is_not_told_by_one_that_only_starts(state: StateDirectory) -> None:
    with state.locked():
        state.note_url("http://127.0.0.1:8003/")
    with state.locked(), pytest.raises(AlreadyRunning, match="already runs in this directory: use it"):
        try_lock(state)


def test_how_to_get_the_password_is_told_while_the_service_runs(
    state: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert state.page() == ""
    with state.locked():
        password = state.make_password()
        state.note_url("http://127.0.0.1:8003/")
        assert state.page() == f"http://127.0.0.1:8003/, password: cat {state.path}/run/admin-password"
        with pytest.raises(AlreadyRunning, match=r"8003/: use it \(password: cat /.*/admin-password\)"):
            try_lock(state)
        monkeypatch.chdir(state.path)
        assert state.password_hint() == "password: cat run/admin-password"
        assert state.password.read_text().strip() == password
        assert stat.S_IMODE(state.password.stat().st_mode) == 0o600
        state.clear_run()
        assert state.page() == "http://127.0.0.1:8003/"
    assert state.page() == ""


def test_the_password_is_new_each_time_and_only_its_hash_is_kept(state: StateDirectory) -> None:
    first, second = state.make_password(), state.make_password()
    kept = state.password_hash.read_text().strip()
    assert first != second
    assert kept.startswith("scrypt:")
    assert check_password_hash(kept, second)
    assert not check_password_hash(kept, first)
    assert stat.S_IMODE(state.password_hash.stat().st_mode) == 0o600


def test_the_secret_key_outlives_a_restart_unless_it_was_emptied(state: StateDirectory) -> None:
    state.make_secret_key()
    key = state.secret_key.read_text()
    state.make_secret_key()
    assert state.secret_key.read_text() == key
    assert len(key.strip()) == 64
    assert stat.S_IMODE(state.secret_key.stat().st_mode) == 0o600
    state.secret_key.write_text("")
    state.make_secret_key()
    assert state.secret_key.read_text() not in ("", key)


@pytest.mark.parametrize(("spare", "fits"), [(0, True), (1, False)])
def test_a_socket_path_may_have_107_bytes_and_not_one_more(tmp_path: Path, spare: int, fits: bool) -> None:
    rest = MAX_SOCKET_PATH_BYTES - len(f"{tmp_path}//run/redis.sock") + spare
    state = StateDirectory(tmp_path / ("x" * rest))
    if fits:
        assert state.socket_url() == f"unix://{state.redis_socket}"
        return
    with pytest.raises(ConfigurationError, match="has 108 bytes, but at most 107 are allowed: set SCHEDULER_STATE_DIR"):
        state.socket_url()
