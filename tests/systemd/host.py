"""A throw-away host: systemd as PID 1 in a container over the image, with a network of its own. Nothing stays."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.polling import until
from tests.systemd.network import Network, hold, let_go

CGROUPS = Path("/sys/fs/cgroup")
#: The disk is in memory, and lasts from boot to boot. Its mounts are in a namespace that ends with this process, which
#: also clears away everything once nobody holds the other end of its pipe: the test ended, or was killed.
KEEP = """
set -e
mount -t tmpfs tmpfs "$HOST/over"
mkdir "$HOST/over/upper" "$HOST/over/work" "$HOST/over/root"
mount -t overlay overlay -o "lowerdir=$LAYERS,upperdir=$HOST/over/upper,workdir=$HOST/over/work" "$HOST/over/root"
echo "$NAME" > "$HOST/over/root/etc/hostname"
echo kept
read -r end || true
set +e
exec > /dev/null 2>&1
for group in $GROUPS; do echo 1 > "$group/cgroup.kill"; done
for try in $(seq 200); do
    find $GROUPS -depth -type d -exec rmdir {} + || sleep 0.05
    ls -d $GROUPS | grep -q . || break
done
umount --lazy --recursive "$HOST/over"
rm -rf "$HOST"
"""
#: Each host is alone in its control group: two in one would kill each other's services.
BOOT = """
set -e
for group in $GROUPS; do echo $$ > "$group/cgroup.procs"; done
exec systemd-nspawn --quiet --directory="$HOST/over/root" --machine="$NAME" --register=no --keep-unit $NETWORK --boot \
    --console=pipe --link-journal=no --resolv-conf=off --timezone=off \
    --capability=CAP_BPF,CAP_PERFMON,CAP_NET_ADMIN --system-call-filter=bpf
