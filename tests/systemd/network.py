"""A switch between hosts, in a network namespace of its own: frames vanish where it is told to, as on a broken one."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

SWITCH = "ip link add sw0 type bridge && ip link add sw1 type bridge && ip link set sw0 up && ip link set sw1 up"


def hold(command: Sequence[str], environ: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start what lasts until ``let_go``, or until this process is gone; returns when it has said its first line."""
    held = subprocess.Popen(
        command,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert held.stdout is not None
    said = held.stdout.readline()
    assert said == b"kept\n", said + held.stdout.read()
    return held


def let_go(held: subprocess.Popen[bytes]) -> None:
    """End it, and wait until it has cleared away what it kept."""
    held.communicate(timeout=60)


def namespace(script: str = "true") -> subprocess.Popen[bytes]:
    """A network namespace that this script set up, as long as it is held."""
    return hold(["unshare", "--net", "sh", "-c", f"{script} && echo kept && read -r end"])


class Network:
    """Hosts with ``eth0`` and an address, on one switch. What is cut keeps its carrier: only nothing arrives."""

    def __init__(self) -> None:
        self.switch = namespace(SWITCH)
        self.plugged: dict[str, subprocess.Popen[bytes]] = {}
        self.numbers: dict[str, int] = {}

    def number(self, name: str) -> int:
        return self.numbers.setdefault(name, len(self.numbers) + 11)

    def address(self, name: str) -> str:
        return f"10.99.0.{self.number(name)}"

    def plug(self, name: str) -> Path:
        """The network namespace of a host that is booted now; that of its former life is gone."""
        self.unplug(name)
        held = self.plugged[name] = namespace()
        self.ip(f"link add name {name} type veth peer name eth0 netns {held.pid}")
        self.ip(f"link set dev {name} master sw0 up")
        ip(held, f"address add {self.address(name)}/24 dev eth0")
        ip(held, f"link set dev eth0 up address 02:00:00:00:00:{self.number(name)}")  # it keeps its card
        return Path(f"/proc/{held.pid}/ns/net")

    def unplug(self, name: str) -> None:
        if name in self.plugged:
            self.ip(f"link delete dev {name}")  # with its namespace it would go too, but nobody knows when
            let_go(self.plugged.pop(name))

    def cut(self, *names: str) -> None:
        """Cut these off from all others, and from each other."""
        for name in self.plugged.keys() & set(names):
            self.ip(f"link set dev {name} nomaster")

    def split(self, *names: str) -> None:
        """Cut these off from all others; they still reach each other."""
        for name in names:
            self.ip(f"link set dev {name} master sw1")

    def heal(self) -> None:
        """All reach each other again."""
        for name in self.plugged:
            self.ip(f"link set dev {name} master sw0")

    def ip(self, arguments: str) -> None:
        ip(self.switch, arguments)

    def end(self) -> None:
        for name in list(self.plugged):
            self.unplug(name)
        let_go(self.switch)


def ip(held: subprocess.Popen[bytes], arguments: str) -> None:
    command = ["nsenter", f"--net=/proc/{held.pid}/ns/net", "ip", *arguments.split()]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, f"ip {arguments}: {done.stdout}"
