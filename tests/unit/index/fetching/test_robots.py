"""What robots.txt lets us do, by RFC 9309."""

from __future__ import annotations

import pytest

from index.fetching.robots import robots_of

SITE = "https://courier.example"


def allows(text: str, path: str) -> bool:
    return robots_of(200, text.encode()).allow(SITE + path)


@pytest.mark.parametrize(
    ("rules", "path", "allowed"),
    [
        ("", "/a", True),
        ("Disallow:", "/a", True),
        ("Disallow: /", "/a", False),
        ("Disallow: /a", "/abc?x=1", False),
        ("Disallow: /a", "/b/a", True),
        ("Disallow: /a\nAllow: /a/b", "/a/b/c", True),
        ("Allow: /a/b\nDisallow: /a", "/a/c", False),
        ("Disallow: /a\nAllow: /a", "/a", True),
        ("Disallow: /*.pdf$", "/x/y.pdf", False),
        ("Disallow: /*.pdf$", "/x/y.pdf?download", True),
        ("Disallow: /*?print", "/x?print=1", False),
        ("Disallow: /*/private/*/x", "/a/private/b/x", False),
        ("Disallow: /*/private/*/x", "/a/private/x", True),
        ("Disallow: *b*$", "/aba", False),
        ("Disallow: /a$", "/a", False),
        ("Disallow: /a$", "/ab", True),
        ("disallow : /a # all of it", "/a", False),
        ("Disallow: /fähre", "/f%C3%A4hre", False),
        ("Noindex: /a\nnonsense\nDisallow: /b", "/a", True),
    ],
)
def test_the_longest_rule_that_fits_decides(rules: str, path: str, allowed: bool) -> None:
    assert allows(f"User-agent: *\n{rules}", path) == allowed


def test_groups_that_name_us_count_in_place_of_the_one_for_all() -> None:
    text = """User-agent: *\nDisallow: /\n\nUser-agent: other\nUser-agent: Related-Stories\nDisallow: /a
        \nUser-agent: else\nDisallow: /b\n\nUser-agent: related-stories\nDisallow: /c"""
    assert [allows(text, path) for path in ("/a", "/b", "/c", "/d")] == [False, True, False, True]
    assert allows("User-agent: *\nDisallow: /\nUser-agent: related-stories\nDisallow:", "/a")


@pytest.mark.parametrize(
    ("status", "allowed"),
    [(401, False), (403, False), (404, True), (410, True), (429, False), (500, False), (503, False)],
)
def test_without_a_file_all_is_allowed_and_without_an_answer_nothing(status: int, allowed: bool) -> None:
    assert robots_of(status, b"").allow(f"{SITE}/a") == allowed


def test_a_delay_is_taken_up_to_a_minute() -> None:
    delays = ["2.5", "900", "-1", "nan", "soon", "inf"]
    read = [robots_of(200, f"User-agent: *\nCrawl-delay: {each}".encode()).delay_seconds for each in delays]
    assert read == [2.5, 60, 0, 0, 0, 0]
    assert robots_of(200, b"").delay_seconds == 0


def test_a_hostile_pattern_takes_no_time() -> None:
    rules = "User-agent: *\n" + f"Disallow: /{'*a' * 900}b$\n" * 100
    assert allows(rules, "/" + "a" * 1_900)
