"""``install`` and ``uninstall``: the service on a machine with systemd. Standard library only.

Every step first checks whether it is needed, so that a second call does nothing.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from scheduler.command_name import command_name
from scheduler.errors import Exit
from scheduler.installation import removal, setup, units
from scheduler.installation.layout import UNITS, Layout, Refused


def main(arguments: Sequence[str]) -> int:
    """``install …`` or ``uninstall …``; returns the exit code."""
    chosen = parser().parse_args(arguments)
    source = Path(__file__).resolve().parent.parent.parent
    os.umask(0o022)  # whatever root's is: the service reads what is installed
    try:
        layout = Layout(source, chosen.prefix)
        if os.geteuid() and not chosen.dry_run:
            raise Refused(f"only root may do this: run sudo {command_name()} {chosen.command}", Exit.NO_PERMISSION)
        refuse_others(layout)
        if chosen.command == "uninstall":
            return removal.uninstall(layout, chosen.dry_run, chosen.purge)
        return setup.Installation(layout, chosen.wheels, chosen.timeout).run(chosen.dry_run)
    except Refused as error:
        return complain(str(error), error.code)
    except OSError as error:
        return complain(f"{error.filename}: {error.strerror}", Exit.CANT_CREATE)
    except subprocess.CalledProcessError as error:
        return complain(f"{error.cmd[0]} ended with {error.returncode}", Exit.CANT_CREATE)


class Parser(argparse.ArgumentParser):
    """Exits with the code that the other commands use for a wrong command line."""

    def error(self, message: str) -> NoReturn:
        self.exit(Exit.USAGE, f"scheduler: {message}; --help lists the options\n")


def parser() -> Parser:
    top = Parser(prog=command_name(), description="Install the service on a machine with systemd, or remove it.")
    commands = top.add_subparsers(dest="command", required=True)
    install = commands.add_parser("install", description="Install or upgrade the service on this machine, as root.")
    install.add_argument(
        "--wheels", metavar="DIR", type=Path, help="directory with every package, for a machine without a package index"
    )
    install.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=float,
        default=units.START_TIMEOUT_S,
        help="time for each service to do its work; an upgrade that takes longer is taken back (default: %(default)g)",
    )
    remove = commands.add_parser(
        "uninstall", description="Remove the service, as root; /etc/celery-scheduler, state, logs and the user stay."
    )
    remove.add_argument("--purge", action="store_true", help="also remove configuration, state, logs and the user")
    for command in (install, remove):
        command.add_argument("--dry-run", action="store_true", help="print the steps without taking them")
        command.add_argument("--prefix", type=Path, default=Path("/usr/local"), help=argparse.SUPPRESS)
    return top


def complain(message: str, code: Exit) -> int:
    """Print the error in one line on stderr; returns the code."""
    sys.stderr.write(f"scheduler: {message}\n")
    return code


def refuse_others(layout: Layout) -> None:
    """One way of installing at a time: the units of two would shadow each other."""
    other = Layout(layout.source, Path("/usr" if layout.prefix == Path("/usr/local") else "/usr/local"))
    if (other.units / UNITS[0]).exists():
        is_package = other.prefix == Path("/usr")
        remedy = "use apt to upgrade it" if is_package else "run `sudo celery-scheduler uninstall` first"
        raise Refused(f"the service is installed under {other.prefix} already: {remedy}", Exit.TEMPORARY)
