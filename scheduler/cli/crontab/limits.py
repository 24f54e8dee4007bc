"""What a job would meet in the hardening of the worker of its account, with the lines that allow it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from scheduler.cli.crontab.shell_words import QUOTES, base, simple_commands
from scheduler.model.accounts import unit_of

READ_ONLY = re.compile(r"/(?:etc|usr|boot|efi)(?:/.*)?")
REDIRECTION = re.compile(r"[0-9&]*>{1,2}\|?(?P<target>/.*)?")
DEVICE = re.compile(r"(?:if=|of=)?/dev/(?!null|zero|urandom|random|std|fd|shm|tty\b)\w")
WRITERS = frozenset({"cp", "install", "ln", "mkdir", "mv", "rm", "rmdir", "rsync", "sed", "tee", "touch", "truncate"})
BECOME = frozenset({"doas", "pkexec", "runuser", "setpriv", "su", "sudo"})
SETUID = frozenset({
    "at", "batch", "chfn", "chsh", "crontab", "exim", "exim4", "fusermount", "mail", "mailx", "msmtp", "mutt", "newgrp",
    "passwd", "ping", "ping6", "sendmail", "traceroute", "wall",
})  # fmt: skip
SOCKETS = frozenset({"arp", "bridge", "conntrack", "ip", "iptables", "iw", "nft", "nmap", "ss", "tc", "tcpdump", "wg"})
DEVICES = frozenset({"blkid", "dd", "eject", "fstrim", "hdparm", "lsblk", "mt", "sensors", "smartctl", "udevadm"})
NAMESPACES = frozenset({"bwrap", "chromium", "flatpak", "nsenter", "podman", "unshare"})
AS_ANOTHER = "the lines for setuid programs in docs/operations.md"  #: too many for a comment
RULES = (
    (BECOME, "to become another user", AS_ANOTHER),
    (SETUID, "a setuid or setgid program", AS_ANOTHER),
    (SOCKETS, "sockets of the kernel or raw ones", "RestrictAddressFamilies=AF_NETLINK AF_PACKET"),
    (DEVICES, "devices", "PrivateDevices=no, DevicePolicy=auto"),
    (NAMESPACES, "namespaces", "RestrictNamespaces=no"),
)


def limits(user: str, command: str) -> Iterator[str]:
    """Sentences about a job of this account; none for root, from whom nothing is taken away."""
    if user == "root":
        return
    needs = dict(needed(command))
    for why, lines in needs.items():
        yield f"it may need {why}: systemctl edit {unit_of(user)}, and below [Service] {lines}"


def needed(command: str) -> Iterator[tuple[str, str]]:
    """What the simple commands of a line seem to need, and the settings of systemd that allow it."""
    for simple in simple_commands(command):
        words = [QUOTES.sub("", word) for word in simple.words]
        programs = {base(word) for word in words}
        for names, why, lines in RULES:
            if meets := sorted(names & programs):
                yield f"{why} ({', '.join(meets)})", lines
        for path in written(words):
            yield f"to write {path}", f"ReadWritePaths={path.rpartition('/')[0] or path}"
        if any(DEVICE.match(word) for word in words):
            yield "devices", "PrivateDevices=no, DevicePolicy=auto"


def written(words: Sequence[str]) -> Iterator[str]:
    """The paths that seem to be written where the file system is read-only for it."""
    targets = []
    for index, word in enumerate(words):
        match = REDIRECTION.fullmatch(word)
        if match:
            targets.append(match["target"] or (words[index + 1] if index + 1 < len(words) else ""))
    if words and base(words[0]) in WRITERS:
        targets += words[-1:] if base(words[0]) in ("cp", "mv", "install", "ln", "rsync") else words[1:]
    yield from (path for path in targets if READ_ONLY.fullmatch(path))
