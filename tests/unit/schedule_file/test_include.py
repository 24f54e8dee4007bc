"""Several files: one namespace, every problem at its place in its own file."""

from __future__ import annotations

from pathlib import Path

import pytest

from scheduler import schedule_file
from scheduler.schedule_file import several
from scheduler.validate import Validated, validate

JOB = "{task: some.task, every: 5m}"


class Files:
    """A directory with a main file and others."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.main = directory / "schedules.yaml"

    def write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    def read(self) -> schedule_file.Document:
        return schedule_file.read(self.main)

    def validated(self) -> Validated:
        return validate(self.read(), tasks=None)

    def told(self) -> list[str]:
        """Every problem, with paths from the directory on."""
        return [str(problem).replace(f"{self.directory}/", "") for problem in self.validated().problems]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files(tmp_path)
    made.write("schedules.yaml", f"include: schedules.d/*.yaml\nschedules:\n  main: {JOB}\n")
    made.write("schedules.d/b.yaml", f"schedules:\n  second: {JOB}\n")
    made.write("schedules.d/a.yaml", f"schedules:\n  first: {JOB}\n")
    return made


def test_the_schedules_of_all_files_are_one_sorted_by_file(files: Files) -> None:
    assert list(files.validated().declared) == ["main", "first", "second"]
    document = files.read()
    assert [path.name for path in document.files] == ["a.yaml", "b.yaml"]
    assert document.patterns == ("schedules.d/*.yaml",)


def test_a_list_of_patterns_is_read_in_its_order_and_each_file_once(files: Files) -> None:
    files.write("schedules.yaml", "include: [schedules.d/b.yaml, schedules.d/*.yaml, '*.yaml']\nschedules: {}\n")
    assert [path.name for path in files.read().files] == ["b.yaml", "a.yaml"]
    assert files.validated().ok


def test_defaults_timezone_and_calendars_of_the_main_file_hold_for_included_schedules(files: Files) -> None:
    files.write(
        "schedules.yaml",
        "include: schedules.d/*.yaml\ntimezone: Europe/Berlin\ndefaults: {retries: 3}\n"
        "calendars: {holidays: [2026-12-25]}\n",
    )
    files.write("schedules.d/a.yaml", "schedules: {first: {task: some.task, every: 1d, except: [holidays, ours]}}\n")
    files.write("schedules.d/b.yaml", "calendars: {ours: [2026-12-26]}\n")
    first = files.validated().declared["first"]
    assert (first.schedule.timezone, first.schedule.retries) == ("Europe/Berlin", 3)
    assert first.excluded == ("2026-12-25", "2026-12-26")


def test_a_name_in_two_files_is_refused_with_both_places(files: Files) -> None:
    files.write("schedules.d/b.yaml", f"schedules:\n  main: {JOB}\n  first: {JOB}\n")
    first, second = files.told()
    assert first == (
        f"schedules.d/b.yaml:2:3: schedule 'main': schedule 'main' is declared twice: {files.main}:3:3 and "
        f"{files.directory}/schedules.d/b.yaml:2:3 — delete or rename one of them"
    ).replace(f"{files.directory}/", "")
    assert "schedules.d/a.yaml:2:3 and schedules.d/b.yaml:3:3" in second
    assert not files.validated().ok


def test_a_sink_of_an_included_file_gets_only_what_names_it(files: Files) -> None:
    files.write("schedules.d/a.yaml", f"schedules: {{first: {JOB[:-1]}, alerts: {{to: [theirs]}}}}}}\n")
    files.write("schedules.d/b.yaml", "alerts: {sinks: {theirs: {command: [a]}}}\n")
    for top, to in (("", ()), ("alerts: {sinks: {mine: {command: [b]}}}\n", ("mine",)), ("alerts: {to: []}\n", ())):
        files.write("schedules.yaml", f"include: schedules.d/*.yaml\n{top}schedules: {{}}\n")
        alerts = files.validated().alerts
        assert (files.validated().ok, alerts.to, "theirs" in alerts.sinks) == (True, to, True), top


def test_errors_in_the_sinks_of_an_included_file_name_its_place(files: Files) -> None:
    places = {
        "alerts:\n  sinks:\n    theirs: {email: {to: [a]}}\n": "schedules.d/a.yaml:3:14: alerts.sinks.theirs.email.",
        "alerts:\n  sinks: 3\n": "schedules.d/a.yaml:2:10: sinks must be a mapping",
        "alerts:\n  sinks: {}\n  events: [lost]\n": "schedules.d/a.yaml:1:1: 'alerts' is not allowed in an included",
    }
    for text, place in places.items():
        files.write("schedules.d/a.yaml", text)
        (problem,) = files.told()
        assert problem.startswith(place), problem
    for name in ("a", "b"):
        files.write(f"schedules.d/{name}.yaml", "alerts:\n  sinks:\n    theirs: {command: [a]}\n")
    (problem,) = files.told()
    assert "sink 'theirs' is declared twice: schedules.d/a.yaml:3:5 and schedules.d/b.yaml:3:5" in problem


def test_a_calendar_in_two_files_is_refused_with_both_places(files: Files) -> None:
    for name in ("a", "b"):
        files.write(f"schedules.d/{name}.yaml", "calendars:\n  free: [2026-12-25]\n")
    (problem,) = files.told()
    assert "calendar 'free' is declared twice: schedules.d/a.yaml:2:3 and schedules.d/b.yaml:2:3" in problem


def test_every_problem_names_the_file_that_it_is_in_the_main_file_first(files: Files) -> None:
    files.write("schedules.yaml", "include: schedules.d/*.yaml\nschedules:\n  main: {task: t, every: 5}\n")
    files.write("schedules.d/a.yaml", "schedules:\n  first:\n    task: t\n    corn: x\n    every: 5m\n")
    files.write("schedules.d/b.yaml", "schedules:\n  second:\n    task: t\n    cron: * * * * *\n")
    places = [problem.partition(": ")[0] for problem in files.told()]
    assert places == ["schedules.yaml:3:26", "schedules.d/a.yaml:4:5", "schedules.d/b.yaml:4:11"]


@pytest.mark.parametrize("key", ["timezone: UTC", "defaults: {retries: 1}", "imports: [x]", "include: more/*.yaml"])
def test_an_included_file_holds_schedules_and_calendars_only(files: Files, key: str) -> None:
    files.write("schedules.d/a.yaml", f"schedules: {{}}\n{key}\n")
    (problem,) = files.told()
    name = key.partition(":")[0]
    assert problem.startswith(f"schedules.d/a.yaml:2:1: '{name}' is not allowed in an included file — move it to ")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "schedules.d/a.yaml:1:1: the file is empty"),
        ("schedules:\n", "schedules.d/a.yaml:1:11: schedules is empty"),
        ("schedules: [a]\n", "schedules.d/a.yaml:1:12: schedules must be a mapping"),
        ("schedules: {x", "schedules.d/a.yaml:1:12: a '{' is opened here and not closed"),
    ],
)
def test_an_included_file_that_is_cut_short_is_an_error(files: Files, text: str, what: str) -> None:
    files.write("schedules.d/a.yaml", text)
    (problem,) = files.told()
    assert problem.startswith(what)
    assert not files.validated().ok


def test_an_included_file_that_ends_inside_a_line_is_named(files: Files) -> None:
    assert files.read().unended == ()
    cut = files.write("schedules.d/a.yaml", f"schedules:\n  first: {JOB}")
    assert files.read().unended == (str(cut),)


def test_what_may_stand_in_a_file_that_cannot_be_read_is_not_called_unknown(files: Files) -> None:
    files.write("schedules.d/a.yaml", "schedules: {first: {task: t, every: 1d, except: [free]}}\n")
    files.write("schedules.d/b.yaml", "calendars: {free: [2026-12-25]\n")
    (problem,) = files.told()
    assert problem.startswith("schedules.d/b.yaml:1:12: a '{' is opened here")


def test_a_pattern_that_matches_nothing_is_a_warning_at_its_place(files: Files) -> None:
    files.write("schedules.yaml", "include:\n  - nothing/*.yaml\nschedules: {}\n")
    valid = files.validated()
    assert valid.ok
    (warning,) = files.told()
    assert warning.startswith("schedules.yaml:2:5: warning: include: 'nothing/*.yaml' matches no file — ")


def test_a_file_that_is_named_and_missing_is_an_error_where_it_is_named(files: Files) -> None:
    files.write("schedules.yaml", "include: more.yaml\nschedules: {}\n")
    (problem,) = files.told()
    assert problem.startswith("schedules.yaml:1:10: more.yaml cannot be read: no such file or directory — create it")
    assert not files.validated().ok


@pytest.mark.parametrize("said", ["3", "[3]", "{a: b}", "''", "' '", '"\\0*"', '"\\uD800*"', '"\\uD800"', "[[]]"])
def test_an_include_that_names_no_files_is_told_and_does_not_crash(files: Files, said: str) -> None:
    files.write("schedules.yaml", f"include: {said}\nschedules: {{}}\n")
    assert [problem for problem in files.told() if problem.startswith("schedules.yaml:1:")]


def test_files_that_an_editor_hides_are_not_included(files: Files) -> None:
    files.write("schedules.d/.a.yaml.swp", "x")
    files.write("schedules.d/.#b.yaml", "x")
    files.write("schedules.d/a.yaml~", "x")
    assert files.validated().ok


def test_the_digest_covers_content_and_name_of_every_file(files: Files) -> None:
    digests = {files.read().digest}
    files.write("schedules.d/a.yaml", f"schedules:\n  other: {JOB}\n")
    digests.add(files.read().digest)
    (files.directory / "schedules.d/a.yaml").rename(files.directory / "schedules.d/c.yaml")
    digests.add(files.read().digest)
    (files.directory / "schedules.d/c.yaml").unlink()
    digests.add(files.read().digest)
    assert len(digests) == 4


def test_a_link_to_the_main_file_includes_what_lies_beside_the_link(files: Files) -> None:
    release = files.directory / "release"
    release.mkdir()
    files.main.rename(release / "schedules.yaml")
    files.main.symlink_to(release / "schedules.yaml")
    assert list(files.validated().declared) == ["main", "first", "second"]


def test_the_number_and_size_of_the_files_are_bounded(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(several, "MAX_FILES", 1)
    (problem,) = files.told()
    assert problem.startswith("schedules.yaml:1:10: the included files are more than 1, or larger than 20 MB")
    monkeypatch.setattr(several, "MAX_FILES", 9)
    monkeypatch.setattr(several, "MAX_BYTES_TOGETHER", 10)
    assert "the included files are more than" in files.told()[0]


def test_every_path_of_every_file_has_its_position(files: Files) -> None:
    positions = files.read().positions
    places = {path: str(positions[path]).replace(f"{files.directory}/", "") for path in positions}
    assert places["schedules", "main", "task"] == "schedules.yaml:3:16"
    assert places["schedules", "first", "task"] == "schedules.d/a.yaml:2:17"
    assert str(positions.nearest(("schedules", "second", "cron"))).endswith("b.yaml:2:3")
    assert len(positions) == len(places) == 12
