"""Owns the console's addresses: what each page shows, what each form does. Who gets in: `guard`."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Blueprint, Flask, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from index.article import InvalidArticle
from index.publishing.store import StoreLocked, UnknownSnapshot
from index.snapshot.manifest import DamagedSnapshot
from service.api.article_writer import ArticleWriter
from service.api.context import Wiring
from service.api.signal_editor import MayNotShow, SignalEditor
from service.archive.manager import NoSnapshot
from service.console.browsing import FOUND, LOOKED_THROUGH, by_meaning, by_words, newest, story
from service.console.comparison import chosen, groups, moved
from service.console.desk import UNTIL, WISHES, told, wish, with_wish
from service.console.guard import guard
from service.console.overview import experiments, lists_of_newest, other_reports, signs, snapshots
from service.console.page import page, policy_of, row_of, signed_in, usual_policy
from service.console.storylines import storylines, timeline
from service.demo.pages import files_of
from service.http.problems import ProblemFound
from service.live_store.changes import InvalidSignals, Signal
from service.live_store.errors import LiveStoreUnavailable, VersionConflict
from service.recommend.draft import read_draft, related_to_draft
from service.recommend.pipeline import ArticleNotFound
from service.recommend.query import Query
from service.search.client import SearchUnavailable

HISTORY = 10  # entries that an article's page shows


def register_console(app: Flask, wiring: Wiring) -> None:
    """Install /console/."""
    console = Blueprint(
        "console", __name__, url_prefix="/console", template_folder="templates", static_folder="static"
    )
    guard(console, wiring)
    _articles(console, wiring)
    _signals(console, wiring)
    _tools(console, wiring)
    _overviews(console, wiring)
    app.register_blueprint(console)


def _articles(console: Blueprint, wiring: Wiring) -> None:
    """Finding an article, and its page with its block."""
    editor = SignalEditor(wiring, ArticleWriter(wiring))

    @console.get("/", strict_slashes=False)  # a redirect from /console would repeat whatever host was asked for
    def archive() -> Response:
        found, now = wiring.current(), wiring.clock()
        text, section = request.args.get("q", "").strip()[:300], request.args.get("section") or None
        skip = min(max(0, request.args.get("from", 0, int)), LOOKED_THROUGH)
        content: dict[str, Any] = {"q": text, "section": section, "skip": skip, "meant": [], "search_away": False}
        if text:
            content["stories"] = by_words(found, text, now)
            try:
                known = [each["id"] for each in content["stories"]]
                content["meant"] = by_meaning(found, text, usual_policy(wiring), now, wiring.search, known)
            except SearchUnavailable:
                content["search_away"] = True
        else:
            content["stories"] = newest(found, now, section, skip)
        under = request.args.get("for")
        source = None if under is None else story(found, row_of(found, under), now)
        sections = sorted(name for name in found.names["section"] if name)
        return page(wiring, "archive.html", sections=sections, page=FOUND, source=source, **content)

    @console.get("/article")
    def article() -> Response:
        found, now = wiring.current(), wiring.clock()
        row = row_of(found, request.args.get("id", ""))
        policy = policy_of(wiring, request.args.get("policy"))
        article_id = found.own_id(row) or ""
        answer = wiring.lists.for_article(found, row, Query(explain=True), policy, now)
        store = wiring.catalogue.live_store
        try:
            held, past = (None, []) if store is None else editor.signals_and_history(article_id, HISTORY)
        except LiveStoreUnavailable:  # the list stands without it
            store, held, past = None, None, []
        return page(
            wiring,
            "article.html",
            story=story(found, row, now),
            answer=msgspec.json.decode(answer.body),
            policies=list(wiring.policies),
            signals=told(found, held, now),
            version=held.version if held else "",
            history=past,
            until=UNTIL,
            wishes=WISHES,
            writable=store is not None,
            done=request.args.get("done", "")[:200],
        )


def _signals(console: Blueprint, wiring: Wiring) -> None:
    """Pin, boost, bury, leave out; and taking it back."""
    editor = SignalEditor(wiring, ArticleWriter(wiring))

    @console.post("/signals")
    def add() -> ResponseReturnValue:
        archive = wiring.current()
        source = archive.own_id(row_of(archive, request.form.get("article", ""))) or ""
        target = archive.own_id(row_of(archive, request.form.get("story", "").strip())) or ""
        asked = {**request.form, "article": source, "story": target}
        try:
            now = wiring.clock()
            owner, signal = wish(asked, now)
            editor.change(
                owner,
                lambda held: with_wish(held, signal, now),
                signed_in().key,
                None,
                sure=request.form.get("sure") == "yes",
            )
        except InvalidSignals as error:
            raise ProblemFound(422, "invalid_signals", f"This cannot be done: {error}.") from None
        except MayNotShow as error:
            shown = story(archive, row_of(archive, target), wiring.clock())
            return page(
                wiring, "confirm.html", story=shown, form=asked, reasons=[fault.reason for fault in error.faults]
            )
        return _back(source, f"{signal.kind}:{target}")

    @console.post("/signals/remove")
    def remove() -> ResponseReturnValue:
        owner = request.form.get("article", "")
        at, version = request.form.get("at", -1, int), request.form.get("version", "")

        def without_it(held: tuple[Signal, ...]) -> tuple[Signal, ...]:
            if not 0 <= at < len(held):
                raise VersionConflict(owner, None)
            return (*held[:at], *held[at + 1 :])

        try:
            editor.change(owner, without_it, signed_in().key, version)
        except VersionConflict:
            raise ProblemFound(
                409, "changed_meanwhile", "Somebody changed these signals meanwhile: look again, then remove."
            ) from None
        return _back(owner, "removed:")

    def _back(article_id: str, done: str) -> ResponseReturnValue:
        policy = request.form.get("policy") or None
        return redirect(url_for("console.article", id=article_id, policy=policy, done=done), 303)


def _tools(console: Blueprint, wiring: Wiring) -> None:
    """Lists side by side, lists of drafts, storylines."""

    @console.get("/compare")
    def compare() -> Response:
        archive, now = wiring.current(), wiring.clock()
        row = row_of(archive, request.args.get("id", ""))
        article_id = archive.own_id(row) or ""
        choice = groups(wiring.policies, wiring.experiments, wiring.catalogue.channel, sorted(wiring.others))
        sides = [chosen(choice, request.args.get(name), place) for place, name in enumerate(("a", "b"))]
        lists = [_list_of(article_id, side.policy, side.channel, now) for side in sides]
        marks, common = moved(*(list_ or [] for list_ in lists))
        return page(
            wiring, "compare.html", story=story(archive, row, now), groups=choice, sides=sides, lists=lists,
            marks=marks, common=common,
        )  # fmt: skip

    def _list_of(article_id: str, policy: str, channel: str, now: int) -> list[dict[str, Any]] | None:
        """The list of one side; None where its channel has no such article, or no snapshot."""
        try:
            archive = wiring.current() if channel == wiring.catalogue.channel else wiring.current_of(channel)
            row = row_of(archive, article_id)
        except (NoSnapshot, ArticleNotFound):
            return None
        found = wiring.lists.for_article(archive, row, Query(explain=True), wiring.policies[policy], now)
        items: list[dict[str, Any]] = msgspec.json.decode(found.body)["items"]
        return items

    @console.route("/draft", methods=["GET", "POST"])
    def draft() -> Response:
        form = {name: request.form.get(name, "") for name in ("headline", "standfirst", "body")}
        policy = policy_of(wiring, request.form.get("policy"))
        content: dict[str, Any] = {"form": form, "policy": policy.name, "items": None, "fault": None}
        if request.method == "POST":
            try:
                text, key = read_draft(msgspec.json.encode(form)), signed_in().key
                query, archive = Query(limit=8), wiring.current()
                found = related_to_draft(archive, text, query, policy, wiring.clock(), wiring.search, key.brand)
                content["items"] = msgspec.json.decode(found.body)["items"]
            except InvalidArticle as error:
                content["fault"] = f"The {error}."
            except SearchUnavailable:
                content["fault"] = "Drafts cannot be compared now: the search process is away. Try again in a moment."
        return page(wiring, "draft.html", policies=list(wiring.policies), **content)

    @console.get("/storylines")
    def all_storylines() -> Response:
        return page(wiring, "storylines.html", storylines=storylines(wiring.current(), wiring.clock()))

    @console.get("/storyline")
    def storyline() -> Response:
        archive, now = wiring.current(), wiring.clock()
        row = row_of(archive, request.args.get("id", ""))
        return page(wiring, "storyline.html", story=story(archive, row, now), days=timeline(archive, row, now))


def _overviews(console: Blueprint, wiring: Wiring) -> None:
    """Experiments, snapshots, health."""
    catalogue, settings = wiring.catalogue, wiring.settings

    @console.get("/experiments")
    def all_experiments() -> Response:
        found = experiments(wiring.experiments, wiring.access.today(), settings.reports)
        others = other_reports(wiring.experiments, settings.reports)
        return page(wiring, "experiments.html", experiments=found, other_reports=others)

    if settings.reports is not None:
        shown = files_of(settings.reports)

        @console.get("/reports/<path:name>")
        def report(name: str) -> Response:
            response = shown(name)
            response.headers["Cache-Control"] = "private, no-store"
            return response

    @console.get("/snapshots")
    def all_snapshots() -> Response:
        try:
            serving = wiring.current().id
        except NoSnapshot:
            serving = None
        found = snapshots(catalogue, serving)
        return page(wiring, "snapshots.html", snapshots=found, channel=catalogue.channel)

    @console.post("/snapshots/serve")
    def serve() -> ResponseReturnValue:
        snapshot_id = request.form.get("id", "")
        if request.form.get("sure") != "yes":
            raise ProblemFound(422, "not_confirmed", "Tick “I am sure” to serve another snapshot.")
        if signed_in().key.brand:
            raise ProblemFound(403, "other_brand", "A key of one brand cannot change the snapshot of all.")
        try:
            catalogue.activate(snapshot_id)
        except (UnknownSnapshot, StoreLocked, DamagedSnapshot, OSError) as error:
            raise ProblemFound(409, "cannot_serve", f"Nothing was changed: {error}.") from None
        catalogue.refresh()
        return redirect(url_for("console.all_snapshots"), 303)

    @console.get("/health")
    def health() -> Response:
        archive, now = wiring.current(), wiring.clock()
        lists = lists_of_newest(archive, usual_policy(wiring), now)
        found = signs(archive, lists, wiring.problems(), catalogue.live_lag_seconds, settings.queue_limit, now)
        return page(wiring, "health.html", signs=found, snapshot=archive.snapshot)
