"""The plugin for WordPress: what it says of a post's life, the real service believes and does.

It was run in WordPress 6.1 as well (README, "Plugs into your CMS"); here a few functions stand for WordPress.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from constants import ROOT
from newsroom import SECRET, Newsroom, story

from index.article import Article
from service.auth.webhook_signatures import SIGNATURE, TIMESTAMP

PLUGIN = ROOT / "scripts" / "clients" / "related-stories.php"
TEXT = PLUGIN.read_text("utf-8")
PHP = shutil.which("php") or ""
needs_php = pytest.mark.skipif(not PHP, reason="php is not installed")


@pytest.fixture
def newsroom(tmp_path: Path) -> Iterator[Newsroom]:
    newsroom = Newsroom(tmp_path, clock=int(time.time()))
    newsroom.rebuild([story(f"x/{n}", f"a{n} b{n}", 9) for n in range(8)])
    newsroom.client = newsroom.worker()
    yield newsroom
    newsroom.close()


def life(secret: str = SECRET, status: int = 200) -> Any:
    """What the plugin did while a post went through the states at the stub's end."""
    stub = ROOT / "tests" / "helpers" / "wordpress_stub.php"
    command = [PHP, "-d", "display_errors=stderr", str(stub), str(PLUGIN), secret]
    done = subprocess.run([*command, str(status)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_the_plugin_signs_by_the_recipe_of_the_service() -> None:
    assert "hash_hmac('sha256', \"$time.$body\", RELATED_SECRET)" in TEXT
    assert f"'{TIMESTAMP}' => $time" in TEXT
    assert f"'{SIGNATURE}' => 'sha256=' ." in TEXT


def test_what_the_plugin_sends_are_fields_of_an_article() -> None:
    sent = TEXT.partition("apply_filters('related_article', [")[2].partition("], $post)")[0]
    named = set(re.findall(r"^        '(\w+)' =>", sent, re.MULTILINE))
    assert {"id", "headline", "body", "published_at", "image"} <= named
    assert named <= set(Article.__struct_fields__)


@needs_php
def test_the_plugin_is_php() -> None:
    done = subprocess.run([PHP, "-l", str(PLUGIN)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


@needs_php
def test_the_service_does_what_the_plugin_says_of_a_post(newsroom: Newsroom) -> None:
    sent = life()["sent"]
    states = []
    for request in sent:
        path = request["url"].removeprefix("https://stories.example")
        answer = newsroom.client.post(path, data=request["body"], headers=request["headers"])
        assert answer.get_json()["results"][0]["done"] is True
        states.append(newsroom.client.get("/v1/article", query_string={"id": "7"}).get_json()["state"])
    # a draft and a page: nothing; published; protected, then not; into the trash and out of it; deleted
    assert states == ["published", "withdrawn", "published", "withdrawn", "published", "withdrawn"]
    notes = [json.loads(request["body"]).get("note") for request in sent]
    assert notes[1::2] == ["publish, with a password", "trash", "deleted"]


@needs_php
def test_a_post_arrives_as_an_import_reads_it(newsroom: Newsroom) -> None:
    request = life()["sent"][0]
    newsroom.client.post("/v1/webhooks/courier", data=request["body"], headers=request["headers"])
    ((_, article),) = newsroom.live.records(0)[1]
    assert (article.headline, article.section, article.body) == ("Ferry & bus", "Ships & Sea", "The jetty is shut.")
    assert (article.authors, article.tags, article.language) == (("Tom Ashdown",), (), "de")
    assert [link.url for link in article.links] == ["/jetty"]
    assert article.image is not None
    assert article.image.alt == "The jetty"
    assert article.url == "https://courier.example/ferry/"


@needs_php
@pytest.mark.parametrize(("status", "again"), [(200, 0), (401, 6), (409, 6), (422, 0), (429, 6), (503, 6)])
def test_what_the_service_cannot_take_now_is_sent_again_later(status: int, again: int) -> None:
    assert life(status=status)["scheduled"] == [["related_sync", [7]]] * again


@needs_php
def test_the_block_stands_under_the_page_s_own_post_alone() -> None:
    found = life()
    assert found["shown"] == ['<p>Text</p><related-stories article="7"></related-stories>', "<p>Text</p>"]
    assert found["scripts"] == ["https://stories.example/embed.js"]


@needs_php
def test_without_its_settings_the_plugin_only_says_so() -> None:
    found = life(secret="")
    assert (found["hooks"], found["sent"], found["shown"]) == (["admin_notices"], [], ["<p>Text</p>"] * 2)
