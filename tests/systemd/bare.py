"""A Debian with nothing but ``python3``, and a user there who has cloned the repository. It ends with the test."""

from __future__ import annotations

import functools
import http.server
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scheduler.checkout.environment import TEST_LOCK
from scheduler.checkout.index import PIP_WHEEL
from systemd.deb import build
from tests.acceptance.processes import NOISE
from tests.support import need
from tests.support.polling import until
from tests.systemd.image import MIRROR, OWN_MOUNTS, ROOT, made, output

RELEASES = {"bookworm": "3.11", "trixie": "3.13"}  #: Debian 12 and 13, and their Pythons: the oldest and the newest
NEEDS = ("debootstrap", "setpriv", "unshare")
#: The disk is in memory, and everything ends with the first process: the mounts, and what it started.
ENTER = """
set -e
mount -t tmpfs tmpfs "$DIRECTORY"
mkdir "$DIRECTORY/upper" "$DIRECTORY/work" "$DIRECTORY/root"
mount -t overlay overlay -o "lowerdir=$DEBIAN,upperdir=$DIRECTORY/upper,workdir=$DIRECTORY/work" "$DIRECTORY/root"
cd "$DIRECTORY/root"
mount -t proc proc proc
mount --rbind /dev dev
mkdir -p home/anna wheels
mount --bind -o ro "$WHEELS" wheels
echo 'anna:x:1000:1000::/home/anna:/bin/sh' >> etc/passwd
echo 'anna:x:1000:' >> etc/group
echo '127.0.0.1 localhost' > etc/hosts
cp -r "$CLONE" home/anna/clone
chown -R 1000:1000 home/anna
trap : INT # Ctrl-C is for what runs inside
chroot --userspec=1000:1000 . env -i PATH=/usr/local/bin:/usr/bin:/bin HOME=/home/anna LANG=C.UTF-8 \
    PIP_INDEX_URL="$INDEX" PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels sh -c "trap : INT; cd /home/anna/clone; $TYPED"
exit $? # a shell that became its last command would outlive the test: a new user clears what binds it to its parent
"""


def debian(release: str) -> Path:
    """That release with the least that boots nothing, and Python."""
    options = ("--variant=minbase", "--include=python3", release)
    return made(
        f"bare-{release}", " ".join(options), lambda new: output(*OWN_MOUNTS, "debootstrap", *options, str(new), MIRROR)
    )


def wheels() -> Path:
    """What the tests' lock file names, for both Pythons."""
    architecture = output("dpkg", "--print-architecture").strip()
    key = (ROOT / TEST_LOCK).read_text(encoding="utf-8") + architecture + PIP_WHEEL
    pythons = tuple(RELEASES.values())
    return (
        made("bare-wheels", key, lambda new: build.wheels(new / "wheels", architecture, TEST_LOCK, pythons)) / "wheels"
    )


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """A test's output is for its own words."""


@contextmanager
def index(directory: Path) -> Iterator[str]:
    """The URL of a package index that has pip's wheel: the one thing that is fetched without pip."""
    page = directory / "simple/pip/index.html"
    page.parent.mkdir(parents=True)
    page.write_text(f'<a href="{PIP_WHEEL}">pip</a>')
    shutil.copy(wheels() / PIP_WHEEL, page.parent)
    handler = functools.partial(Handler, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/simple"
        finally:
            server.shutdown()


class Terminal:
    """What a user types there, and what the screen shows."""

    def __init__(self, directory: Path, release: str, typed: str, index: str) -> None:
        self.screen = directory / "screen"
        clone, disk = directory / "clone", directory / "disk"
        shutil.copytree(ROOT, clone, ignore=shutil.ignore_patterns(*NOISE))
        disk.mkdir()
        environ = {"DIRECTORY": disk, "DEBIAN": debian(release), "WHEELS": wheels(), "CLONE": clone}
        command = [
            "setpriv",
            "--pdeathsig=KILL",
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--propagation=private",
            "sh",
            "-c",
            ENTER,
        ]
        with self.screen.open("wb") as screen:
            self.process = subprocess.Popen(
                command,
                env={name: str(path) for name, path in environ.items()}
                | {"PATH": os.environ["PATH"], "TYPED": typed, "INDEX": index},
                stdin=subprocess.DEVNULL,
                stdout=screen,
                stderr=screen,
                start_new_session=True,
            )

    def shows(self, pattern: str, seconds: float) -> str:
        """The first group of what the screen shows, waited for."""

        def found() -> str | None:
            match = re.search(pattern, self.screen.read_text(errors="replace"), re.MULTILINE)
            assert match or self.process.poll() is None, "it ended"
            return match[1] if match else None

        return until(found, seconds, pattern)

    def ctrl_c(self) -> None:
        os.killpg(self.process.pid, signal.SIGINT)


@contextmanager
def terminal(directory: Path, release: str, typed: str) -> Iterator[Terminal]:
    """A session that is killed at the end; its screen is shown if the test fails."""
    need.root_and(*NEEDS)
    with index(directory / "index") as url:
        opened = Terminal(directory, release, typed, url)
        try:
            yield opened
        except BaseException:
            print(opened.screen.read_text(errors="replace")[-20_000:])
            raise
        finally:
            opened.process.kill()  # and with it, all that it started
            opened.process.wait()
