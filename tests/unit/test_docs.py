"""The documents say what the code does: settings, commands, exit codes, keys, functions. Their links work."""

from __future__ import annotations

import importlib
import re
import tomllib
from collections import defaultdict
from pathlib import Path

import click
import grimp
import pytest

from scheduler import schedule_file, settings
from scheduler.cli import EPILOG, cli
from scheduler.errors import Exit
from scheduler.schedule_file import reference
from scheduler.validate import validate
from tests.support.documents import KINDS, PAGES, ROOT, blocks, of_kind

SOURCE = Path(settings.__file__).read_text(encoding="utf-8")
#: What the command line reads on a host without the service.
CLIENT = "".join((ROOT / f"scheduler/cli/{name}.py").read_text(encoding="utf-8") for name in ("__init__", "remote"))
OPERATIONS = PAGES["docs/operations.md"]


def test_readme_is_a_door_and_leads_to_every_page() -> None:
    assert len(PAGES["README.md"].splitlines()) <= 120
    for page in PAGES:
        assert page == "README.md" or f"]({page})" in PAGES["README.md"], page


def test_the_page_is_shown_at_both_widths_in_small_pictures() -> None:
    shown = [ROOT / "docs" / path for path in re.findall(r"\]\((page/[^)]+\.png)\)", PAGES["docs/page.md"])]
    assert sorted(shown) == sorted((ROOT / "docs/page").glob("*.png"))
    assert len(shown) == 16
    assert max(picture.stat().st_size for picture in shown) < 60_000


def test_every_setting_has_a_row_and_every_row_is_a_setting() -> None:
    read = set(re.findall(r'"(SCHEDULER_[A-Z_]+)"', SOURCE))
    rows = set(re.findall(r"^\| `(SCHEDULER_[A-Z_]+)`", OPERATIONS, re.MULTILINE))
    assert rows == read


def test_every_variable_that_a_page_names_is_read() -> None:
    read = set(re.findall(r'"(SCHEDULER_[A-Z_]+)"', SOURCE + CLIENT))
    for page, text in PAGES.items():
        named = re.findall(r"SCHEDULER_[A-Z_]*[A-Z]", text)
        assert {name.removesuffix("_FILE") if name not in read else name for name in named} <= read, page


def test_every_command_that_the_pages_name_exists_and_every_command_is_named() -> None:
    text = "\n".join(PAGES.values())
    named = set(re.findall(r"(?:python3 -m |celery-)scheduler (\w+)", text))
    assert named == {name for name, command in cli.commands.items() if not command.hidden}


def test_the_table_of_keys_is_the_models() -> None:
    page = PAGES["docs/file.md"]
    assert page == reference.renewed(page), "python -m scheduler.schedule_file.reference docs/file.md"


def test_a_block_is_of_a_kind_that_something_holds_to_the_truth() -> None:
    for page, text in PAGES.items():
        assert text.count("\n```") == 2 * len(blocks(page)), f"{page}: a block without its kind"
        assert {kind for kind, _ in blocks(page)} <= set(KINDS), page


def test_what_a_reader_types_is_no_sample() -> None:
    for page in PAGES:
        for text in of_kind(page, "text"):
            assert not re.search(r"^(sudo|curl|python3|redis-cli|systemctl|celery|gunicorn) ", text, re.MULTILINE), page


@pytest.mark.parametrize("page", [page for page in PAGES if of_kind(page, "yaml")])
def test_every_schedule_file_that_a_page_shows_is_right(page: str) -> None:
    for text in of_kind(page, "yaml"):
        result = validate(schedule_file.parse(text, page), tasks=None)
        assert not result.errors, [str(problem) for problem in result.errors]


def test_every_program_that_a_page_shows_is_python() -> None:
    for page in PAGES:
        for text in of_kind(page, "python"):
            compile(text, page, "exec")


