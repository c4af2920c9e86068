"""The date reader: every form that newsroom software writes, and the refusal of what may mean two moments."""

from __future__ import annotations

import time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from index.article import Article, InvalidArticle, epoch_seconds, iso_time
from index.sources import Rejection, read_source
from index.sources.mapping import UnusableMapping, read_mapping
from index.values.dates import MONTHS, UnreadableDate, date_seconds

REPORTS = Path(__file__).parents[3] / "reports"

# Published at, by the ID of the record in 15_dates.jsonl. A time without a zone is UTC.
RIGHT = {
    "1": "2026-10-24T16:05:00Z",
    "2": "2026-10-24T16:05:00Z",
    "3": "2026-10-24T16:05:00Z",
    "4": "2026-10-24T16:05:00Z",
    "5": "2026-10-24T16:05:00Z",
    "6": "2026-10-24T14:05:00Z",
    "7": "2026-10-24T23:05:00Z",
    "8": "2026-10-24T00:00:00Z",
    "9": "2026-10-24T16:05:00Z",
    "10": "2026-10-24T16:05:00Z",
    "11": "2026-10-24T00:00:00Z",
    "12": "2026-10-24T14:05:00Z",
    "13": "2026-10-24T16:05:00Z",
    "14": "2026-10-24T17:05:00Z",
    "15": "2026-10-24T00:30:00Z",
    "16": "2026-10-24T20:05:00Z",
    "17": "2026-10-25T00:00:00Z",
    "18": "2026-06-22T11:41:36Z",
    "19": "2026-09-02T22:01:01Z",
}


