"""Build the Debian package: ``python3 systemd/deb/build.py [DIRECTORY]`` prints the path of what it made.

In it lie this package, its units, and the wheels for each Python that Debian and Ubuntu have had since 3.11; its
maintainer scripts call ``python3 -m scheduler install``, so there is one way of installing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT))

from scheduler import __version__  # noqa: E402 - it is not installed
from scheduler.checkout.index import PIP_WHEEL, fetch_pip  # noqa: E402
from scheduler.command_name import INSTALLED_COMMAND  # noqa: E402
from scheduler.installation.layout import DOCUMENTS, Layout  # noqa: E402
from scheduler.installation.release import LOCK  # noqa: E402

PYTHONS = ("3.11", "3.12", "3.13", "3.14")  #: Debian 12, Ubuntu 24.04, Debian 13, Ubuntu 26.04
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
SHARE = Path("usr/share/celery-scheduler")
SOURCES = ("scheduler", "systemd", "docs")
LATER = " ; python_full_version < '3.11.3'"  #: pip would ask this of the Python that runs it


def wheels(target: Path, architecture: str, lock_file: str = LOCK, pythons: Sequence[str] = PYTHONS) -> Path:
    """Every package of the lock file, for each Python, and pip to install them with."""
    target.mkdir(parents=True)
    (target / PIP_WHEEL).write_bytes(fetch_pip())
    platforms = [f"--platform=manylinux{name}_{MACHINES[architecture]}" for name in ("_2_28", "_2_17", "2014")]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as lock:
        lock.write((ROOT / lock_file).read_text(encoding="utf-8").replace(LATER, ""))
        lock.flush()
        options = ["--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes", "-r", lock.name]
        command = [sys.executable, str(target / PIP_WHEEL / "pip"), "download", "--dest", str(target), *options]
        asked = [[*command, f"--python-version={python}", "--implementation=cp", *platforms] for python in pythons]
        begun = [subprocess.Popen(one, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for one in asked]
        for process in begun:
            said, _ = process.communicate()
            if process.returncode:
                raise SystemExit(f"the wheels cannot be had: {said[-2000:]}")
    return target


def stage(target: Path, found: Path) -> None:
    """Lay every file where the package puts it."""
    share = target / SHARE
    share.mkdir(parents=True)
    for name in SOURCES:
        shutil.copytree(ROOT / name, share / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("schedules.yaml", *DOCUMENTS):
        (share / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, share / name)
    shutil.copytree(found, share / "wheels")
    layout = Layout(ROOT, Path("/usr"))
    for path, source in layout.files.items():
        if path.is_relative_to(layout.prefix):
            place = target / path.relative_to("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, place)
            place.chmod(0o755 if path == layout.command else 0o644)
    documents = target / "usr/share/doc" / INSTALLED_COMMAND
    documents.mkdir(parents=True)
    shutil.copyfile(ROOT / "LICENSE", documents / "copyright")


def control(target: Path, architecture: str) -> None:
    """What dpkg reads."""
    directory = target / "DEBIAN"
    directory.mkdir()
    for script in ("preinst", "postinst", "prerm", "postrm", "triggers"):
        shutil.copyfile(HERE / script, directory / script)
        (directory / script).chmod(0o644 if script == "triggers" else 0o755)
    text = (HERE / "control").read_text(encoding="utf-8")
    major, minor = PYTHONS[-1].split(".")
    facts = {
        "VERSION": __version__,
        "ARCHITECTURE": architecture,
        "OLDEST": PYTHONS[0],
        "NEXT": f"{major}.{int(minor) + 1}",
    }
    for name, value in facts.items():
        text = text.replace(f"@{name}@", value)
    (directory / "control").write_text(text, encoding="utf-8")


def build(directory: Path, architecture: str, found: Path | None = None) -> Path:
    """The package's path; ``found`` are wheels that ``wheels`` fetched before."""
    path = directory / f"{INSTALLED_COMMAND}_{__version__}_{architecture}.deb"
    with tempfile.TemporaryDirectory() as temporary:
        target = Path(temporary, "package")
        target.mkdir(mode=0o755)
        stage(target, found or wheels(Path(temporary, "wheels"), architecture))
        control(target, architecture)
        subprocess.run(["chmod", "-R", "u=rwX,go=rX", target], check=True)
        # Quickly: nearly all of it are wheels, which are compressed already.
        command = ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", str(target), str(path)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, nargs="?", default=Path("."))
    ours = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
    parser.add_argument("--architecture", choices=MACHINES, default=ours)
    chosen = parser.parse_args()
    os.umask(0o022)
    print(build(chosen.directory, chosen.architecture))


if __name__ == "__main__":
    main()
