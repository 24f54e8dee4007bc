"""`task:`, `command:` and `shell:`: exactly one of them, and what is wrong with each by line and column."""

from __future__ import annotations

from typing import Any

import pytest

from scheduler import schedule_file
from scheduler.references import Filled, added, digest
from scheduler.schedule_file.write_back import splice
from scheduler.storage import entries
from scheduler.validate import Reserved, validate, validate_fields
from tests.support.schedules import entry_of

ALL = """\
schedules:
  dump:
    command: [pg_dump, -Fc, "my app "]
    every: 1d
    environment: {PGPASSWORD: "${DB_PASSWORD}"}
    directory: /srv/shop
    success_codes: [0, 1]
    stdin: "yes\\n"
  zip:
    shell: |
      for part in a b; do echo "${part}: $(date +%F) $${x} ${y:-z}"; done
    cron: "@daily"
"""


def told(*lines: str) -> list[str]:
    text = "schedules:\n  x:\n    every: 5m\n" + "".join(f"    {line}\n" for line in lines)
    return [str(problem) for problem in validate(schedule_file.parse(text, "s.yaml"), tasks=None).problems]


def test_a_program_and_a_shell_line_are_kept_as_written() -> None:
    validated = validate(schedule_file.parse(ALL, "s.yaml"), tasks={})
    assert validated.problems == ()
    assert validated.declared["dump"].fields() == {
        "command": ["pg_dump", "-Fc", "my app "],
        "every": "1d",
        "environment": {"PGPASSWORD": "${DB_PASSWORD}"},
        "directory": "/srv/shop",
        "success_codes": [0, 1],
        "stdin": "yes\n",
    }
    line = 'for part in a b; do echo "${part}: $(date +%F) $${x} ${y:-z}"; done\n'
    assert validated.declared["zip"].fields() == {"shell": line, "cron": "@daily"}


def test_they_are_sent_as_the_builtin_task_and_a_dollar_in_a_shell_line_stays_the_shell_s() -> None:
    declared = validate(schedule_file.parse(ALL, "s.yaml"), tasks={}).declared
    dump, line = (entries.job(entry_of(declared[name])) for name in ("dump", "zip"))
    assert dump.task == line.task == "scheduler.tasks.run_command"
    assert dump.kwargs == {
        "argv": ["pg_dump", "-Fc", "my app "],
        "timeout": None,
        "environment": {"PGPASSWORD": "${DB_PASSWORD}"},
        "directory": "/srv/shop",
        "success_codes": [0, 1],
        "stdin": "yes\n",
    }
    assert Filled().fill(line.kwargs) == {"argv": ["/bin/sh", "-c", declared["zip"].schedule.shell], "timeout": None}
    assert dump.references == digest(dump.task, dump.args, dump.kwargs) != ""


@pytest.mark.parametrize("line", ["${", "$${a}", "$$$${a}${b}", "a $$ ${c:-$d} {", "${file:/etc/x}"])
def test_any_shell_line_arrives_as_it_was_written(line: str) -> None:
    declared, problems = validate_fields("x", {"shell": line, "every": "1m"}, tasks=None)
    assert declared is not None
    assert problems == ()
    assert Filled().fill(declared.schedule.call.kwargs)["argv"] == ["/bin/sh", "-c", line]


def test_a_request_is_kept_as_written_and_sent_as_the_builtin_task() -> None:
    request = {"url": "https://example.org/${ID}", "json": {"a": [1, None]}, "expect": 204, "timeout": "1m"}
    declared, problems = validate_fields("x", {"http": request, "every": "1m"}, tasks={})
    assert declared is not None
    assert problems == ()
    assert declared.fields()["http"] == request | {"expect": "204"}
    call = declared.schedule.call
    assert call.task == "scheduler.tasks.http_request"
    assert call.kwargs == request | {"expect": "204", "timeout": 60.0}
    assert digest(*call) != ""
    assert added(declared.fields(), {}) == [("http", "url")]


