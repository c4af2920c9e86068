"""Owns the console's addresses: who may open them, what each page shows, what each form does."""

from __future__ import annotations

import hmac
from typing import Any

import msgspec
from flask import Blueprint, Flask, Response, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from index.article import InvalidArticle
from index.snapshot import DamagedSnapshot
from index.store import StoreLocked, UnknownSnapshot
from service.api.problems import ProblemFound
from service.api.wiring import Wiring
from service.api.writing import Newsroom
from service.archive import Archive
from service.catalogue import NoSnapshot
from service.console.browsing import by_meaning, by_words, newest, story
from service.console.comparison import chosen, groups, moved
from service.console.desk import UNTIL, WISHES, history, told, wish, with_wish
from service.console.overview import experiments, lists_of_newest, signs, snapshots
from service.console.session import COOKIE, SECONDS, Session, Sessions
from service.console.storylines import storylines, timeline
from service.drafts import read_draft, related_to_draft
from service.live.changes import InvalidSignals
from service.policy import Policy
from service.query import Query
from service.related import ArticleNotFound, related
from service.search_client import SearchUnavailable

PAGE = 40
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' https: data:; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)


def register_console(app: Flask, wiring: Wiring) -> None:
    """Install /console/."""
    console = Blueprint(
        "console", __name__, url_prefix="/console", template_folder="templates", static_folder="static"
    )
    _guard(console, wiring)
    _articles(console, wiring)
    _signals(console, wiring)
    _tools(console, wiring)
    _overviews(console, wiring)
    app.register_blueprint(console)


def _guard(console: Blueprint, wiring: Wiring) -> None:
    """Signing in and out; nothing else is open to who has not, and no form counts that is not ours."""
    sessions = Sessions(wiring.access, wiring.settings.events_directory or wiring.settings.store, wiring.clock)

    @console.before_request
    def signed_in() -> ResponseReturnValue | None:
        if request.endpoint in ("console.static", "console.sign_in"):
            if request.method == "POST" and _from_elsewhere():
                raise _not_ours()
            return None
        g.session = sessions.read(request.cookies.get(COOKIE, ""))
        if g.session is None:
            asked = request.full_path.removesuffix("?") if request.method == "GET" else None
            return redirect(url_for("console.sign_in", next=asked), 303)
        if request.method == "POST":
            given = request.form.get("form_token", "")
            if _from_elsewhere() or not hmac.compare_digest(given.encode(), g.session.form_token.encode()):
                raise _not_ours()
        return None

    @console.route("/sign-in", methods=["GET", "POST"])
    def sign_in() -> ResponseReturnValue:
        if request.method == "GET":
            return _page(wiring, "sign-in.html", refused=False)
        cookie = sessions.opened(request.form.get("key", "").strip())
        if cookie is None:
            return _page(wiring, "sign-in.html", refused=True), 403
        target = request.args.get("next", "")
        ours = target.startswith("/console/") and "\\" not in target
        response = redirect(target if ours else url_for("console.archive"), 303)
        response.set_cookie(
            COOKIE, cookie, SECONDS, path="/console", secure=request.is_secure, httponly=True, samesite="Lax"
        )
        return response

    @console.post("/sign-out")
    def sign_out() -> ResponseReturnValue:
        response = redirect(url_for("console.sign_in"), 303)
        response.delete_cookie(COOKIE, path="/console")
        return response

    @console.after_app_request
    def problems(response: Response) -> Response:
        """A problem on an address of the console, as a page."""
        if not request.path.startswith("/console") or response.mimetype != "application/problem+json":
            return response
        page = _page(wiring, "problem.html", problem=msgspec.json.decode(response.get_data()))
        page.status_code = response.status_code
        return page


