"""Explain errors of the YAML parser to the person who writes the file."""

from __future__ import annotations

import re
from typing import NamedTuple

from scheduler.schedule_file.document import printable


class Explained(NamedTuple):
    """What is wrong, what to do, and the place (line and column count from 0)."""

    what: str
    remedy: str
    line: int
    column: int


class Term(NamedTuple):
    says: str  #: part of the parser's message
    what: str
    remedy: str
    at_start: bool = False  #: report the place where the construct starts


INDENT = "indent all keys of one level by the same number of spaces"
COLON = "write key: value, with a space after the colon"
QUOTE = "quote text with special characters"
TERMS = (
    Term("end of stream", "a quote is opened here and never closed", "close it", at_start=True),
    Term("document indicator", "a quote is opened here and never closed", "close it", at_start=True),
    Term("',' or ']'", "a '[' is opened here and not closed", "separate with ',' and close it", at_start=True),
    Term("',' or '}'", "a '{' is opened here and not closed", "separate with ',' and close it", at_start=True),
    Term("mapping values are not allowed", "a ':' is not allowed here", f"{INDENT}, and {QUOTE}"),
    Term("sequence entries are not allowed", "a list cannot start here", "put each '- item' on a line of its own"),
    Term("expected '-' indicator", "a key where the next '- item' of a list is expected", INDENT),
    Term("could not find expected ':'", "this line is not 'key: value'", COLON, at_start=True),
    Term("did not find expected key", "this does not fit the lines above", f"{INDENT}, and {QUOTE}"),
    Term("<document start>", "this does not fit the lines above", COLON),
    Term("escape", "unknown escape sequence after a backslash", "use single quotes, or write the backslash twice"),
    Term("tag", "tags such as !name are not allowed", "write the plain value"),
    Term("anchor", "an anchor needs a name of letters and digits", "write &name, or quote the text"),
    Term("incompatible YAML", "this version of YAML is not supported", "delete the %YAML line"),
)
MAX_LINE_LENGTH = 1000  #: characters; the rest of a longer line is ignored
CRON_VALUE = re.compile(r"^(\s*(?:-\s+)*(?:[^\s#'\"][^:#'\"]*:\s+)?)(\*[^#\n]*)")
CRON_BETWEEN_BRACES = re.compile(r"[{,]\s*[\w-]+:\s+(\*[^,}#\n]*)")


def explain(text: str, problem: str, at: tuple[int, int], start: tuple[int, int]) -> Explained:
    """Explain the parser's problem at line and column ``at``, in a construct that starts at ``start``."""
    lines = re.split(r"\r\n|[\r\n\x85\u2028\u2029]", text)
    line = lines[at[0]][:MAX_LINE_LENGTH] if at[0] < len(lines) else ""
    cron = CRON_VALUE.match(line)
    if cron and at[1] >= len(cron[1]):
        return unquoted_cron(cron[2].strip(), at[0], len(cron[1]))
    for match in CRON_BETWEEN_BRACES.finditer(line):
        if match.start(1) <= at[1] <= match.end(1):
            return unquoted_cron(match[1].strip(), at[0], match.start(1))
    if "\t" in line[at[1] : at[1] + 1] or "tab character" in problem:
        return Explained("this line is indented with a tab", "use spaces", *at)
    if "cannot start any token" in problem:
        return Explained(f"a value cannot start with {line[at[1] : at[1] + 1]!r}", "quote it", *at)
    for term in TERMS:
        if term.says in problem:
            return Explained(term.what, term.remedy, *(start if term.at_start else at))
    return Explained(f"this is not YAML: {problem}", QUOTE, *at)


def unquoted_cron(value: str, line: int, column: int) -> Explained:
    what = f"{printable(value)} is not quoted, and YAML reads a leading * as a reference"
    return Explained(what, f'quote the cron expression: "{printable(value)}"', line, column)
