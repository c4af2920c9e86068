"""Provides sequences whose items are computed on access and not kept, so that an archive need not fit in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar, overload

S = TypeVar("S")
T = TypeVar("T")


class Each(Sequence[T], Generic[S, T]):
    """`made` of each of `rows`, anew each time it is read."""

    def __init__(self, made: Callable[[S], T], rows: Sequence[S]) -> None:
        self._made = made
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[T]:
        return map(self._made, self._rows)

    @overload
    def __getitem__(self, at: int) -> T: ...

    @overload
    def __getitem__(self, at: slice) -> Each[S, T]: ...

    def __getitem__(self, at: int | slice) -> T | Each[S, T]:
        return Each(self._made, self._rows[at]) if isinstance(at, slice) else self._made(self._rows[at])
