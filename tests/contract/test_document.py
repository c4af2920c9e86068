"""The served OpenAPI document against the service that serves it: made-up requests, all checks of schemathesis.

Each operation gets valid requests and, as many, invalid ones: 30 together in the short form, 5,000 in the long one
(`pytest -m proof tests/contract/test_document.py`).
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import pytest
import schemathesis
from hashing_embedder import HashingEmbedder
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from newsroom import EDITOR, WRITER, Newsroom, story
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import positive_data_acceptance
from schemathesis.config import SchemathesisConfig

from service.search.server import Searchers, SearchServer

SHORT, LONG = 15, 2_500
# What JSON Schema cannot say of a valid request: an ID is no control character, one of two parameters is given,
# a period begins before it ends, a pin has a position, a headline is not blank, a language is one of ISO 639.
BEYOND_A_SCHEMA = {
    "invalid_id", "invalid_published_after", "invalid_note", "invalid_draft", "invalid_article", "invalid_signals",
    "invalid_examples", "invalid_exclude", "invalid_language", "timestamp_missing", "unknown_webhook",
    "article_withdrawn",
}  # fmt: skip
MOMENTS = st.datetimes(datetime(1600, 1, 2), datetime(2199, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - a bound


@pytest.fixture(scope="module")
def newsroom(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newsroom]:
    folder = tmp_path_factory.mktemp("document")
    socket = folder / "search.sock"
    newsroom = Newsroom(folder, search_socket=socket, log_level="error", draft_deadline_ms=60_000)
    newsroom.rebuild([story(f"ferry/{n}", "ferry river crossing", 10 + n) for n in range(8)])
    with SearchServer(socket, Searchers(newsroom.store, HashingEmbedder())) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield newsroom
        server.shutdown()
        thread.join()
    newsroom.close()


def ask_all(newsroom: Newsroom, cases: int) -> Counter[str]:
    """Ask each operation so often in each way; how many requests each got."""
    schemathesis.openapi.format("date-time", MOMENTS.map(datetime.isoformat))
    ours = SchemathesisConfig.from_dict(
        {"generation": {"with-security-parameters": False}}
    )  # keys are no text to try
    schema = schemathesis.openapi.from_wsgi("/openapi.json", newsroom.client.application, config=ours)
    asked: Counter[str] = Counter()
    for found in schema.get_all_operations():
        for mode in GenerationMode.POSITIVE, GenerationMode.NEGATIVE:
            asked[found.ok().label] += ask(found.ok(), mode, cases)
    return asked


def ask(operation: APIOperation, mode: GenerationMode, cases: int) -> int:
    """Ask one operation so often with requests of a kind; how often it was."""
    scope = operation.definition.raw.get("x-scope")
    headers = {"Authorization": f"Bearer {EDITOR if scope == 'editor' else WRITER}"} if scope else {}
    asked = 0

    def once(case: Case) -> None:
        nonlocal asked
        asked += 1
        answer = case.call(headers=headers)
        refused = answer.status_code in (400, 401, 410, 422) and _code(answer.content) in BEYOND_A_SCHEMA
        excluded = [positive_data_acceptance] if refused else []
        case.validate_response(answer, excluded_checks=excluded, headers=headers)

    often = settings(
        max_examples=cases,
        deadline=None,
        database=None,
        derandomize=cases == SHORT,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    with contextlib.suppress(Unsatisfiable):  # what takes nothing cannot be asked wrongly
        often(given(case=operation.as_strategy(generation_mode=mode))(once))()
    return asked


def _code(body: bytes) -> str:
    try:
        return str(msgspec.json.decode(body, type=dict[str, object]).get("code"))
    except msgspec.DecodeError:
        return body.decode(errors="replace").removeprefix("<!-- related stories: ").removesuffix(" -->")


def test_every_operation_is_as_the_document_says(newsroom: Newsroom) -> None:
    asked = ask_all(newsroom, SHORT)
    assert len(asked) > 20
    assert sum(asked.values()) > 20 * SHORT


@pytest.mark.proof
@pytest.mark.timeout(7_200)
def test_every_operation_is_as_the_document_says_five_thousand_times(newsroom: Newsroom) -> None:
    asked = ask_all(newsroom, LONG)
    print(f"\n{sum(asked.values()):,} requests to {len(asked)} operations")
