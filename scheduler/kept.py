"""Results that are kept because the same texts come again and again, until the memory is wanted back."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
FORGETTERS: list[Callable[[], None]] = []


def kept(most: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Keep the results of a function whose arguments can be hashed: the latest ones, so many at most."""

    def keep(function: Callable[P, T]) -> Callable[P, T]:
        keeping = lru_cache(maxsize=most)(function)
        FORGETTERS.append(keeping.cache_clear)
        return keeping  # type: ignore[return-value]

    return keep


def forget() -> None:
    """Let go of all that is kept."""
    for clear in FORGETTERS:
        clear()
