"""Owns the everyday figures, of all lists and outside any experiment: what was shown, seen and clicked, and where.

Views and clicks count for the day on which their list was shown. Programs are left out, and counted.
"""

from __future__ import annotations

from datetime import date

import msgspec

from service.evaluation.experiments.events import Events, set_variables, sql
from service.evaluation.experiments.events_experiment import BOT_CLICKS, BOT_EXPOSURES

_EPOCH = date(1970, 1, 1)


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Of one day, block, policy, article or story: lists that it had, or was in; how many were seen; clicks; readers.

    Of a story, the clicks are those on it; of all others, those on any story of their lists.
    """

    value: str
    lists: int
    views: int
    clicks: int
    readers: int

    @property
    def clicks_per_view(self) -> float | None:
        """None where nothing was seen."""
        return self.clicks / self.views if self.views else None


class Everyday(msgspec.Struct, frozen=True, kw_only=True):
    """Days in their order, all else by clicks, most first; of equals what was seen more.

    `articles` are those that the lists stood under, `stories` those that they held; at most so many as were asked for
    of each, of `articles_total` and `stories_total`. `bot_lists`: left out, because no reader has so many.
    """

    days: tuple[Figures, ...]
    blocks: tuple[Figures, ...]
    policies: tuple[Figures, ...]
    articles: tuple[Figures, ...]
    stories: tuple[Figures, ...]
    articles_total: int
    stories_total: int
    bot_units: int
    bot_lists: int


def everyday(events: Events, first: date | None = None, last: date | None = None, most: int = 20) -> Everyday:
    """The figures of the days from `first` to `last`, both included; None: from the log's first, to its last."""
    set_variables(
        events.connection,
        first_day=None if first is None else (first - _EPOCH).days,
        last_day=None if last is None else (last - _EPOCH).days,
        bot_clicks=BOT_CLICKS,
        bot_exposures=BOT_EXPOSURES,
    )
    events.connection.execute(sql("everyday"))
    ((articles_total,),) = events.rows("SELECT count(DISTINCT article_id) FROM everyday WHERE NOT bot")
    ((stories_total,),) = events.rows("SELECT count(*) FROM everyday_stories()")
    ((bot_units, bot_lists),) = events.rows("SELECT count(DISTINCT unit), count(*) FROM everyday WHERE bot")
    return Everyday(
        days=tuple(_figures(row) for row in events.rows("FROM everyday_by('day') ORDER BY value")),
        blocks=_most_clicked(events, "everyday_by('block')"),
        policies=_most_clicked(events, "everyday_by('policy')"),
        articles=_most_clicked(events, "everyday_by('article')", most),
        stories=_most_clicked(events, "everyday_stories()", most),
        articles_total=articles_total,
        stories_total=stories_total,
        bot_units=bot_units,
        bot_lists=bot_lists,
    )


def _most_clicked(events: Events, table: str, most: int | None = None) -> tuple[Figures, ...]:
    rows = events.rows(
        f"FROM {table} ORDER BY clicks DESC, views DESC, value LIMIT $most",
        most=most,
    )
    return tuple(_figures(row) for row in rows)


def _figures(row: tuple[str, int, int, int, int]) -> Figures:
    value, lists, views, clicks, readers = row
    return Figures(value=value, lists=lists, views=views, clicks=clicks, readers=readers)
