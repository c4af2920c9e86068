"""Several brands on one installation: each shows its own stories and those of the sisters it names."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.archive.brands import BadBrands, Brands, read_brands


def read(tmp_path: Path, text: str) -> Brands:
    path = tmp_path / "brands.toml"
    path.write_text(text, "utf-8")
    return read_brands(path)


def test_without_a_file_every_brand_shows_all() -> None:
    brands = read_brands(None)
    assert brands.shown("courier") is brands.shown("") is None


def test_a_brand_shows_its_own_stories_and_its_sisters(tmp_path: Path) -> None:
    brands = read(tmp_path, 'courier = ["evening", "weekly"]\n"The Tide" = []\n')
    assert brands.shown("courier") == {"courier", "evening", "weekly"}
    assert brands.shown("The Tide") == {"The Tide"}


def test_showing_is_neither_mutual_nor_handed_on(tmp_path: Path) -> None:
    brands = read(tmp_path, 'courier = ["evening"]\nevening = ["weekly"]\n')
    assert brands.shown("courier") == {"courier", "evening"}
    assert brands.shown("evening") == {"evening", "weekly"}
    assert brands.shown("weekly") == {"weekly"}


@pytest.mark.parametrize("text", ["", 'courier = ["evening"]\n'])
def test_with_a_file_a_brand_that_it_does_not_name_shows_its_own_alone(tmp_path: Path, text: str) -> None:
    brands = read(tmp_path, text)
    assert brands.shown("weekly") == {"weekly"}
    assert brands.shown("") == {""}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("courier = 'evening'\n", 'courier must be a list of brands, such as courier = ["evening"]'),
        ("weekly = []\ncourier = ['evening', 3]\n", "courier must be a list of brands"),
        ("[courier]\nsisters = ['evening']\n", "courier must be a list of brands"),
        ("courier = [\n", "brands.toml: "),
    ],
)
def test_a_wrong_file_is_refused_by_brand_and_what_is_allowed(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(BadBrands) as error:
        read(tmp_path, text)
    assert "brands.toml" in str(error.value)
    assert told in str(error.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadBrands, match=r"absent\.toml"):
        read_brands(tmp_path / "absent.toml")