def test_the_reported_dates_are_read_as_what_they_say() -> None:
    found = [each for each in read_source(REPORTS / "15_dates.jsonl") if isinstance(each, Article)]
    assert {each.id: iso_time(each.published_at) for each in found} == RIGHT


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026/6/29 15:07:41", "2026-06-29T15:07:41Z"),
        ("2026-6-9", "2026-06-09T00:00:00Z"),
        ("2026. 6. 29.", "2026-06-29T00:00:00Z"),
        ("2026-W43-6", "2026-10-24T00:00:00Z"),
        ("2026-10-24T16", "2026-10-24T16:00:00Z"),
        ("2026-10-24t16:05:00z", "2026-10-24T16:05:00Z"),
        ("2026-10-24T16:05:00,999−02:00", "2026-10-24T18:05:00Z"),
        ("2026-10-24T16:05:00+02:00[Europe/Berlin]", "2026-10-24T14:05:00Z"),
        ("2026-10-24 16:05 Europe/Berlin", "2026-10-24T14:05:00Z"),
        ("2026-10-24+02:00", "2026-10-23T22:00:00Z"),
        ("20261024160500", "2026-10-24T16:05:00Z"),
        ("1792861500", "2026-10-24T17:05:00Z"),
        ("1712011500000", "2024-04-01T22:45:00Z"),  # not the fifteenth of January 1712
        ("24/10/2026", "2026-10-24T00:00:00Z"),
        ("10-24-2026", "2026-10-24T00:00:00Z"),
        ("05/05/2026", "2026-05-05T00:00:00Z"),
        ("24.10.2026, 16:05 Uhr", "2026-10-24T16:05:00Z"),
        ("Sat Oct 24 16:05:00 2026", "2026-10-24T16:05:00Z"),
        ("Sat Oct 24 16:05:00 CEST 2026", "2026-10-24T14:05:00Z"),
        ("Sat Oct 24 2026 16:05:00 GMT+0200 (Central European Summer Time)", "2026-10-24T14:05:00Z"),
        ("Sat, 24 Oct 2026 16:05:00 +0200 (CEST)", "2026-10-24T14:05:00Z"),
        ("Saturday, 24-Oct-98 16:05:00 GMT", "1998-10-24T16:05:00Z"),
        ("October 24th, 2026 at 4:05\u202fPM EST", "2026-10-24T21:05:00Z"),
        ("24 October 2026 12 a.m.", "2026-10-24T00:00:00Z"),
        ("24 October 2026 12:00 pm", "2026-10-24T12:00:00Z"),
        ("Samstag, 24. Oktober 2026 um 16:05 Uhr", "2026-10-24T16:05:00Z"),
        ("1. März 2026", "2026-03-01T00:00:00Z"),
        ("samedi 1er août 2026 à 16h05", "2026-08-01T16:05:00Z"),
        ("sábado, 24 de octubre de 2026 a las 16:05", "2026-10-24T16:05:00Z"),
        ("24 ottobre 2026", "2026-10-24T00:00:00Z"),
        ("24 de fevereiro de 2026", "2026-02-24T00:00:00Z"),
        ("zaterdag 24 oktober 2026", "2026-10-24T00:00:00Z"),
        ("24 мая 2026 г.", "2026-05-24T00:00:00Z"),
        ("2026年10月24日 下午4:05", "2026-10-24T16:05:00Z"),
        ("23:59:60 24 Oct 2026", "2026-10-25T00:00:00Z"),
        ("July 1, 2026 4:05 PM ET", "2026-07-01T20:05:00Z"),
        ("January 1, 2026 4:05 PM ET", "2026-01-01T21:05:00Z"),
    ],
)
def test_a_date_in_a_known_form_is_read(text: str, iso: str) -> None:
    assert iso_time(date_seconds(text)) == iso


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("03/04/2026", "may be two days: 03/04/2026 does not say whether day or month comes first"),
        ("3-4-2026 10:00", "may be two days"),
        ("2026-10-24 16:05 IST", "names the time zone IST, which is unknown or ambiguous"),
        ("2026-10-24 16:05 A", "names the time zone A, which"),
        ("2026-10-24 16:05 Mars/Base", "names the time zone Mars/Base, which"),
        ("2026-10-24T16:05+16:05", "names the time zone +16:05, which"),
        ("2026-10-24T24:01", "has no such time of day: 24:01"),
        ("2026-10-24 16:61", "has no such time of day: 16:61"),
        ("2026-10-24 16:05 PM", "has no such time of twelve hours: 16:05 PM"),
        ("2026-02-29", "is no day of the calendar"),
        ("2026-10-24-05", "is not a date"),
        ("24.10.26", "is not a date"),
        ("24 Oct 26", "is not a date"),
        ("24 listopada 2026", "is not a date"),  # November in Polish, October in Croatian
        ("2026-10", "is not a date"),
        ("2026", "is not a date"),
        ("202610241605", "is not a date"),
        ("before 24 October 2026", "is not a date"),
        ("yesterday", "is not a date"),
        ("24 Oct 2026 ET", "is not a date"),
        ("9999-12-31T23:59:59-12:00", "lies outside the years 1600 to 2199"),
        ("x" * 101, "is longer than 100 characters"),
    ],
)
def test_a_date_that_may_mean_two_moments_or_none_is_refused(text: str, reason: str) -> None:
    with pytest.raises(UnreadableDate) as refused:
        date_seconds(text)
    assert str(refused.value).startswith(reason)
    with pytest.raises(InvalidArticle) as rejected:
        epoch_seconds(text, "published_at")
    assert rejected.value.reason == f"{text[:60]!r} {refused.value}"


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (20261024, "published_at: 20261024 may be a day or epoch seconds: write a day as text"),
        (20261324, "1970-08-23T12:08:44Z"),
        (20991231.0, "published_at: 20991231.0 may be a day or epoch seconds: write a day as text"),
        (209912310800, "published_at: 209912310800 may be a day or epoch seconds: write a day as text"),
        (46357.5, "published_at: 46357.5 may be a day or epoch seconds: write a day as text"),
        (73050, "published_at: 73050 may be a day or epoch seconds: write a day as text"),
        (202610, "published_at: 202610 may be a day or epoch seconds: write a day as text"),
        (2026, "published_at: 2026 may be a day or epoch seconds: write a day as text"),
        (0, "published_at: 0 may be a day or epoch seconds: write a day as text"),
        (1792861500, "2026-10-24T17:05:00Z"),
    ],
)
def test_a_number_that_may_be_a_day_is_refused(tmp_path: Path, number: float, told: str) -> None:
    (tmp_path / "a.jsonl").write_text(f'{{"id": "1", "headline": "H", "date": {number}}}')
    (found,) = read_source(tmp_path / "a.jsonl")
    assert (iso_time(found.published_at) if isinstance(found, Article) else found.reason) == told


def test_of_a_repeated_local_time_the_first_is_meant_and_a_skipped_one_keeps_the_offset_before_it() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert iso_time(date_seconds("2026-10-25 02:30", berlin)) == "2026-10-25T00:30:00Z"
    assert iso_time(date_seconds("2026-03-29 02:30", berlin)) == "2026-03-29T01:30:00Z"
    assert iso_time(date_seconds("2026-10-25 24:00", berlin)) == "2026-10-25T23:00:00Z"


def test_no_name_means_two_months() -> None:
    assert {MONTHS[name] for name in ("sep", "sept", "wrzesnia", "сентября", "setembro")} == {9}
    assert "listopada" not in {name for name, month in MONTHS.items() if month == 10}


def test_a_text_that_nearly_fits_is_refused_in_time() -> None:
    started = time.process_time()
    for text in ("1 " * 50, "a, " * 33, "1:00" * 25, "2026-01-01T" + "1" * 80, "1 a" * 33, "(" * 90, "1.1" * 33):
        with pytest.raises(UnreadableDate):
            date_seconds(text)
    assert time.process_time() - started < 1