def _articles(console: Blueprint, wiring: Wiring) -> None:
    """Finding an article, and its page with its block."""

    @console.get("/")
    def archive() -> Response:
        found, now = wiring.current(), wiring.clock()
        text, section = request.args.get("q", "").strip()[:300], request.args.get("section") or None
        skip = max(0, request.args.get("from", 0, int))
        content: dict[str, Any] = {"q": text, "section": section, "skip": skip, "meant": [], "search_away": False}
        if text:
            content["stories"] = by_words(found, text, now)
            try:
                known = [each["id"] for each in content["stories"]]
                content["meant"] = by_meaning(found, text, _usual(wiring), now, wiring.search, known)
            except SearchUnavailable:
                content["search_away"] = True
        else:
            content["stories"] = newest(found, now, section, skip, PAGE)
        under = request.args.get("for")
        source = None if under is None else story(found, _row(found, under), now)
        sections = sorted(name for name in found.names["section"] if name)
        return _page(wiring, "archive.html", sections=sections, page=PAGE, source=source, **content)

    @console.get("/article")
    def article() -> Response:
        found, now = wiring.current(), wiring.clock()
        row = _row(found, request.args.get("id", ""))
        policy = _policy(wiring, request.args.get("policy"))
        article_id = found.own_id(row) or ""
        answer = related(found, row, Query(explain=True), policy, now, wiring.search, wiring.popular)
        store = wiring.catalogue.live.store
        held = None if store is None else store.signals_of(article_id)
        return _page(
            wiring,
            "article.html",
            story=story(found, row, now),
            answer=msgspec.json.decode(answer.body),
            policies=list(wiring.policies.by_name.values()),
            signals=told(found, held, now),
            version=held.version if held else "",
            history=[] if store is None else history(store, article_id),
            until=UNTIL,
            wishes=WISHES,
            writable=store is not None,
            done=request.args.get("done", "")[:200],
        )


def _signals(console: Blueprint, wiring: Wiring) -> None:
    """Pin, boost, bury, leave out; and taking it back."""
    newsroom = Newsroom(wiring)

    @console.post("/signals")
    def add() -> ResponseReturnValue:
        archive = wiring.current()
        source = archive.own_id(_row(archive, request.form.get("article", ""))) or ""
        target = archive.own_id(_row(archive, request.form.get("story", "").strip())) or ""
        asked = {**request.form, "article": source, "story": target}
        try:
            owner, signal = wish(asked, wiring.clock())
        except InvalidSignals as error:
            raise ProblemFound(422, "invalid_signals", f"This cannot be done: {error}.") from None
        newsroom.check_signals(owner, _session().key)
        held = newsroom.store.signals_of(owner)
        _set(owner, with_wish(held.signals if held else (), signal), held.version if held else None)
        return _back(source, f"{signal.kind}:{target}")

    @console.post("/signals/remove")
    def remove() -> ResponseReturnValue:
        owner = request.form.get("article", "")
        newsroom.check_signals(owner, _session().key)
        held = newsroom.store.signals_of(owner)
        at = request.form.get("at", -1, int)
        if held is None or held.version != request.form.get("version") or not 0 <= at < len(held.signals):
            raise ProblemFound(
                409, "changed_meanwhile", "Somebody changed these signals meanwhile: look again, then remove."
            )
        _set(owner, (*held.signals[:at], *held.signals[at + 1 :]), held.version)
        return _back(owner, "removed:")

    def _set(owner: str, signals: Any, expected: str | None) -> None:
        by, at = _session().key.name, wiring.clock()
        newsroom.store.set_signals(owner, signals, by=by, at=at, expected=expected)
        wiring.catalogue.catch_up()

    def _back(article_id: str, done: str) -> ResponseReturnValue:
        policy = request.form.get("policy") or None
        return redirect(url_for("console.article", id=article_id, policy=policy, done=done), 303)