def test_the_web_servers_lead_to_the_pages_socket_and_say_that_it_was_https() -> None:
    socket = (ROOT / "systemd/celery-admin.socket").read_text(encoding="utf-8")
    address = re.findall(r"^ListenStream=(.+)$", socket, re.MULTILINE)[0]
    (nginx,), (caddy,) = of_kind("docs/operations.md", "nginx"), of_kind("docs/operations.md", "caddyfile")
    assert f"proxy_pass http://{address};" in nginx
    assert "X-Forwarded-Proto $scheme;" in nginx
    assert "Host $host;" in nginx
    assert f"reverse_proxy {address}\n" in caddy


def test_the_units_that_a_page_shows_start_commands_that_exist() -> None:
    for page in PAGES:
        for text in of_kind(page, "ini"):
            started = re.findall(r"^ExecStart=/usr/bin/env celery-scheduler (\w+)$", text, re.MULTILINE)
            assert len(started) == text.count("ExecStart=") > 0
            assert set(started) <= set(cli.commands)


@pytest.mark.parametrize("page", list(PAGES))
def test_every_link_within_the_repository_leads_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", PAGES[page]):
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, target


def slug(heading: str) -> str:
    """The anchor of a heading as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_function_that_how_it_works_names_exists() -> None:
    ours = PAGES["docs/how-it-works.md"].partition("## Upstream internals")[
        0
    ]  # tests/unit/test_upstream.py has the rest
    named = re.findall(r"`((?:[a-z_]+\.)+\w+(?:\.\w+)*)`", ours)
    paths = [name for name in named if not name.endswith((".lua", ".yaml", ".md", ".toml", ".py"))]
    assert len(paths) > 30
    for name in paths:
        assert resolves(name), f"docs/how-it-works.md names scheduler.{name}, which does not exist"


def resolves(name: str) -> bool:
    """Whether this is a module of the package, or something in one."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            thing = importlib.import_module(".".join(["scheduler", *parts[:length]]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            if not hasattr(thing, part):
                return False
            thing = getattr(thing, part)
        return True
    return False


def test_how_it_works_draws_the_imports_between_rooms_as_they_are() -> None:
    page = PAGES["docs/how-it-works.md"]
    drawing = page.partition("The imports between rooms today")[2]
    names, _, drawing = drawing.partition("```text\n")
    basic = set(re.findall(r"`(\w+)`", names))
    graph = grimp.build_graph("scheduler", cache_dir=None)
    imports: dict[str, set[str]] = defaultdict(set)
    for module in graph.modules - {"scheduler", "scheduler.__main__"}:
        for imported in graph.find_modules_directly_imported_by(module) - {"scheduler"}:
            room, other = module.split(".")[1], imported.split(".")[1]
            imports[room] |= {other} - {room, *basic}
    drawn = {line.split()[0]: line.split()[2:] for line in drawing.partition("```")[0].splitlines()}
    assert drawn == {room: sorted(others) for room, others in imports.items() if others and room not in basic}


def test_contributing_lists_the_rooms_in_the_order_that_the_linter_holds() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    listed = text.partition("Every import points down")[2].partition("\n- ")[0]
    written = [line.split("  ")[0].strip() for line in re.findall(r"^    (.+)$", listed, re.MULTILINE)]
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert written == configuration["tool"]["importlinter"]["contracts"][0]["layers"]


def test_every_exit_code_is_explained_in_the_help() -> None:
    told = {int(code) for code in re.findall(r"(?:^|\s)(\d+) [A-Za-z]", EPILOG.partition("exit codes:")[2])}
    assert told == {int(code) for code in Exit}


def test_every_command_says_what_it_does_and_reading_ones_speak_json() -> None:
    for name, command in cli.commands.items():
        assert command.help, name
    reading = ("check", "plan", "apply", "list", "next", "run", "history", "pause", "resume", "status")
    for name in reading:
        options = {
            flag for param in cli.commands[name].params if isinstance(param, click.Option) for flag in param.opts
        }
        assert "--json" in options, name
