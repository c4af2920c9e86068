"""Every form in which a moment may be written is read as that moment, by whichever part of the grammar fits it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.values import dates
from index.values.dates import UnreadableDate, date_seconds

CI, PROOF = 200, 4_000
ENGLISH, GERMAN, SPANISH = (
    names.split()
    for names in (
        "January February March April May June July August September October November December",
        "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    )
)


def _clock(moment: datetime) -> str:
    half = "AM" if moment.hour < 12 else "PM"
    return f"{moment.hour % 12 or 12}:{moment:%M:%S} {half}"


def written(local: datetime, offset: str) -> list[str]:
    """A local time in all forms that have a zone."""
    day, month, year = local.day, local.month, local.year
    short = ENGLISH[month - 1][:3]
    clock, zone = f"{local:%H:%M:%S}", offset.replace(":", "")
    forms = [
        f"{year}-{month:02}-{day:02}T{clock}{offset}",
        f"{year}{month:02}{day:02}T{local:%H%M%S}{zone}",
        f"{year}-{month:02}-{day:02} {clock}.25 {zone}",
        f"{year}/{month}/{day} {clock} {offset}",
        f"Mo, {day} {short} {year} {clock} {zone}",
        f"{short}. {day}, {year}, {_clock(local)} {zone}",
        f"{_clock(local)} {zone} {ENGLISH[month - 1]} {day}, {year}",
        f"{year}-{month:02}-{day:02} {_clock(local)} {zone}",
        f"Sat {short} {day} {year} {clock} GMT{zone} (Some Time)",
        f"Sat {short} {day} {clock} {zone} {year}",
        f"{day}. {GERMAN[month - 1]} {year} um {clock} Uhr {offset}",
        f"{day} de {SPANISH[month - 1]} de {year}, {clock} {offset}",
        f"{day}.{month}.{year} {clock} {offset}",
        f"{local:%G-W%V-%u}T{clock}{offset}",
    ]
    if 1950 <= year < 2050:
        forms.append(f"{day} {short} {year % 100:02} {clock} {zone}")
    if day > 12 or day == month:
        forms += [f"{month}/{day}/{year} {_clock(local)} {zone}", f"{day}/{month}/{year} {clock} {zone}"]
    return forms


MOMENTS = st.integers(-11_644_473_600, 7_258_032_000).map(
    lambda seconds: datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
)
MINUTES = st.integers(-12 * 60, 14 * 60)


def checked(examples: int) -> None:
    @settings(max_examples=examples, database=None, deadline=None)
    @given(MOMENTS, MINUTES)
    def check(local: datetime, minutes: int) -> None:
        offset = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
        seconds = int(local.replace(tzinfo=timezone(timedelta(minutes=minutes))).timestamp())
        for text in written(local, offset):
            assert (text, date_seconds(text)) == (text, seconds)
            assert (text, readings(text)) == (text, {seconds})
        if 1_000_000_000 <= seconds < 7_000_000_000:
            assert date_seconds(str(seconds)) == date_seconds(f"{seconds}250") == seconds

    check()


def readings(text: str) -> set[int]:
    """What each pattern of the grammar that fits the whole text reads in it."""
    found = set()
    for pattern in dates._patterns():
        for date_pattern in (*dates._DATES, dates._SHORT):
            if (parts := pattern.fullmatch(text)) is None:
                continue
            groups = parts.groupdict()
            text_of_date = groups.get("date") or f"{groups['start']} {groups['year']}"
            if (day := dates._day_of(text_of_date, (date_pattern,))) is not None:
                found.add(dates._seconds(day, parts["time"], parts["zone"], UTC))
    return found


def test_a_moment_is_read_from_every_form_in_one_way() -> None:
    checked(CI)


@pytest.mark.proof
@pytest.mark.timeout(3_600)
def test_ten_thousand_moments_are_read_from_every_form_in_one_way() -> None:
    checked(PROOF)


_NUMBERS = "1 12 13 24 31 26 2026 20261024 4 02:00 +0200 16:05 16:05:00"
_WORDS = "T Z PM p.m. Oct Oktober mai Sat Mo, UTC CEST ET IST h Uhr at um W43 年 月 日"
PIECES = st.sampled_from([*_NUMBERS.split(), *_WORDS.split(), *":.,-/+()"])


@settings(max_examples=300, database=None, deadline=timedelta(seconds=1))
@given(st.lists(st.tuples(PIECES, st.sampled_from(["", " "])), max_size=9))
def test_what_is_put_together_at_random_is_read_in_one_way_or_refused(pieces: list[tuple[str, str]]) -> None:
    text = "".join(piece + space for piece, space in pieces).strip()
    try:
        seconds = date_seconds(text)
    except UnreadableDate:
        return
    try:
        assert readings(" ".join(text.split())) <= {seconds}
    except UnreadableDate:  # the pattern that fits first is not refused, another one is
        pytest.fail(f"{text!r} is read in one way and refused in another")