def _tools(console: Blueprint, wiring: Wiring) -> None:
    """Lists side by side, lists of drafts, storylines."""

    @console.get("/compare")
    def compare() -> Response:
        archive, now = wiring.current(), wiring.clock()
        row = _row(archive, request.args.get("id", ""))
        article_id = archive.own_id(row) or ""
        choice = groups(wiring.policies, wiring.experiments, wiring.catalogue.channel, sorted(wiring.others))
        sides = [chosen(choice, request.args.get(name), place) for place, name in enumerate(("a", "b"))]
        lists = [_list_of(article_id, side.policy, side.channel, now) for side in sides]
        marks, common = moved(*(each or [] for each in lists))
        return _page(
            wiring, "compare.html", story=story(archive, row, now), groups=choice, sides=sides, lists=lists,
            marks=marks, common=common,
        )  # fmt: skip

    def _list_of(article_id: str, policy: str, channel: str, now: int) -> list[dict[str, Any]] | None:
        """The list of one side; None where its channel has no such article, or no snapshot."""
        try:
            archive = wiring.current() if channel == wiring.catalogue.channel else wiring.current_of(channel)
            row = _row(archive, article_id)
        except (NoSnapshot, ArticleNotFound):
            return None
        found = related(
            archive, row, Query(explain=True), wiring.policies[policy], now, wiring.search, wiring.popular
        )
        items: list[dict[str, Any]] = msgspec.json.decode(found.body)["items"]
        return items

    @console.route("/draft", methods=["GET", "POST"])
    def draft() -> Response:
        form = {name: request.form.get(name, "") for name in ("headline", "standfirst", "body")}
        policy = _policy(wiring, request.form.get("policy"))
        content: dict[str, Any] = {"form": form, "policy": policy.name, "items": None, "fault": None}
        if request.method == "POST":
            try:
                text, key = read_draft(msgspec.json.encode(form)), _session().key
                query, archive = Query(limit=8), wiring.current()
                found = related_to_draft(archive, text, query, policy, wiring.clock(), wiring.search, key.brand)
                content["items"] = msgspec.json.decode(found.body)["items"]
            except InvalidArticle as error:
                content["fault"] = f"The {error}."
            except SearchUnavailable:
                content["fault"] = "Drafts cannot be compared now: the search process is away. Try again in a moment."
        return _page(wiring, "draft.html", policies=list(wiring.policies.by_name.values()), **content)

    @console.get("/storylines")
    def all_storylines() -> Response:
        return _page(wiring, "storylines.html", storylines=storylines(wiring.current(), wiring.clock()))

    @console.get("/storyline")
    def storyline() -> Response:
        archive, now = wiring.current(), wiring.clock()
        row = _row(archive, request.args.get("id", ""))
        return _page(wiring, "storyline.html", story=story(archive, row, now), days=timeline(archive, row, now))


def _overviews(console: Blueprint, wiring: Wiring) -> None:
    """Experiments, snapshots, health."""
    catalogue, settings = wiring.catalogue, wiring.settings

    @console.get("/experiments")
    def all_experiments() -> Response:
        found = experiments(wiring.experiments, wiring.access.today(), settings.reports)
        return _page(wiring, "experiments.html", experiments=found)

    @console.get("/snapshots")
    def all_snapshots() -> Response:
        found = snapshots(catalogue.store, catalogue.channel, wiring.current().id)
        return _page(wiring, "snapshots.html", snapshots=found, channel=catalogue.channel)

    @console.post("/snapshots/serve")
    def serve() -> ResponseReturnValue:
        snapshot_id = request.form.get("id", "")
        if request.form.get("sure") != "yes":
            raise ProblemFound(422, "not_confirmed", "Tick “I am sure” to serve another snapshot.")
        if _session().key.brand:
            raise ProblemFound(403, "other_brand", "A key of one brand cannot change the snapshot of all.")
        try:
            with catalogue.store.lock():
                catalogue.store.activate(snapshot_id, catalogue.channel)
        except (UnknownSnapshot, StoreLocked, DamagedSnapshot) as error:
            raise ProblemFound(409, "cannot_serve", f"Nothing was changed: {error}.") from None
        catalogue.refresh()
        return redirect(url_for("console.all_snapshots"), 303)

    @console.get("/health")
    def health() -> Response:
        archive, now = wiring.current(), wiring.clock()
        lists = lists_of_newest(archive, _usual(wiring), now)
        lag = catalogue.live.lag_seconds if catalogue.live.store is not None else 0.0
        found = signs(archive, lists, wiring.problems(), lag, settings.queue_limit, now)
        return _page(wiring, "health.html", signs=found, snapshot=archive.snapshot)


def _row(archive: Archive, asked: str) -> int:
    """The row of an ID, alias or URL; an editor may see what readers may not yet. Raises `ArticleNotFound`."""
    row = archive.row_of_id(asked) if asked else None
    row = archive.row_of_url(asked) if row is None and asked else row
    if row is None or archive.own_id(row) is None:
        raise ArticleNotFound(asked, archive.id)
    return row


def _usual(wiring: Wiring) -> Policy:
    return wiring.policies[wiring.policies.default]


def _policy(wiring: Wiring, name: str | None) -> Policy:
    return wiring.policies.by_name.get(name or "", _usual(wiring))


def _session() -> Session:
    session: Session = g.session
    return session


def _from_elsewhere() -> bool:
    """Whether the browser says that another site sent this form."""
    return request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none")


def _not_ours() -> ProblemFound:
    return ProblemFound(
        403, "form_expired", "This form is not valid any more: go back, load the page again, and send."
    )


def _page(wiring: Wiring, template: str, **content: Any) -> Response:
    session: Session | None = g.get("session")
    page = render_template(f"console/{template}", title=wiring.settings.title, session=session, **content)
    response = Response(page, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "private, no-store"
    return response
