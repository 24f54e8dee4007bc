"""The words of findings about names that a person chose."""

from __future__ import annotations

import pytest

from scheduler.printable import near
from scheduler.validate.meaning import listed


@pytest.mark.parametrize(("known", "meant"), [("holidays", "'holidays'"), ("holid\ufeffays", r"'holid\ufeffays'")])
def test_a_similar_name_is_proposed_in_letters_that_can_be_seen(known: str, meant: str) -> None:
    assert near("holiday", [known]) == f"did you mean {meant}?"


def test_a_list_of_names_is_printable() -> None:
    assert listed({"holid\ufeffays": None, "all": None}) == r"all, holid\ufeffays"
    assert listed({}) == "none yet"