def test_the_shell_in_the_environment_reads_the_line() -> None:
    fields = {"shell": "a", "every": "1m", "environment": {"SHELL": "/bin/bash"}}
    declared, _ = validate_fields("x", fields, tasks=None)
    assert declared is not None
    assert declared.schedule.call.kwargs["argv"] == ["/bin/bash", "-c", "a"]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["task: a", "shell: b"], "5:5: schedule 'x': task and shell are both given — write exactly one of task, "),
        (["command: [a]", "shell: b"], "5:5: schedule 'x': command and shell are both given — "),
        (["shell: a", "args: [1]"], "5:5: schedule 'x': args belongs to task — write the arguments into shell"),
        (["command: pg_dump app"], "4:14: schedule 'x': command must be a list, not 'pg_dump app' — write command: [p"),
        (["command: a > b"], "4:14: schedule 'x': command must be a list, not 'a > b' — write shell: \"a > b\""),
        (["command: []"], "4:14: schedule 'x': command is empty — write at least 1"),
        (["command: [a, 8080]"], "4:18: schedule 'x': command[1] must be text, not 8080 — quote it"),
        (["command: ['']"], "4:15: schedule 'x': command begins with an empty text — write the program first"),
        (["command: [a, 'x ${b']"], "4:18: schedule 'x': '${b' is not a valid reference — write ${NAME}"),
        (["shell: [a, b]"], "4:12: schedule 'x': shell must be text, not a list — write command: for a list"),
        (["shell: ' '"], "4:12: schedule 'x': shell is empty — write a line for the shell"),
        (["shell:"], "4:11: schedule 'x': shell is empty — write a value, or delete the line"),
        (['shell: "a\\0"'], "4:12: schedule 'x': it contains a NUL character, which no program can get — delete it"),
        (["shell: a", "directory: b"], "5:16: schedule 'x': directory must be an absolute path, not 'b' — begin it wi"),
        (["shell: a", "environment: {PORT: 80}"], "5:25: schedule 'x': environment.PORT must be text, not 80 — quote"),
        (["shell: a", "environment: {A-B: c}"], "5:19: schedule 'x': 'A-B' cannot be the name of an environment var"),
        (["shell: a", "environment: {A: '${'}"], "5:22: schedule 'x': '${' is not a valid reference"),
        (["shell: a", "success_codes: 1"], "5:20: schedule 'x': success_codes must be a list, not 1"),
        (["shell: a", "success_codes: [0, 256]"], "5:24: schedule 'x': success_codes[1] is 256, which is too large — "),
        (["shell: a", "success_codes: []"], "5:20: schedule 'x': success_codes is empty — write at least 1"),
        (["shell: a", "success_codes: [one]"], "5:21: schedule 'x': success_codes[0] must be a whole number, not"),
        (
            ["shell: a", f"success_codes: {'x' * 70_000}"],
            f"5:20: schedule 'x': success_codes must be a list, not '{'x' * 199}…' —",
        ),
        (
            ["http: {url: example.org}"],
            "4:17: schedule 'x': url 'example.org' is not an address — write one such as htt",
        ),
        (["http: {url: 'ftp://a.b'}"], "4:17: schedule 'x': url 'ftp://a.b' is not an address — write one such as"),
        (["http: {url: 'http://a.b:x'}"], "4:17: schedule 'x': url is not an address: Port could not be cast to int"),
        (
            ["http: {url: 'http://u:p@a.b'}"],
            "4:17: schedule 'x': url holds a user name — write headers: {Authorization:",
        ),
        (
            ["http: {url: 'http://127.0.0.1/x'}"],
            "4:17: schedule 'x': '127.0.0.1' is not a public address — write allow",
        ),
        (
            ["http: {url: 'http://[fe80::1]/'}"],
            "4:17: schedule 'x': 'fe80::1' is not a public address — write allow_pr",
        ),
        (["http: {url: 'https://a.b', method: get}"], "4:40: schedule 'x': http.method cannot be 'get' — write 'GET'"),
        (
            ["http: {url: 'https://a.b', method: }"],
            "4:40: schedule 'x': http.method is empty — write a value, or delete",
        ),
        (["http: {url: 'https://a.b', expect: 2xx}"], "4:40: schedule 'x': http.expect: cannot be '2xx' — write statu"),
        (["http: {url: 'https://a.b', headers: {A b: c}}"], "4:42: schedule 'x': 'A b' cannot be the name of a header"),
        (
            ["http: {url: 'https://a.b', timeout: 0s}"],
            "4:41: schedule 'x': http.timeout leaves the request no time — wri",
        ),
        (["http: {url: 'https://a.b', timeout: 10}"], "4:41: schedule 'x': http.timeout: 10 has no unit — write a dur"),
        (["http: {url: 'https://a.b', json: {a: ['${']}}"], "4:43: schedule 'x': '${' is not a valid reference — writ"),
        (["http: {url: 'https://a.b', body: x}"], "4:32: schedule 'x': unknown key 'body' — delete it"),
        (["http: {method: GET}"], "4:5: schedule 'x': http.url is missing — add"),
        (["http: {url: 'https://a.b'}", "stdin: a"], "5:5: schedule 'x': stdin belongs to command and shell — del"),
        (["shell: a", "stdin: 1"], "5:12: schedule 'x': stdin must be text, not 1 — quote it"),
    ],
)
def test_what_is_wrong_has_its_place_and_its_remedy(lines: list[str], problem: str) -> None:
    (found,) = told(*lines)
    assert found.startswith(f"s.yaml:{problem}")