"""
REBOOTS = 133  #: nspawn's exit code where the host asked to be booted again


class Host:
    """Booted, looked into, cut off from power, booted again from the same disk, frozen, and gone at the end."""

    def __init__(
        self, directory: Path, layers: Sequence[Path], name: str = "host", network: Network | None = None
    ) -> None:
        self.directory = directory
        self.name = name
        self.network = network
        self.ahead = 0  #: seconds by which the clock of its services is wrong
        self.groups = [group / directory.name for group in groups()]
        self.process: subprocess.Popen[bytes] | None = None
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOST": str(directory),
            "NAME": name,
            "LAYERS": ":".join(map(str, layers)),
            "GROUPS": " ".join(map(str, self.groups)),
            "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
            "SYSTEMD_NSPAWN_LOCK": "0",
        }
        (directory / "over").mkdir()
        self.keeper = hold(["unshare", "--mount", "--propagation=private", "sh", "-c", KEEP], self.environ)

    def boot(self) -> None:
        """Start, and wait until commands can be given; what boots by itself may still be starting."""
        for group in self.groups:
            group.mkdir(exist_ok=True)
        network = f"--network-namespace-path={self.network.plug(self.name)}" if self.network else "--private-network"
        inside = ["nsenter", f"--mount=/proc/{self.keeper.pid}/ns/mnt", "sh", "-c", BOOT]
        with (self.directory / "console").open("ab") as console:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig=KILL", *inside],
                env=self.environ | {"NETWORK": network},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        try:
            until(self.answers, 60, "systemd answers")
        except AssertionError:
            print((self.directory / "console").read_text(errors="replace"))
            raise

    def power_cut(self) -> None:
        """Everything in it is gone at once, and nobody outside is told; its disk is as it was at that moment."""
        if self.network:
            self.network.cut(self.name)
        if self.process is None:
            return
        with suppress(AssertionError, ProcessLookupError, OSError):
            if self.leader is not None:
                os.kill(self.leader, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        self.process.kill()
        self.process.wait()
        self.process = None
        for group in self.groups:
            remove(group)

    def reboot(self) -> None:
        """In order, as an administrator asks for it; back when commands can be given again."""
        assert self.process is not None
        self.run("systemctl", "reboot", check=False)
        assert self.process.wait(120) == REBOOTS, (self.directory / "console").read_text(errors="replace")
        for group in self.groups:
            remove(group)
        self.boot()

    def freeze(self, frozen: bool = True) -> None:
        """Stop every process in it, as where a virtual machine is paused; or let them go on."""
        for group in self.groups:
            if (group / "cgroup.freeze").exists():
                (group / "cgroup.freeze").write_text(str(int(frozen)))
                events, state = group / "cgroup.events", f"frozen {int(frozen)}"
                until(lambda events=events, state=state: state in events.read_text(), 10, state)  # type: ignore[misc]

    @property
    def leader(self) -> int | None:
        """Its PID 1, as the outer machine counts."""
        assert self.process is not None
        assert self.process.poll() is None, (self.directory / "console").read_text(errors="replace")
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0]) if children and is_named(self.process.pid, "systemd-nspawn") else None

    def answers(self) -> bool:
        return self.leader is not None and self.run("systemctl", "show", "--property=Version", check=False) != ""

    def run(self, *command: str, check: bool = True, seconds: float = 90) -> str:
        """What a command of root's prints there; its exit code is judged where ``check`` says so."""
        done = self.attempt(*command, seconds=seconds)
        assert not check or done.returncode == 0, f"{command} ended with {done.returncode}: {done.stdout}"
        return done.stdout.strip() if check or done.returncode == 0 else ""

    def attempt(self, *command: str, seconds: float = 90) -> subprocess.CompletedProcess[str]:
        """The same with its exit code; standard error is part of what it prints."""
        inside = [
            "nsenter",
            f"--target={self.leader}",
            "--all",
            "--wdns=/",
            "env",
            "-i",
            f"PATH={PATH}",
            "LANG=C.UTF-8",
        ]
        return subprocess.run(
            [*inside, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=at_leisure(seconds),
            check=False,
        )

    def shell(self, script: str, check: bool = True) -> str:
        return self.run("sh", "-c", script, check=check)

    def write(self, path: str, text: str) -> None:
        place = Path(f"/proc/{self.leader}/root{path}")
        self.run("mkdir", "-p", str(Path(path).parent))
        place.write_text(text)

    # units

    def show(self, unit: str, name: str) -> str:
        return self.run("systemctl", "show", "--value", f"--property={name}", unit)

    def main_pid(self, unit: str) -> int:
        return int(self.show(unit, "MainPID"))

    def becomes(self, unit: str, name: str, *values: str, seconds: float = 60) -> None:
        """Wait until the unit's property has one of these values."""
        try:
            until(lambda: self.show(unit, name) in values, seconds, f"{unit}: {name} is one of {values}")
        except AssertionError:
            print(self.journal(unit)[-6000:])
            raise

    def status_says(self, unit: str, part: str, seconds: float = 60) -> None:
        try:
            until(lambda: part in self.show(unit, "StatusText"), seconds, f"the status of {unit} has {part!r}")
        except AssertionError:
            print(self.show(unit, "StatusText"), self.journal(unit)[-6000:])
            raise

    def journal(self, unit: str, *options: str) -> str:
        self.run("journalctl", "--sync")
        return self.run("journalctl", "--no-pager", f"--unit={unit}", *options)

    def kill(self, pid: int, how: str) -> None:
        self.run("kill", f"-{how}", str(pid))

    def end(self) -> None:
        try:
            self.power_cut()
        finally:
            let_go(self.keeper)


PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def at_leisure(seconds: float) -> float:
    """So much time on a machine of its own, as this one keeps it, which has other things to do too."""
    return seconds * max(1.5, os.getloadavg()[0] / (os.cpu_count() or 1))


def groups() -> list[Path]:
    """The hierarchies in which a host needs a group of its own."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    return [CGROUPS / name for name in ("unified", "systemd") if (CGROUPS / name).is_dir()]


def remove(group: Path) -> None:
    """With the groups in it, once the last process is gone."""
    deadline = time.monotonic() + 10
    while group.exists() and time.monotonic() < deadline:
        for path, _, _ in os.walk(group, topdown=False):
            with suppress(OSError):
                os.rmdir(path)
        time.sleep(0.05)


def is_named(pid: int, name: str) -> bool:
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode().endswith(name)


@contextmanager
def host(layers: Sequence[Path], name: str = "host", network: Network | None = None) -> Iterator[Host]:
    """A booted host with the service installed and nothing started."""
    directory = Path(tempfile.mkdtemp(prefix=f"{name}-", dir="/tmp"))
    directory.chmod(0o755)
    made = Host(directory, layers, name, network)
    try:
        made.boot()
        yield made
    finally:
        made.end()
