"""Publishes, updates and withdraws articles in the live store, for holders of a key."""

from __future__ import annotations

import msgspec

from index.article import Article, Teaser, epoch_seconds, iso_time
from index.ingest.addresses import addresses, former_addresses, is_address, with_aliases
from index.ingest.article_log import age
from index.ingest.id_clashes import alias_clash_reason, clash_reason, clashes
from index.snapshot.attributes import NEVER
from service.api.context import Wiring
from service.archive.manager import NoSnapshot
from service.archive.view import Archive
from service.auth.api_keys import Key
from service.http.problems import ProblemFound
from service.live_store.changes import ABSENT, Written
from service.live_store.store import LiveStore

RETRY_SECONDS = 5
CLOCK_SLACK_SECONDS = 3600  # by which a sender's clock may be ahead; a later date is no date of a change


class ArticleWriter:
    """Writes articles: durable when a method returns, and known to this worker."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

    @property
    def store(self) -> LiveStore:
        """Raises `ProblemFound` 503 where there is none."""
        store = self._wiring.catalogue.live_store
        if store is None:
            raise ProblemFound(503, "no_live_store", "This installation has no live store: RELATED_LIVE is off.")
        return store

    def publish(self, article: Article, key: Key, expected: str | None, keep_withdrawn: bool = False) -> Written:
        """Publish, or update, or with the status "withdrawn" withdraw. Raises `ProblemFound`.

        `keep_withdrawn`: leave a withdrawn article as it is unless this version is newer than the withdrawal.
        """
        archive = self.archive()
        if article.status == "published":
            self.check_queue(archive, 1)
        with self.store.transaction() as store:
            if keep_withdrawn and article.status == "published":
                self._check_withdrawn(store, archive, article)
            written = self.put_within(store, archive, article, key, expected)
        self._wiring.catalogue.catch_up()
        return written

    def put_within(
        self, store: LiveStore, archive: Archive | None, article: Article, key: Key, expected: str | None
    ) -> Written:
        """Store a version within a transaction of the caller. Raises `ProblemFound` 403, 409."""
        row = archive.row_of_id(article.id) if archive else None
        if archive and row is not None and (own := archive.own_id(row)) not in (None, article.id):
            raise ProblemFound(409, "moved", f"{article.id[:200]!r} is a former ID of {own!r}: write there.")
        if key.brand:
            article = self._branded(store, article, key, archive)
        article = _next_version(article, store, archive)
        version = archive.version(row) if archive and row is not None else None
        at = self._wiring.clock()
        return store.put(article, by=key.name, at=at, expected=expected, snapshot_version=version)

    def _check_withdrawn(self, store: LiveStore, archive: Archive | None, article: Article) -> None:
        """Raises `ProblemFound` 409 for a version that is not newer than the withdrawal of its article."""
        withdrawn_at = _withdrawn_at(store, archive, article.id)
        if withdrawn_at is None:
            return
        if not withdrawn_at < age(article) <= self._wiring.clock() + CLOCK_SLACK_SECONDS:
            when = iso_time(withdrawn_at)
            raise ProblemFound(409, "withdrawn", f"Withdrawn {when}, and this version is not dated after that.")

    def withdraw(self, article_id: str, key: Key, note: str, expected: str | None) -> Written:
        """Withdraw an article, also one that nobody has heard of yet. Raises `ProblemFound`."""
        with self.store.transaction() as store:
            written = self.withdraw_within(store, self.archive(), article_id, key, note, expected)
        self._wiring.catalogue.catch_up()
        return written

    def withdraw_within(
        self, store: LiveStore, archive: Archive | None, article_id: str, key: Key, note: str, expected: str | None
    ) -> Written:
        """Withdraw within a transaction of the caller. Raises `ProblemFound` 403, 404."""
        row = archive.row_of_id(article_id) if archive else None
        if archive and row is not None:
            article_id = archive.own_id(row) or article_id  # by a former ID, the article itself is meant
        if key.brand:
            self.check_brand(store, article_id, key, archive)
            if row is None and expected in (None, ABSENT) and store.state_of(article_id) is None:
                reason = (
                    f"No article {article_id[:200]!r}: a key of a brand withdraws only articles known as its own."
                )
                raise ProblemFound(404, "article_not_found", reason)
        return store.withdraw(
            article_id,
            by=key.name,
            at=self._wiring.clock(),
            note=note,
            expected=expected,
            snapshot_version=archive.version(row) if archive and row is not None else None,
            known=row is not None,
        )

    def archive(self) -> Archive | None:
        """What is served now; None before the first snapshot."""
        try:
            return self._wiring.current()
        except NoSnapshot:
            return None  # what is written now is served with the first snapshot

    def check_queue(self, archive: Archive | None, more: int) -> None:
        """Raises `ProblemFound` 429 where `more` articles would exceed the limit of those waiting for comparison."""
        waiting = archive.waiting_count if archive else 0
        if waiting and waiting + more > self._wiring.settings.queue_limit:
            raise ProblemFound(
                429, "queue_full", f"{waiting:,} articles wait to be compared: try again later.", RETRY_SECONDS
            )

    def _branded(self, store: LiveStore, article: Article, key: Key, archive: Archive | None) -> Article:
        """The article under the brand of the key, which must be that of all the articles whose IDs it takes."""
        if article.brand not in ("", key.brand):
            raise _other_brand(key, article.brand)
        for article_id in (article.id, *article.aliases):
            self.check_brand(store, article_id, key, archive)
        if archive:
            # The check of URLs needs what other workers have stored a moment ago.
            archive = archive.after(store.changes(archive.sequence, archive.id))
            self._check_brand_of_addresses(store, article, key, archive)
        return msgspec.structs.replace(article, brand=key.brand)

    def _check_brand_of_addresses(self, store: LiveStore, article: Article, key: Key, archive: Archive) -> None:
        """Raises `ProblemFound` 403 for a URL, or an alias that is one, of an article of another brand, or of none.

        A path without a host may stand for pages of several brands. An address that the article has already stays.
        """
        known = _known_version(store, archive, article.id)
        held = addresses(known.url, known.aliases) if known else set[str]()
        for address in sorted(addresses(article.url, article.aliases) - held):
            row = None if address.startswith("/") else archive.row_of_url(address)
            if row is None:
                continue
            brand = archive.names["brand"][archive.fact(row).brand]
            if brand != key.brand:
                raise _other_brand(key, brand, f"{address[:200]} is an address of an article of")

    def check_brand(self, store: LiveStore, article_id: str, key: Key, archive: Archive | None) -> None:
        """Raises `ProblemFound` 403 for an article of another brand, or of none, here or in the live store."""
        row = archive.row_of_id(article_id) if archive else None
        if archive and row is not None and (archive.own_id(row) is not None or archive.fact(row).brand):
            brand = archive.names["brand"][archive.fact(row).brand]
            if brand != key.brand:
                raise _other_brand(key, brand)
        state = store.state_of(article_id)  # another worker may have taken it a moment ago
        if state is not None and state.summary is not None and state.summary.brand != key.brand:
            raise _other_brand(key, state.summary.brand)


def _withdrawn_at(store: LiveStore, archive: Archive | None, article_id: str) -> int | None:
    """When the article was withdrawn, epoch seconds; at the latest, where only the snapshot says that it was."""
    if (state := store.state_of(article_id)) is not None:
        return state.changed_at if state.state == "withdrawn" else None
    row = archive.row_of_id(article_id) if archive else None
    if archive is None or row is None or archive.fact(row).visible_from != NEVER:
        return None
    return archive.manifest.built_at


def _shown(archive: Archive, row: int) -> Article | None:
    """What readers see of a row's article, and its brand; None where only its withdrawal is known."""
    if archive.own_id(row) is None:
        return None
    teaser = msgspec.json.decode(archive.teaser(row), type=Teaser)
    return Article(
        id=teaser.id,
        url=teaser.url,
        headline=teaser.headline,
        published_at=epoch_seconds(teaser.published_at, "published_at"),
        brand=archive.names["brand"][archive.fact(row).brand],
    )