def test_what_belongs_to_programs_is_refused_for_a_task() -> None:
    text = "schedules: {x: {task: a, every: 5m, directory: /srv}}"
    problems = validate(schedule_file.parse(text, "s.yaml"), tasks=None).problems
    assert [f"{problem.what} — {problem.remedy}" for problem in problems] == [
        "directory belongs to command and shell — delete it"
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"command": ["/bin/sh"]},
        {"http": {"url": "https://example.org/"}},
        {"shell": "id"},
        {"task": "t", "environment": {"A": "b"}},
        {"shell": "id", "stdin": ""},
    ],
)
def test_only_the_file_can_declare_a_program(fields: dict[str, Any]) -> None:
    declared, problems = validate_fields("x", {**fields, "every": "1h"}, tasks=None, reserved=Reserved(()))
    assert declared is None
    assert "only the schedule file may" in str(problems[-1]) or "belongs to command" in str(problems[-1])


@pytest.mark.parametrize(
    "change", [{"shell": "rm -rf /"}, {"environment": {"A": "c"}}, {"stdin": "x"}, {"directory": "/"}]
)
def test_the_page_can_change_nothing_that_a_program_gets(change: dict[str, Any]) -> None:
    kept = {"shell": "id", "every": "1h", "environment": {"A": "b"}, "directory": "/srv"}
    reserved = Reserved((), (kept,))
    assert validate_fields("x", kept | {"every": "2h"}, tasks=None, reserved=reserved)[1] == ()
    declared, problems = validate_fields("x", kept | change, tasks=None, reserved=reserved)
    assert declared is None
    assert "only the schedule file may set" in str(problems[0])


def test_a_reference_does_not_follow_to_another_program() -> None:
    base = {"command": ["a"], "environment": {"P": "${SECRET}"}}
    assert added(base, base) == []
    assert added({**base, "command": ["b"]}, base) == [("environment", "P")]
    assert added({**base, "stdin": "${OTHER}"}, base) == [("stdin",)]
    assert added({"shell": "echo ${SECRET}"}, {}) == []


def test_write_back_gives_back_what_was_written() -> None:
    zip_ = {"shell": "a | b", "cron": "@daily", "overlap": "allow"}
    text = "schedules:\n  zip:\n    shell: a | b  # ours\n    cron: '@daily'\n"
    assert splice(text, {"zip": zip_}).text == text + "    overlap: allow\n"


@pytest.mark.parametrize("notifying", [{"alerts": {"off": "down until May"}}, {"ping": "https://hc.example.com/1"}])
def test_the_page_cannot_change_what_is_read_from_the_file(notifying: dict[str, Any]) -> None:
    fields: dict[str, Any] = {"task": "reports.build", "every": "5m"}
    key = next(iter(notifying))
    said = f"{key} is read from the schedule file alone"

    def refused(wanted: dict[str, Any], *kept: dict[str, Any]) -> list[str]:
        _, problems = validate_fields("x", wanted, tasks=None, reserved=Reserved((), kept))
        return [problem.what for problem in problems]

    assert refused(fields | notifying) == refused(fields | notifying, fields) == [said], "set"
    assert refused(fields, fields | notifying) == [said], "taken away"
    assert refused(fields | notifying | {"every": "9m"}, fields | notifying) == [], "kept"