FEED = """<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>C</title>
<item><title>T</title><guid>1</guid><{name}>{text}</{name}></item></channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>C</title><entry><id>1</id><title>T</title>
<{name}>{text}</{name}></entry></feed>"""


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026/6/29 15:07:41", "2026-06-29T15:07:41Z"),
        ("Sat, 24 Oct 2026 16:05:00 CEST", "2026-10-24T14:05:00Z"),
        ("Mo, 22 Jun 2026 11:41:36", "2026-06-22T11:41:36Z"),
        ("Oct 24, 2026 4:05 PM", "2026-10-24T16:05:00Z"),
    ],
)
@pytest.mark.parametrize(
    ("template", "name"), [(FEED, "pubDate"), (FEED, "dc:date"), (ATOM, "published"), (ATOM, "updated")]
)
def test_a_feed_reads_dates_as_all_formats_do(tmp_path: Path, template: str, name: str, text: str, iso: str) -> None:
    (tmp_path / "a.xml").write_text(template.format(name=name, text=text))
    (found,) = read_source(tmp_path / "a.xml")
    assert isinstance(found, Article)
    assert iso_time(found.published_at) == iso


def test_an_entry_of_a_feed_with_an_unreadable_date_is_rejected_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(FEED.format(name="pubDate", text="03/04/2026"))
    (found,) = read_source(tmp_path / "a.xml")
    assert isinstance(found, Rejection)
    assert found.reason.startswith("published_at: '03/04/2026' may be two days")


PAGE = """<html><head><title>T</title><script type="application/ld+json">{{"@type": "NewsArticle", "headline": "T",
"datePublished": {data}}}</script><meta property="article:published_time" content="{meta}">
<link rel="canonical" href="https://courier.example/2026/10/24/t"></head><body><p>Text.</p>
<time datetime="PT5M">5 min</time>{shown}</body></html>"""


@pytest.mark.parametrize(
    ("data", "meta", "shown", "iso"),
    [
        ('"soon"', "Oct 24, 2026 4:05 PM CEST", "", "2026-10-24T14:05:00Z"),
        ("1792861500000", "", "", "2026-10-24T17:05:00Z"),
        ('"soon"', "", '<time datetime="2026-10-25">', "2026-10-25T00:00:00Z"),
        ('""', "", "", "2026-10-24T00:00:00Z"),
        ('"-0001-11-30T00:00:00+00:00"', "0000-00-00 00:00:00", "", "2026-10-24T00:00:00Z"),
    ],
)
def test_of_the_dates_of_a_page_the_first_that_can_be_read_counts(
    tmp_path: Path, data: str, meta: str, shown: str, iso: str
) -> None:
    (tmp_path / "a.html").write_text(PAGE.format(data=data, meta=meta, shown=shown))
    (found,) = read_source(tmp_path / "a.html")
    assert isinstance(found, Article)
    assert iso_time(found.published_at) == iso


def test_a_page_of_whose_dates_none_can_be_read_is_rejected_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(PAGE.format(data='"03/04/2026"', meta="soon", shown=""))
    (found,) = read_source(tmp_path / "a.html")
    assert isinstance(found, Rejection)
    assert found.reason.startswith("published_at: '03/04/2026' may be two days")


@pytest.mark.parametrize(
    ("head", "cell", "told"),
    [
        ('time_zone = "Europe/Berlin"', "24.10.2026 16:05", "2026-10-24T14:05:00Z"),
        ('time_zone = "Europe/Berlin"', "24.10.2026", "2026-10-23T22:00:00Z"),
        ('time_zone = "Europe/Berlin"', "2026-10-24T16:05:00Z", "2026-10-24T16:05:00Z"),
        ('date_format = "%d/%m/%Y"', "03/04/2026", "2026-04-03T00:00:00Z"),
        ('date_format = "%d/%m/%Y"', "10/24/2026", "published_at: '10/24/2026' does not fit date_format '%d/%m/%Y'"),
        ('date_format = "%d/%m/%Y"', "2026-10-24", "published_at: '2026-10-24' does not fit date_format '%d/%m/%Y'"),
        ('time_zone = "Europe/Berlin"', "soon", "published_at: 'soon' is not a date (ISO 8601 or RFC 2822)"),
    ],
)
def test_a_mapping_says_the_zone_and_the_only_form_of_its_dates(
    tmp_path: Path, head: str, cell: str, told: str
) -> None:
    (tmp_path / "m.toml").write_text(f'{head}\n[columns]\nid = "Nr"\nheadline = "T"\npublished_at = "D"\n')
    (tmp_path / "a.csv").write_text(f"Nr;T;D\n1;T;{cell}\n")
    (found,) = read_source(tmp_path / "a.csv", mapping=read_mapping(tmp_path / "m.toml"))
    assert (iso_time(found.published_at) if isinstance(found, Article) else found.reason) == told


def test_a_mapping_whose_format_would_lose_the_zone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text('date_format = "%Y-%m-%d %Z"\n[columns]\nid = "a"\n')
    with pytest.raises(UnusableMapping, match="%Z would lose the zone"):
        read_mapping(tmp_path / "m.toml")
