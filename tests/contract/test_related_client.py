"""The client that newsrooms copy: it asks what the OpenAPI document describes, and a real service understands it."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from constants import ROOT
from newsroom import EDITOR, READER, SECRET, WRITER, Newsroom, record, story
from served_app import Counted, served_app

from scripts.clients.related_client import Client, Problem, send_webhook

FERRY = "ferry river crossing timetable captain jetty"
ARCHIVE = [
    *(story(f"ferry/{n}", FERRY, 1 + n, url=f"/ferry/{n}") for n in range(4)),
    *(story(f"x/{n}", f"a{n} b{n}", 9) for n in range(8)),
]
SOURCE = (ROOT / "scripts" / "clients" / "related_client.py").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")


@pytest.fixture
def newsroom(tmp_path: Path) -> Iterator[Newsroom]:
    newsroom = Newsroom(tmp_path, clock=int(time.time()))
    newsroom.rebuild(ARCHIVE)
    newsroom.worker()
    yield newsroom
    newsroom.close()


@pytest.fixture
def service(newsroom: Newsroom) -> Iterator[Counted]:
    with served_app(newsroom.worker().application) as counted:
        yield counted


def calls() -> list[tuple[str, str, str, set[str]]]:
    """Of each of the client's methods: its name, the method and path it asks, and the parameters it names itself."""
    found = []
    for each in next(
        node for node in ast.parse(SOURCE).body if isinstance(node, ast.ClassDef) and node.name == "Client"
    ).body:
        if not isinstance(each, ast.FunctionDef) or each.name.startswith("_"):
            continue
        call = next(
            node for node in ast.walk(each) if isinstance(node, ast.Call) and ast.unparse(node.func) == "self._call"
        )
        method, path = (ast.literal_eval(node) for node in call.args[:2])
        names = {
            ast.literal_eval(key)
            for node in ast.walk(call.args[2])
            if isinstance(node, ast.Dict)
            for key in node.keys
            if key
        }
        found.append((each.name, method.lower(), path, names))
    return found


def test_every_call_of_the_client_is_an_operation_of_the_document_with_its_parameters(newsroom: Newsroom) -> None:
    paths = newsroom.client.get("/openapi.json").get_json()["paths"]
    assert len(calls()) == 9
    for name, method, path, parameters in calls():
        operation = paths[path][method]
        declared = {each["name"]: each for each in operation.get("parameters", [])}
        assert parameters <= declared.keys(), name
        assert {each["name"] for each in declared.values() if each.get("required")} <= parameters, name
        assert ("requestBody" in operation) == (method in ("put", "post")), name
    assert "post" in paths["/v1/webhooks/{key}"]


def test_what_is_published_is_listed_changed_and_withdrawn(service: Counted) -> None:
    writer, editor, reader = (Client(service.url, key) for key in (WRITER, EDITOR, READER))
    article = record("ferry/new?&ü", FERRY)
    assert writer.publish(article.pop("id"), article)["changed"] is True
    assert reader.article("ferry/new?&ü")["teaser"]["headline"] == article["headline"]
    listed = reader.related("ferry/0", limit=2, exclude=["ferry/1", "x/1"], explain=True, fallback="recent")
    assert (len(listed["items"]), "explain" in listed["items"][0]) == (2, True)
    assert "ferry/1" not in [each["teaser"]["id"] for each in listed["items"]]
    assert '<section class="related-stories' in reader.related_html("ferry/0", fallback="recent")
    assert [each["article_id"] for each in reader.related_batch(["ferry/0", "x/1"])["lists"]] == ["ferry/0", "x/1"]
    editor.set_signals("ferry/0", [{"kind": "pin", "target": "x/1", "position": 1}])
    assert editor.signals("ferry/0")["signals"][0]["target"] == "x/1"
    assert writer.withdraw("ferry/new?&ü", note="legal")["known"] is True
    assert reader.article("ferry/new?&ü")["state"] == "withdrawn"
    with pytest.raises(Problem) as caught:
        reader.related("ferry/new?&ü")
    assert (caught.value.status, caught.value.code) == (410, "article_withdrawn")


def test_problems_carry_code_detail_and_how_long_to_wait(service: Counted) -> None:
    with pytest.raises(Problem, match="key_missing"):
        Client(service.url).publish("a", {"headline": "A"})
    with pytest.raises(Problem, match="400 unknown_parameter"):
        Client(service.url).related("ferry/0", nope=1)
    with pytest.raises(Problem) as caught:
        Client(service.url, READER).related_to_draft({"headline": "Ferry", "body": FERRY})
    assert (caught.value.status, caught.value.code) == (503, "search_unavailable")
    assert caught.value.retry_after
    with pytest.raises(ValueError, match="is no http address"):
        Client("file:///etc").article("passwd")


def test_a_webhook_is_signed_as_the_service_wants_it(service: Counted) -> None:
    article = {**record("courier/a", FERRY), "brand": "courier"}
    withdrawals = [{"action": "withdraw", "id": identifier} for identifier in ("courier/a", "courier/none")]
    events = [{"action": "publish", "article": article}, *withdrawals]
    answer = send_webhook(service.url, "courier", SECRET, events)
    assert [(each["done"], each.get("code")) for each in answer["results"]] == [
        (True, None),
        (True, None),
        (False, "article_not_found"),  # a brand withdraws only what is known as its own
    ]
    with pytest.raises(Problem, match="wrong_signature"):
        send_webhook(service.url, "courier", "another secret", events)


def test_the_client_needs_nothing_but_the_standard_library(tmp_path: Path) -> None:
    copy = tmp_path / "related_client.py"
    copy.write_text(SOURCE)
    done = subprocess.run([sys.executable, "-I", "-S", str(copy)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(SOURCE.splitlines()) < 150


def test_the_commands_and_methods_that_the_guide_names_exist() -> None:
    guide = README.partition("## Plugs into your CMS")[2].partition("\n## ")[0]
    assert "related_client" in guide
    methods = dict(inspect.getmembers(Client, inspect.isfunction))
    assert set(re.findall(r"client\.(\w+)\(", guide)) <= methods.keys()
    assert all((ROOT / each).is_file() for each in re.findall(r"scripts/[\w/-]+\.(?:py|php)", guide))
