"""Says in the reader's terms what the YAML parser says in its own."""

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
    says: str  #: part of the parser's own words
    what: str
    remedy: str
    at_start: bool = False  #: blame the place where the construct begins


INDENT = "give the keys of one level the same number of spaces in front"
COLON = "write key: value, with a space after the colon"
QUOTE = "put text that holds a special character in quotes"
TERMS = (
    Term("end of stream", "a quote is opened here and never closed", "close it", at_start=True),
    Term("document indicator", "a quote is opened here and never closed", "close it", at_start=True),
    Term("',' or ']'", "a '[' is opened here and not closed", "separate with ',' and close it", at_start=True),
    Term("',' or '}'", "a '{' is opened here and not closed", "separate with ',' and close it", at_start=True),
    Term("mapping values are not allowed", "a ':' does not fit here", f"{INDENT}, and {QUOTE}"),
    Term("sequence entries are not allowed", "a list cannot start here", "put each '- item' on a line of its own"),
    Term("expected '-' indicator", "a key stands where the next '- item' of a list should", INDENT),
    Term("could not find expected ':'", "a line without 'key: value'", COLON, at_start=True),
    Term("did not find expected key", "this does not fit the lines above", f"{INDENT}, and {QUOTE}"),
    Term("<document start>", "this does not fit the lines above", COLON),
    Term("escape", "a backslash stands for nothing here", "use single quotes, or write the backslash twice"),
    Term("tag", "tags such as !name are not allowed", "write the plain value"),
    Term("anchor", "an anchor needs a name of letters and digits", "write &name, or put the text in quotes"),
    Term("incompatible YAML", "this version of YAML is not supported", "delete the %YAML line"),
)
LONGEST_LINE = 1000  #: what stands further right is not looked at
CRON_VALUE = re.compile(r"^(\s*(?:-\s+)*(?:[^\s#'\"][^:#'\"]*:\s+)?)(\*[^#\n]*)")
CRON_BETWEEN_BRACES = re.compile(r"[{,]\s*[\w-]+:\s+(\*[^,}#\n]*)")


def explain(text: str, problem: str, at: tuple[int, int], start: tuple[int, int]) -> Explained:
    """Explain the parser's problem at line and column ``at``, in a construct that begins at ``start``."""
    lines = re.split(r"\r\n|[\r\n\x85\u2028\u2029]", text)
    line = lines[at[0]][:LONGEST_LINE] if at[0] < len(lines) else ""
    cron = CRON_VALUE.match(line)
    if cron and at[1] >= len(cron[1]):
        return unquoted_cron(cron[2].strip(), at[0], len(cron[1]))
    for found in CRON_BETWEEN_BRACES.finditer(line):
        if found.start(1) <= at[1] <= found.end(1):
            return unquoted_cron(found[1].strip(), at[0], found.start(1))
    if "\t" in line[at[1] : at[1] + 1] or "tab character" in problem:
        return Explained("a tab is used for indentation", "use spaces", *at)
    if "cannot start any token" in problem:
        return Explained(f"a value cannot start with {line[at[1] : at[1] + 1]!r}", "put it in quotes", *at)
    for term in TERMS:
        if term.says in problem:
            return Explained(term.what, term.remedy, *(start if term.at_start else at))
    return Explained(f"this is not YAML: {problem}", QUOTE, *at)


def unquoted_cron(value: str, line: int, column: int) -> Explained:
    what = f"{printable(value)} is not quoted, and YAML takes a leading * for a reference"
    return Explained(what, f'quote the cron expression: "{printable(value)}"', line, column)