def _known_version(store: LiveStore, archive: Archive | None, article_id: str) -> Article | None:
    """What is known of the article that has this ID, or declares it as an alias; None where nothing is."""
    row = archive.row_of_id(article_id) if archive else None
    return store.article(article_id) or (_shown(archive, row) if archive and row is not None else None)


def _next_version(article: Article, store: LiveStore, archive: Archive | None) -> Article:
    """The article with the addresses it had before, also under a former ID, but those that another one has by now.

    Raises `ProblemFound` 409 where its ID, or an alias that it has not had before, is that of another site's article.
    """
    former, rows = tuple[str, ...](), set[int | None]([None])
    current = store.article(article.id)
    declared = current.aliases if current else ()
    for article_id in (article.id, *(alias for alias in article.aliases if not is_address(alias))):
        row = archive.row_of_id(article_id) if archive else None
        known = _known_version(store, archive, article_id)
        if known is None:
            continue
        if article_id == article.id:
            if clashes(known, article, may_have_moved=True):
                raise ProblemFound(409, "id_taken", f"{clash_reason(known, article)}.")
        elif article_id not in declared and not (archive and row is not None and archive.own_id(row) == article.id):
            reason = alias_clash_reason(article_id, known, article)
            if reason:
                raise ProblemFound(409, "id_taken", f"{reason}.")
        former = former_addresses(article, known, former)
        rows.add(row)
    if archive is None or not former:
        return article
    return with_aliases(
        article, tuple(each for each in former if {archive.row_of_url(each), archive.row_of_id(each)} <= rows)
    )


def _other_brand(key: Key, brand: str, what: str = "this is of") -> ProblemFound:
    whose = repr(brand) if brand else "no brand"
    return ProblemFound(403, "other_brand", f"The key {key.name!r} writes for {key.brand!r}, and {what} {whose}.")
