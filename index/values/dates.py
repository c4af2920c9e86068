"""Reads a date that is written as text, in any of the forms that newsroom software writes, as epoch seconds.

The grammar is closed: a text that it does not cover, that may mean two days, or whose time zone is ambiguous is
refused with the reason, never guessed. Every source format and every interface reads dates here.

Dates: ISO 8601 (calendar and week dates, extended and basic), year-month-day with - / or ., day.month.year, day and
month with the month's name (`MONTHS`) in any order, and month/day/year or day/month/year where only one of them is
possible. A weekday may stand before the date and is not checked. Two digits of a year are read in RFC 822 dates only.
Times: 24 or 12 hours, before or after the date; 24:00 is the next midnight. Zones: offsets, `ZONES`, IANA names.
Epoch: 9 or 10 digits are seconds, 13 are milliseconds.

A local time that a change of clocks repeats is the first of the two; one that it skips is read with the offset
before the change (RFC 5545, 3.3.5).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MOST_CHARS = 100

# The names of the months, twelve a line, and abbreviations of them. No name means two months: Polish and Czech
# November, which is October in Croatian, is left out.
_MONTH_NAMES = (
    "january february march april may june july august september october november december",
    "jan feb mar apr may jun jul aug sep oct nov dec",
    "januar februar marz april mai juni juli august september oktober november dezember",
    "janner feber maerz april mai juni juli august september okt november dez",
    "janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre",
    "janv fevr mars avr mai juin juil aout sept octobre nov dec",
    "jan fev mars avr mai juin juillet aout sept oct nov dec",
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "ene feb mar abr may jun jul ago setiembre oct nov dic",
    "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "gen febb mar apr mag giu lug ago set ott nov dic",
    "janeiro fevereiro marco abril maio junho julho agosto setembro outubro novembro dezembro",
    "jan fev mar abr mai jun jul ago set out nov dez",
    "gener febrer marc abril maig juny juliol agost setembre octubre novembre desembre",
    "januari februari maart april mei juni juli augustus september oktober november december",
    "jan febr mrt apr mei jun jul aug sept okt nov dec",
    "januari februari mars april maj juni juli augusti september oktober november december",
    "januar februar marts april maj juni juli august september oktober november december",
    "januar februar mars april mai juni juli august september oktober november desember",
    "jan feb mars apr mai juni juli aug sep okt nov des",
    "tammikuuta helmikuuta maaliskuuta huhtikuuta toukokuuta kesakuuta heinakuuta elokuuta syyskuuta lokakuuta "
    "marraskuuta joulukuuta",
    "tammikuu helmikuu maaliskuu huhtikuu toukokuu kesakuu heinakuu elokuu syyskuu lokakuu marraskuu joulukuu",
    "stycznia lutego marca kwietnia maja czerwca lipca sierpnia wrzesnia pazdziernika - grudnia",
    "sty lut mar kwi maj cze lip sie wrz paz - gru",
    "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
    "янв фев мар апр мая июн июл авг сен окт ноя дек",
    "січня лютого березня квітня травня червня липня серпня вересня жовтня листопада грудня",
)
# Weekdays that may stand before a date without a comma; before a comma any one word may.
_WEEKDAYS = (
    "monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thur thurs fri sat sun "
    "montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag mo di mi do fr sa so "
    "lundi mardi mercredi jeudi vendredi samedi dimanche lun mar mer jeu ven sam dim "
    "lunes martes miercoles jueves viernes sabado domingo mie jue vie sab dom "
    "lunedi martedi mercoledi giovedi venerdi sabato domenica gio "
    "segunda-feira terca-feira quarta-feira quinta-feira sexta-feira segunda terca quarta quinta sexta "
    "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag ma wo vr za zo "
    "mandag tirsdag onsdag torsdag fredag lordag sondag mandagen tisdag lordag man tir ons tor fre lor son "
    "maanantai tiistai keskiviikko torstai perjantai lauantai sunnuntai "
    "poniedzialek wtorek sroda czwartek piatek sobota niedziela "
    "понедельник вторник среда четверг пятница суббота воскресенье"
)

_HOUR = 60
# Minutes east of UTC. Names that several zones share are missing, but for those that RFC 822 defines (EST, CST, ...)
# and BST, the British one.
_OFFSETS = {
    "Z": 0, "UT": 0, "UTC": 0, "GMT": 0, "WET": 0,
    "BST": _HOUR, "CET": _HOUR, "MEZ": _HOUR, "WEST": _HOUR, "WAT": _HOUR,
    "CEST": 2 * _HOUR, "MESZ": 2 * _HOUR, "EET": 2 * _HOUR, "SAST": 2 * _HOUR, "CAT": 2 * _HOUR,
    "EEST": 3 * _HOUR, "MSK": 3 * _HOUR, "EAT": 3 * _HOUR, "TRT": 3 * _HOUR,
    "PKT": 5 * _HOUR, "WIB": 7 * _HOUR, "HKT": 8 * _HOUR, "AWST": 8 * _HOUR, "JST": 9 * _HOUR, "KST": 9 * _HOUR,
    "ACST": 9 * _HOUR + 30, "ACDT": 10 * _HOUR + 30, "AEST": 10 * _HOUR, "AEDT": 11 * _HOUR,
    "NZST": 12 * _HOUR, "NZDT": 13 * _HOUR,
    "EST": -5 * _HOUR, "EDT": -4 * _HOUR, "CST": -6 * _HOUR, "CDT": -5 * _HOUR,
    "MST": -7 * _HOUR, "MDT": -6 * _HOUR, "PST": -8 * _HOUR, "PDT": -7 * _HOUR,
    "AKST": -9 * _HOUR, "AKDT": -8 * _HOUR, "HST": -10 * _HOUR, "BRT": -3 * _HOUR,
}  # fmt: skip
# Names of a place's time whatever the season, as American news writes them.
_PLACES = {
    "ET": "America/New_York",
    "CT": "America/Chicago",
    "MT": "America/Denver",
    "PT": "America/Los_Angeles",
}

_NAME = r"[^\W\d_]+"
_ISO_DATE = r"\d{4}-\d\d-\d\d|\d{8}|\d{4}-W\d\d-\d|\d{4}W\d{3}"
_NUMERIC_DATES = (
    r"(?P<year>\d{4})(?P<mark>[-/.]) ?(?P<month>\d{1,2})(?P=mark) ?(?P<day>\d{1,2})\.?",
    r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)",
    r"(?P<day>\d{1,2})\. ?(?P<month>\d{1,2})\. ?(?P<year>\d{4})\.?",
    r"(?P<year>\d{4})[年년] ?(?P<month>\d{1,2})[月월] ?(?P<day>\d{1,2})[日일]",
)
_WEEK_DATE = r"(?P<year>\d{4})-?W(?P<week>\d\d)-?(?P<weekday>\d)"
_EITHER_ORDER = r"(?P<first>\d{1,2})(?P<mark>[/-])(?P<second>\d{1,2})(?P=mark)(?P<year>\d{4})"
_DAY = r"(?P<day>\d{1,2})"
_NAMED_DATES = (
    rf"{_DAY}(?:st|nd|rd|th|er|º|\.)?[ -]?(?:de |of |d')?(?P<name>{_NAME})\.?,?[ -](?:de |del )?(?P<year>\d{{4}})"
    r"(?: ?г\.?)?",
    rf"(?P<name>{_NAME})\.?[ -]{_DAY}(?:st|nd|rd|th)?(?:, ?| |-)(?P<year>\d{{4}})",
    rf"(?P<year>\d{{4}})[ -](?P<name>{_NAME})\.?[ -]{_DAY}",
)
_SHORT_YEAR = rf"{_DAY}[ -](?P<name>{_NAME})[ -](?P<year>\d\d)"
_CLOCK = (
    r"(?:(?P<before>上午|下午|午前|午後|오전|오후) ?)?(?P<hour>\d{1,2}):(?P<minute>\d\d)"
    r"(?::(?P<second>\d\d)(?:[.,]\d+)?)?(?: ?(?P<half>[ap]\.? ?m\b\.?))?(?: ?(?:uhr|hrs|h)\b)?"
)
_HOUR_ONLY = r"(?P<hour>\d{1,2}) ?(?P<half>[ap]\.? ?m\b\.?)"
_HOUR_H = r"(?P<hour>\d{1,2}) ?h(?: ?(?P<minute>\d\d))?"
_ISO_TIME = r"(?P<hour>\d\d)(?::(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d+)?)?)?"
_BASIC_TIME = r"(?P<hour>\d\d)(?P<minute>\d\d)(?:(?P<second>\d\d)(?:[.,]\d+)?)?"
_OFFSET = r"[+-]\d\d(?::?\d\d(?::\d\d)?)?"
_COMMENT = r"(?: ?\([^()]*\)| ?\[[\w/+-]+\])?"
_WEEKDAY = rf"(?:(?:{'|'.join(sorted(_WEEKDAYS.split(), key=len, reverse=True))})\b\.?,? ?|{_NAME}\.?, ?)?"
_BETWEEN = r"(?:t|, ?| )(?:(?:at|um|à|a|a las|às|alle|alle ore|ore|om|kl\.?|den|[-–—|·]) )?"


def _bare(pattern: str) -> str:
    """The pattern without the names of its groups, to stand in another one."""
    return re.sub(r"\(\?P=\w+\)", "[-/.]", re.sub(r"\(\?P<\w+>", "(?:", pattern))


_ANY_DATE = "|".join(map(_bare, (*_NUMERIC_DATES, _WEEK_DATE, _EITHER_ORDER, *_NAMED_DATES)))
_ANY_TIME = "|".join(map(_bare, (_CLOCK, _HOUR_ONLY, _HOUR_H)))
_ANY_ZONE = rf"(?:(?:gmt|utc?)[+-]\d{{1,2}}(?::?\d\d)?|{_OFFSET}|[a-z]{{1,5}}|[a-z_]+/[a-z_/+-]+){_COMMENT}"
_TIME_AND_ZONE = rf"(?P<time>{_ANY_TIME})(?: ?(?P<zone>{_ANY_ZONE}))?"
_ISO = re.compile(
    rf"(?P<date>{_ISO_DATE})(?:[T ](?P<time>{_bare(_ISO_TIME)}|{_bare(_BASIC_TIME)}))?"
    rf" ?(?P<zone>(?:Z|{_OFFSET}){_COMMENT})?",
    re.IGNORECASE,
)
# What most dates look like, which Python's own reader takes a twentieth of the time for.
_COMMON = re.compile(r"(?:1[6-9]|2[01])\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:Z|[+-](?:0\d|1[0-3]):[0-5]\d)?", re.ASCII)
_DATES = tuple(
    re.compile(pattern, re.IGNORECASE) for pattern in (*_NUMERIC_DATES, _WEEK_DATE, _EITHER_ORDER, *_NAMED_DATES)
)
_SHORT = re.compile(_SHORT_YEAR, re.IGNORECASE)
_TIMES = tuple(
    re.compile(pattern, re.IGNORECASE) for pattern in (_CLOCK, _HOUR_ONLY, _HOUR_H, _ISO_TIME, _BASIC_TIME)
)
_DIGITS = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)
_FIXED = re.compile(r"([+-])(\d{1,2})(?::?(\d\d)(?::(\d\d))?)?")
_DATE_WITH_ZONE = re.compile(r"Z|[+-]\d\d:\d\d", re.IGNORECASE)  # as XML Schema writes a date
_AFTERNOON = frozenset({"下午", "午後", "오후"})
EARLIEST_YEAR, LATEST_YEAR = 1600, 2199


class UnreadableDate(ValueError):
    """A text that is not read as a date; the message, which follows the text, says why and what to write."""


def date_seconds(text: str, zone: tzinfo = UTC) -> int:
    """The UTC epoch seconds, fractions dropped, of a date in a text; midnight where it has no time.

    `zone`: of a time that names none. Raises `UnreadableDate`.
    """
    if _COMMON.fullmatch(text):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            pass  # 24:00, or no day of the calendar
        else:
            return int((moment.replace(tzinfo=zone) if moment.tzinfo is None else moment).timestamp())
    plain = " ".join(unicodedata.normalize("NFKC", text[: MOST_CHARS + 1]).replace("−", "-").split())
    if len(text.strip()) > MOST_CHARS:
        raise UnreadableDate(f"is longer than {MOST_CHARS} characters")
    if _DIGITS.fullmatch(plain) and len(plain) != 8:
        return _digits_seconds(plain, zone)
    for pattern in _patterns():
        if (parts := pattern.fullmatch(plain)) is not None and (day := _day(parts)) is not None:
            return _seconds(day, parts["time"], parts["zone"], zone)
    raise _unknown()


def _patterns() -> Iterator[re.Pattern[str]]:
    yield _ISO
    yield from _others()


@cache
def _others() -> tuple[re.Pattern[str], ...]:
    """The forms other than ISO 8601, which a process that only serves does not need to compile."""
    return tuple(
        re.compile(pattern, re.IGNORECASE)
        for pattern in (
            rf"{_WEEKDAY}(?P<date>{_ANY_DATE})(?:{_BETWEEN}{_TIME_AND_ZONE})?",
            rf"(?P<time>{_ANY_TIME})(?: ?(?P<zone>{_ANY_ZONE}))??,? (?:on )?{_WEEKDAY}(?P<date>{_ANY_DATE})",
            rf"{_WEEKDAY}(?P<date>{_bare(_SHORT_YEAR)}) {_TIME_AND_ZONE}",
            # `Sat Oct 24 16:05:00 CEST 2026`, as ctime and Java write it
            rf"{_WEEKDAY}(?P<start>{_NAME} +\d{{1,2}}) {_TIME_AND_ZONE} (?P<year>\d{{4}})",
        )
    )


def _unknown() -> UnreadableDate:
    return UnreadableDate("is not a date (ISO 8601 or RFC 2822)")


def _digits_seconds(digits: str, zone: tzinfo) -> int:
    """Epoch seconds or milliseconds, or a date and time without any mark."""
    integer = digits.lstrip("-").partition(".")[0]
    if len(integer) in (9, 10):
        return int(float(digits) // 1)
    if len(integer) == 13:
        return int(float(digits) // 1_000)
    if len(digits) == 14 and digits == integer:
        return date_seconds(f"{digits[:8]}T{digits[8:]}", zone)
    raise _unknown()


def _day(parts: re.Match[str]) -> date | None:
    """The day of a date; None where the month has no known name. Raises `UnreadableDate`."""
    groups = parts.groupdict()
    if "start" in groups:
        return _day_of(f"{groups['start']} {groups['year']}", _DATES)
    return _day_of(groups["date"], _DATES) or _day_of(groups["date"], (_SHORT,))


def _day_of(text: str, patterns: tuple[re.Pattern[str], ...]) -> date | None:
    for pattern in patterns:
        match = pattern.fullmatch(text)
        if match is None:
            continue
        part = match.groupdict()
        year = _full_year(part["year"])
        if "week" in part:
            return _checked(date.fromisocalendar, year, int(part["week"]), int(part["weekday"]))
        if "first" in part:
            month, day = _in_order(int(part["first"]), int(part["second"]), text)
        elif "name" not in part:
            month, day = int(part["month"]), int(part["day"])
        elif (named := MONTHS.get(_folded(part["name"]))) is not None:
            month, day = named, int(part["day"])
        else:
            continue
        return _checked(date, year, month, day)
    return None


def _checked(make: Callable[[int, int, int], date], year: int, second: int, third: int) -> date:
    """The date of three numbers. Raises `UnreadableDate`."""
    if not EARLIEST_YEAR - 1 <= year <= LATEST_YEAR + 1:
        raise UnreadableDate(f"lies outside the years {EARLIEST_YEAR} to {LATEST_YEAR}")
    try:
        return make(year, second, third)
    except ValueError:
        raise UnreadableDate("is no day of the calendar") from None


def _full_year(digits: str) -> int:
    """The year; of two digits as RFC 2822 completes them."""
    year = int(digits)
    return year if len(digits) == 4 else year + (2000 if year < 50 else 1900)


def _in_order(first: int, second: int, text: str) -> tuple[int, int]:
    """Month and day of two numbers of which at most one can be a month. Raises `UnreadableDate`."""
    if first == second or second > 12:
        return first, second
    if first > 12:
        return second, first
    raise UnreadableDate(
        f"may be two days: {text} does not say whether day or month comes first "
        "(write the year first, or give a mapping with date_format)"
    )


def _seconds(day: date, time: str | None, zone: str | None, default: tzinfo) -> int:
    if time is None and zone is not None and not _DATE_WITH_ZONE.fullmatch(zone):
        raise _unknown()
    local = datetime(day.year, day.month, day.day) + _since_midnight(time)  # noqa: DTZ001 - the zone comes next
    moment = local.replace(tzinfo=default if zone is None else _zone(zone))
    return int(moment.timestamp() // 1)


def _since_midnight(text: str | None) -> timedelta:
    """The time of day. Raises `UnreadableDate`."""
    if text is None:
        return timedelta(0)
    part = next(match for pattern in _TIMES if (match := pattern.fullmatch(text)) is not None).groupdict()
    hour, minute, second = (int(part.get(name) or 0) for name in ("hour", "minute", "second"))
    half, before = part.get("half"), part.get("before")
    if half or before:
        if not 1 <= hour <= 12 or (half and before):
            raise UnreadableDate(f"has no such time of twelve hours: {text}")
        hour = hour % 12 + 12 * (before in _AFTERNOON or (half or "a")[0] in "pP")
    if minute > 59 or second > 60 or hour > 24 or (hour == 24 and (minute or second)):
        raise UnreadableDate(f"has no such time of day: {text}")
    return timedelta(hours=hour, minutes=minute, seconds=second)


def _zone(text: str) -> tzinfo:
    """The zone of an offset or a name. Raises `UnreadableDate`."""
    name = re.sub(r" ?[(\[].*", "", text)
    upper = name.upper()
    if upper in _OFFSETS:
        return timezone(timedelta(minutes=_OFFSETS[upper]))
    if fixed := _FIXED.fullmatch(re.sub("^(?:GMT|UTC?)", "", upper)):
        hours, minutes, seconds = (int(group or 0) for group in fixed.groups()[1:])
        offset = timedelta(hours=hours, minutes=minutes, seconds=seconds)
        if offset <= timedelta(hours=14) and minutes < 60 and seconds < 60:
            return timezone(-offset if fixed[1] == "-" else offset)
    if upper in _PLACES or "/" in name:
        try:
            return ZoneInfo(_PLACES.get(upper, name))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    raise UnreadableDate(f"names the time zone {name}, which is unknown or ambiguous (write an offset like +02:00)")


def _folded(name: str) -> str:
    """The name in lower case without accents."""
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def _months() -> dict[str, int]:
    """The number of each month by its folded name."""
    numbers: dict[str, int] = {"sept": 9}
    for names in _MONTH_NAMES:
        for number, name in enumerate(names.split(), 1):
            known = numbers.setdefault(_folded(name), number)
            if known != number:
                raise ValueError(f"{name} is the month {known} and the month {number}")
    del numbers["-"]
    return numbers


MONTHS = _months()
