"""Decides which brands' stories a brand shows, where one installation serves several."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec


class BadBrands(ValueError):
    """A brands file that cannot be used; the message names file and brand and says what is allowed."""


class Brands(msgspec.Struct, frozen=True):
    """Sister brands by brand; None: one newsroom, whose brands all show each other's stories."""

    sisters: dict[str, tuple[str, ...]] | None = None

    def shown(self, brand: str) -> frozenset[str] | None:
        """The brands whose stories stand under an article of `brand`; None for all.

        Its own and the sisters it names: neither they nor their sisters need show it in turn.
        """
        return None if self.sisters is None else frozenset((brand, *self.sisters.get(brand, ())))


ONE_NEWSROOM = Brands()


def read_brands(path: Path | None) -> Brands:
    """The brands in a TOML file of lines `courier = ["evening", "weekly"]`. Raises `BadBrands`."""
    if path is None:
        return ONE_NEWSROOM
    try:
        given = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadBrands(f"{path}: {error}") from error
    return Brands({brand: _sisters(brand, value, path) for brand, value in given.items()})


def _sisters(brand: str, value: object, path: Path) -> tuple[str, ...]:
    try:
        return msgspec.convert(value, tuple[str, ...])
    except msgspec.ValidationError:
        raise BadBrands(f'{path}: {brand} must be a list of brands, such as {brand} = ["evening"]') from None
