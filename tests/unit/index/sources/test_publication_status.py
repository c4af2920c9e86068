"""Only what a record says is public becomes an article, in every format; damage never makes a draft public."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from constants import ROOT
from pyarrow import parquet

from index.article import Article, InvalidArticle, article_from_record
from index.sources import Rejection, Tally, Unpublished, Withdrawal, read_input, read_source, xml_bytes
from index.sources.mapping import read_mapping
from index.sources.opening import stream

REPORTS = ROOT / "tests" / "reports"
UNREADABLE = "status: is missing, so that nobody can tell whether readers may see it"
Record = Article | Rejection


def read(name: str, content: bytes | str, tally: Tally | None = None, mapping: Any = None) -> list[Record]:
    raw = content.encode() if isinstance(content, str) else content
    return list(read_input(stream(io.BytesIO(raw), name), tally or Tally(), mapping))


def lines(*records: dict[str, Any]) -> bytes:
    return b"\n".join(map(msgspec.json.encode, records))


def shown(records: list[Record]) -> list[str]:
    return [each.id for each in records if isinstance(each, Article)]


def hidden(records: list[Record]) -> list[str]:
    return [each.id for each in records if isinstance(each, Unpublished)]


def reasons(records: list[Record]) -> list[str]:
    return [each.reason for each in records if isinstance(each, Rejection) and not isinstance(each, Withdrawal)]


def export(item: str) -> str:
    text = (REPORTS / "03b_wxr_control_draft.xml").read_text("utf-8")
    return f"{text.partition('<item>')[0]}{item}</channel></rss>"


ITEM = (
    "<item><title>Weir</title><wp:post_id>22</wp:post_id><wp:status>publish</wp:status>"
    "<wp:post_type>post</wp:post_type></item>"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_an_export_with_control_characters_is_cleaned_and_read_whole(encoding: str) -> None:
    content = (REPORTS / "03_wxr_control.xml").read_bytes()
    if encoding != "utf-8":
        content = content.decode("cp1252").encode(encoding)
    found = [each for each in read("a.xml", content) if isinstance(each, Article)]
    assert [each.id for each in found] == ["21", "22", "23", "24"]
    assert [each.body.endswith(f"found cracks in pier {each.id}.") for each in found] == [True] * 4
    assert found[1].headline == "Bridge report 22 on the weir"
    assert "weir été and" in found[2].body


def test_a_draft_with_a_control_character_stays_a_draft_under_its_own_id() -> None:
    tally = Tally()
    found = list(read_source(REPORTS / "03b_wxr_control_draft.xml", tally))
    assert (shown(found), hidden(found), reasons(found), tally.unpublished) == (["21", "23"], ["22"], [], 1)


@pytest.mark.parametrize("size", range(1, 12))
@pytest.mark.parametrize(
    ("damage", "headline"),
    [
        ("\x10", "Weir"),
        ("&#16;", "Weir"),
        ("&#x10;", "Weir"),
        ("&nbsp;", "We ir"),
        ("é", "Weéir"),
        ("&#38;", "We&ir"),
    ],
)
def test_what_xml_forbids_is_cleaned_where_two_pieces_of_a_file_meet(
    size: int, damage: str, headline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xml_bytes, "PIECE_BYTES", size)
    (found,) = read("a.xml", export(ITEM.replace("Weir", f"We{damage}ir")))
    assert isinstance(found, Article)
    assert found.headline == headline


def test_a_declared_encoding_counts_and_a_byte_that_is_not_utf_8_is_windows_1252() -> None:
    text = export(ITEM.replace("Weir", "Wéir “a”"))
    declared = text.replace('encoding="UTF-8"', 'encoding="iso-8859-1"').encode("cp1252")
    koi8 = export(ITEM.replace("Weir", "Мост")).replace('encoding="UTF-8"', "encoding='KOI8-R'").encode("koi8-r")
    found = [read("a.xml", each) for each in (text.encode("cp1252"), declared, koi8)]
    assert [each.headline for (each,) in found if isinstance(each, Article)] == ["Wéir “a”", "Wéir “a”", "Мост"]


@pytest.mark.parametrize(
    ("cut", "reason"),
    [
        ("<wp:status>publish</wp:status>", UNREADABLE),
        ("<wp:post_type>post</wp:post_type>", UNREADABLE),
        ("<wp:post_id>22</wp:post_id>", "id: is missing"),
        ("publish", UNREADABLE),
        ("</wp:status>", "the XML is damaged here: "),
        ("Weir</title>", "the XML is damaged here: "),
        ("</item></channel></rss>", "the XML is damaged here: the file ends amid it"),
    ],
)
def test_an_item_that_lost_a_part_is_rejected_by_name_and_gets_no_other_id(cut: str, reason: str) -> None:
    whole = export(ITEM.replace("<title>", "<guid>https://brindle.example/?p=22</guid><title>"))
    (found,) = read("a.xml", whole.replace(cut, "", 1))
    assert isinstance(found, Rejection)
    assert found.reason.startswith(reason)


def test_two_items_that_damage_made_one_are_neither_published() -> None:
    draft = ITEM.replace("publish", "draft").replace("22", "21")
    joined = export(draft + ITEM).replace("</item><item>", "")
    assert reasons(read("a.xml", joined)) == ["wp:post_id: stands 2 times in one item"]


@pytest.mark.parametrize("state", ["pitch", "wc-completed", "true", "published?"])
def test_an_unknown_status_is_rejected_by_name_in_every_format(state: str) -> None:
    post = {"id": 7, "type": "post", "status": state, "title": {"rendered": "T"}, "content": {"rendered": "x"}}
    item = {"uri": "urn:7", "versioncreated": "2026-03-02T08:00:00Z", "pubstatus": state, "headline": "T"}
    own = {"id": "7", "headline": "T", "status": state}
    files = [
        ("a.xml", export(ITEM.replace("publish", state)).encode()),
        ("a.csv", f"id,title,status\n7,T,{state}".encode()),
    ]
    files += [("a.json", msgspec.json.encode([each])) for each in (post, item, own)]
    files += [("a.jsonl", lines(each)) for each in (post, item, own)]
    for name, content in files:
        (found,) = read(name, content)
        assert isinstance(found, Rejection)
        assert found.reason == f"status: must be published or withdrawn, not {state!r}"


def test_a_password_hides_a_post_of_an_export_and_of_the_rest_api() -> None:
    for name, public in (("02_wxr_protected.xml", ["11", "13"]), ("02_rest_protected.json", ["11"])):
        tally = Tally()
        found = list(read_source(REPORTS / name, tally))
        assert (shown(found), hidden(found), tally.unpublished) == (public, ["12"], 1)
    post = {"id": 7, "type": "post", "status": "publish", "title": {"rendered": "T"}, "content": {"rendered": "x"}}
    assert hidden(read("a.json", msgspec.json.encode([{**post, "password": "hunter2"}]))) == ["7"]
    assert shown(read("a.json", msgspec.json.encode([{**post, "password": ""}]))) == ["7"]


@pytest.mark.parametrize("lost", ["status", "type"])
def test_a_post_of_the_rest_api_without_a_status_or_type_is_rejected(lost: str) -> None:
    post = {"id": 7, "type": "post", "status": "publish", "title": {"rendered": "T"}, "content": {"rendered": "x"}}
    del post[lost]
    assert reasons(read("a.json", msgspec.json.encode([post]))) == [UNREADABLE]


def test_only_posts_of_an_export_are_articles_and_other_types_are_counted_by_name(tmp_path: Path) -> None:
    tally = Tally()
    found = list(read_source(REPORTS / "16_wxr_types.xml", tally))
    assert (shown(found), hidden(found)) == (["1"], [str(number) for number in range(2, 15)])
    assert tally.other == sum(tally.types.values()) == 13
    assert "1 feedback" in tally.left_out()
    (tmp_path / "ours.toml").write_text('types = ["podcast", "tribe_events"]\n')
    mapping = read_mapping(tmp_path / "ours.toml")
    assert shown(list(read_source(REPORTS / "16_wxr_types.xml", mapping=mapping))) == ["1", "8", "14"]
    post = {"id": 7, "type": "podcast", "status": "publish", "title": {"rendered": "T"}, "content": {"rendered": "x"}}
    assert shown(read("a.json", msgspec.json.encode([post]))) == []
    assert shown(read("a.json", msgspec.json.encode([post]), mapping=mapping)) == ["7"]
    own = {"id": "8", "headline": "A mapping of types alone leaves other names as they are"}
    assert shown(read("a.json", msgspec.json.encode([own]), mapping=mapping)) == ["8"]


@pytest.mark.parametrize("blank", [None, "", "  "])
def test_a_status_that_is_there_and_blank_is_rejected(blank: str | None) -> None:
    record = {"id": "a", "headline": "H", "status": blank}
    assert reasons(read("a.jsonl", lines(record))) == [UNREADABLE]
    assert reasons(read("a.json", msgspec.json.encode([record]))) == [UNREADABLE]
    with pytest.raises(InvalidArticle, match="status: "):
        article_from_record({**record, "status": blank and None})


def test_a_record_without_a_status_is_published_unless_others_of_the_file_state_one() -> None:
    plain, draft, public = ({"id": each, "headline": "H"} for each in "abc")
    draft["status"], public["status"] = "draft", "Live"
    withdrawn = {"id": "w", "status": "withdrawn"}
    assert shown(read("a.jsonl", lines(plain, withdrawn))) == ["a"]
    for records in ((plain, draft), (plain, draft, public), (public, plain)):
        for name, content in (("a.jsonl", lines(*records)), ("a.json", msgspec.json.encode(records))):
            found = read(name, content)
            assert (shown(found), reasons(found)) == (["c"] * (public in records), [UNREADABLE])


def test_what_others_say_is_known_from_the_first_mebibyte_and_from_the_first_that_says_so() -> None:
    long, public = (
        {"id": "a", "headline": "H", "body": "x" * (1 << 20)},
        {"id": "b", "headline": "H", "status": "live"},
    )
    found = read("a.jsonl", lines(long, public, {"id": "c", "headline": "H"}))
    assert (shown(found), reasons(found)) == (["a", "b"], [UNREADABLE])


def test_a_row_without_its_cell_of_the_status_column_is_rejected() -> None:
    table = "id,title,Status\na,H,publish\nb,H,\nc,H\nd,H,draft\n"
    file = io.BytesIO()
    columns = {"id": ["a", "b", "d"], "title": ["H"] * 3, "status": ["publish", None, "draft"]}
    parquet.write_table(pa.table(columns), file)
    short = ["has 2 cells for 3 columns"]
    for name, content, cut in (("a.csv", table.encode(), short), ("a.parquet", file.getvalue(), [])):
        found = read(name, content)
        assert (shown(found), hidden(found), reasons(found)) == (["a"], ["d"], [UNREADABLE, *cut])


def test_a_mapping_that_forgets_the_status_column_does_not_publish_drafts(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text('[columns]\nid = "Nr"\nheadline = "Titel"\n')
    (tmp_path / "own.toml").write_text(
        '[columns]\nid = "Nr"\nheadline = "Titel"\n[constants]\nstatus = "published"\n'
    )
    table = "Nr,Titel,Post Status\n1,A,publish\n2,B,draft\n3,C,\n"
    found = read("a.csv", table, mapping=read_mapping(tmp_path / "m.toml"))
    assert (shown(found), hidden(found), reasons(found)) == (["1"], ["2"], [UNREADABLE])
    assert shown(read("a.csv", table, mapping=read_mapping(tmp_path / "own.toml"))) == ["1", "2", "3"]


@pytest.mark.parametrize(
    "flag",
    [{"draft": True}, {"is_draft": "yes"}, {"private": 1}, {"isPublished": False}, {"is_public": "0"},
     {"visibility": "private"}, {"status": "published", "draft": "true"}, {"status": "In review"},
     {"is_published": "f"}, {"draft": "WAHR"}, {"is_draft": 1.0}, {"isPublished": 0.0}, {"draft": "t"},
     {"is_draft": "Y"}, {"IsPublished": "n"}, {"is_public": "off"}, {"visibility": "internal"}, {"published": False},
     {"published": "0"}, {"deleted": True}, {"is_deleted": 1}, {"trashed": True}, {"hidden": "vrai"},
     {"archived": True}, {"unlisted": True}, {"live": False}, {"active": "nein"}, {"enabled": False},
     {"state": "draft"}, {"workflow_state": "draft"}, {"moderation_state": "Draft"}, {"publicationState": "draft"},
     {"post_password": "x"}, {"password": "x", "status": "published"}, {"deleted_at": "2026-01-01"},
     {"status": "live", "hidden": True}, {"_id": "drafts.abc"}, {"published_at": None, "created_at": "2026-03-02"},
     {"publishedAt": None}, {"published": "", "published_at": " "}, {"published_at": None, "date": ""}],
)  # fmt: skip
def test_a_flag_that_says_no_hides_the_record(flag: dict[str, Any]) -> None:
    assert hidden(read("a.jsonl", lines({"id": "a", "headline": "H", **flag}))) == ["a"]


@pytest.mark.parametrize(
    "flag",
    [{"draft": False}, {"is_published": True}, {"visibility": "public"}, {"published": True}, {"hidden": 0},
     {"deleted_at": None}, {"password": ""}, {"visibility": "members"}, {"draft": "", "status": "live"}],
)  # fmt: skip
def test_a_flag_that_says_yes_hides_nothing(flag: dict[str, Any]) -> None:
    assert shown(read("a.jsonl", lines({"id": "a", "headline": "H", **flag}))) == ["a"]


@pytest.mark.parametrize("flag", ["x", "maybe", 2, [True]])
@pytest.mark.parametrize("name", ["draft", "is_published", "Hidden", "live"])
def test_a_flag_that_cannot_be_read_is_rejected_by_name(name: str, flag: Any) -> None:
    found = read("a.jsonl", lines({"id": "a", "headline": "H", name: flag}))
    assert (shown(found), reasons(found)) == ([], [f"{name}: {str(flag)!r} is neither yes nor no"])


def test_a_blank_flag_is_rejected_as_a_blank_status_is() -> None:
    assert reasons(read("a.jsonl", lines({"id": "a", "headline": "H", "draft": ""}))) == [UNREADABLE]
    found = read("a.csv", "id,title,is_published\n1,A,t\n2,B,f\n3,C,\n4,D,x\n")
    assert (shown(found), hidden(found)) == (["1"], ["2"])
    assert reasons(found) == [UNREADABLE, "is_published: 'x' is neither yes nor no"]


def test_a_blank_date_of_publication_yields_to_a_status_and_a_creation_date_is_none() -> None:
    record = {"id": "a", "headline": "H", "published_at": None, "created_at": "2026-03-02"}
    (public,) = read("a.jsonl", lines({**record, "status": "published"}))
    assert isinstance(public, Article)
    assert public.published_at is None
    (dated,) = read("a.jsonl", lines({**record, "date": "2026-03-03"}))
    assert isinstance(dated, Article)
    assert dated.published_at == 1_772_496_000
    assert hidden(
        read("a.csv", "id,title,published_at,created_at\n1,A,,2026-03-02\n2,B,2026-03-02,2026-03-01\n")
    ) == ["1"]


def test_what_stands_beside_a_status_says_nothing_of_other_records() -> None:
    table = (
        "id,title,post_password,deleted_at,hidden,published\n1,A,,,f,2026-03-02\n2,B,x,,f,2026-03-02\n"
        "3,C,,2026-01-01,f,\n4,D,,,t,\n5,E,,,?,\n6,F,,,,\n"
    )
    found = read("a.csv", table)
    assert (shown(found), hidden(found)) == (["1"], ["2", "3", "4"])
    assert reasons(found) == ["hidden: '?' is neither yes nor no", UNREADABLE]
    some = [{"deleted_at": "2026-01-01"}, {"hidden": True}, {"password": "x"}, {"_id": "drafts.3"}, {}]
    found = read("a.jsonl", lines(*({"id": str(at), "headline": "H", **each} for at, each in enumerate(some))))
    assert (shown(found), hidden(found)) == (["4"], ["0", "1", "2", "3"])
    assert hidden(read("a.jsonl", lines({"id": "a", "headline": "H", "publishedAt": None, "hidden": False}))) == ["a"]
    assert shown(read("a.jsonl", lines({"id": "a", "headline": "H", "publishedAt": None, "draft": False}))) == ["a"]


def test_a_blank_date_says_nothing_of_other_records_and_published_of_none() -> None:
    dates: list[dict[str, Any]] = [{"published_at": None}, {"published_at": "2026-03-02"}, {"published": None}, {}]
    found = read("a.jsonl", lines(*({"id": str(at), "headline": "H", **each} for at, each in enumerate(dates))))
    assert (shown(found), hidden(found), reasons(found)) == (["1", "2", "3"], ["0"], [])


@pytest.mark.parametrize(
    "word",
    ["retracted", "removed", "canceled", "cancelled", "unpublished", "deleted", "killed", "spiked", "Taken down",
     "archived", "expired"],
)  # fmt: skip
def test_a_status_that_says_no_longer_public_hides_the_record(word: str) -> None:
    assert hidden(read("a.jsonl", lines({"id": "a", "headline": "H", "status": word}))) == ["a"]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"status": "live", "post_status": "trash"}, "status: status says 'published', post_status 'trash'"),
        (
            {"publicationStatus": "draft", "status": "published"},
            "status: status says 'published', publicationStatus 'draft'",
        ),
        ({"status": "published", "Status": "draft"}, "status: status says 'published', Status 'draft'"),
        ({"state": "draft", "status": "published"}, "status: status says 'published', state 'draft'"),
    ],
)
def test_statuses_that_contradict_are_rejected_by_name(record: dict[str, Any], reason: str) -> None:
    assert reasons(read("a.jsonl", lines({"id": "a", "headline": "H", **record}))) == [reason]


def test_a_state_that_is_a_place_says_nothing() -> None:
    assert shown(read("a.jsonl", lines({"id": "a", "headline": "H", "state": "CA"}))) == ["a"]
    withdrawn = read("a.jsonl", lines({"id": "a", "status": "withdrawn", "deleted": True}))
    assert [type(each) for each in withdrawn] == [Withdrawal]


@pytest.mark.parametrize(
    "extra", [{"status": "draft"}, {"draft": True}, {"hidden": "t"}, {"password": "x"}, {"workflow_state": "draft"}]
)
def test_ninjs_and_json_feed_honour_our_own_fields(extra: dict[str, Any]) -> None:
    item = {"uri": "a", "versioncreated": "2026-03-02T08:00:00Z", "headline": "T", "pubstatus": "usable", **extra}
    feed = {"version": "https://jsonfeed.org/version/1.1", "items": [{"id": "a", "title": "T", **extra}]}
    assert hidden(read("a.jsonl", lines(item))) == hidden(read("a.json", msgspec.json.encode(feed))) == ["a"]


def test_ninjs_and_json_feed_honour_an_embargo() -> None:
    item = {"uri": "a", "versioncreated": "2026-03-02T08:00:00Z", "headline": "T"}
    feed = {"version": "https://jsonfeed.org/version/1.1", "items": [{"id": "a", "title": "T"}]}
    for name in ("embargo_until", "embargoed", "Embargo Until"):
        item[name] = feed["items"][0][name] = "2099-12-31T00:00:00Z"  # type: ignore[index]
        for found in (read("a.jsonl", lines(item)), read("a.json", msgspec.json.encode(feed))):
            assert [each.embargo_until for each in found if isinstance(each, Article)] == [4_102_358_400]
        del item[name], feed["items"][0][name]  # type: ignore[attr-defined]


def test_a_mapping_honours_password_type_flags_and_embargo_of_the_table(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text('[columns]\nid = "ID"\nheadline = "post_title"\nstatus = "post_status"\n')
    table = (
        "ID,post_title,post_status,post_password,post_type,draft,embargo_date\n"
        "1,A,publish,,post,no,\n2,B,publish,x,post,no,\n3,C,publish,,page,no,\n4,D,publish,,post,yes,\n"
        "5,E,publish,,post,no,2099-12-31\n6,F,draft,,post,no,\n"
    )
    tally = Tally()
    found = read("a.csv", table, tally, mapping=read_mapping(tmp_path / "m.toml"))
    assert (shown(found), hidden(found), reasons(found)) == (["1", "5"], ["2", "3", "4", "6"], [])
    assert tally.types == {"page": 1}
    assert [each.embargo_until for each in found if isinstance(each, Article)] == [None, 4_102_358_400]


def test_a_flag_that_others_of_the_file_have_is_missed() -> None:
    flags: list[dict[str, Any]] = [{"draft": False}, {"draft": True}, {}, {"draft": None}]
    found = read("a.jsonl", lines(*({"id": str(at), "headline": "H", **each} for at, each in enumerate(flags))))
    assert (shown(found), hidden(found), reasons(found)) == (["0"], ["1"], [UNREADABLE] * 2)


def test_ninjs_without_a_status_is_usable_and_with_a_blank_one_refused() -> None:
    item = {"uri": "urn:7", "versioncreated": "2026-03-02T08:00:00Z", "headline": "T"}
    assert shown(read("a.jsonl", lines(item))) == ["urn:7"]
    assert reasons(read("a.jsonl", lines({**item, "pubstatus": ""}))) == [UNREADABLE]
    assert reasons(read("a.jsonl", lines({**item, "pubstatus": None}))) == [UNREADABLE]


BLOG = """<?xml version="1.0" encoding="UTF-8"?><feed xmlns="http://www.w3.org/2005/Atom"
xmlns:app="http://purl.org/atom/app#" xmlns:blogger="http://schemas.google.com/blogger/2018">{}</feed>"""
ENTRY = "<entry><id>a{0}</id><title>Weir{1}</title><content>It was repaired.</content>{2}</entry>"
KIND = (
    '<category scheme="http://schemas.google.com/g/2005#kind" term="http://schemas.google.com/blogger/2008/kind#{}"/>'
)
DRAFT = "<app:control><app:draft>{}</app:draft></app:control>"


def test_drafts_comments_and_pages_of_a_blog_s_export_are_no_articles() -> None:
    parts = [KIND.format("post") + '<category term="weir"/>', KIND.format("post") + DRAFT.format("yes")]
    parts += [KIND.format(each) for each in ("comment", "template", "settings", "page")]
    parts += [KIND.format("post") + DRAFT.format("no"), DRAFT.format("")]
    tally = Tally()
    entries = "".join(ENTRY.format(number, "", part) for number, part in enumerate(parts))
    found = read("blog.xml", BLOG.format(entries), tally)
    assert (shown(found), hidden(found)) == (["a0", "a6"], ["a1", "a2", "a3", "a4", "a5", "a7"])
    assert tally.types == {"comment": 1, "template": 1, "settings": 1, "page": 1}
    assert [each.tags for each in found if isinstance(each, Article)] == [("weir",), ()]


def test_the_states_of_a_newer_blog_export_count() -> None:
    states = ["LIVE", "DRAFT", "SOFT_TRASHED", "SCHEDULED", "ODD", ""]
    parts = [f"<blogger:type>POST</blogger:type><blogger:status>{each}</blogger:status>" for each in states]
    parts += ["<blogger:type>COMMENT</blogger:type><blogger:status>LIVE</blogger:status>", ""]
    entries = "".join(ENTRY.format(number, "", part) for number, part in enumerate(parts))
    found = read("blog.atom", BLOG.format(entries))
    assert (shown(found), hidden(found)) == (["a0"], ["a1", "a2", "a3", "a6"])
    assert reasons(found) == ["status: must be published or withdrawn, not 'odd'", UNREADABLE, UNREADABLE]


def test_a_damaged_blog_export_is_refused_as_nobody_can_tell_its_drafts() -> None:
    draft = BLOG.format(ENTRY.format(1, "\x10", DRAFT.format("yes")))
    assert hidden(read("blog.xml", draft)) == ["a1"]
    damaged = read("blog.xml", draft.replace("</title>", ""))
    assert (shown(damaged), len(reasons(damaged))) == ([], 1)
    assert reasons(damaged)[0].startswith("is damaged, so that nobody can tell which of its entries are drafts: ")


def test_an_export_whose_beginning_is_lost_shows_no_draft() -> None:
    whole = (REPORTS / "03b_wxr_control_draft.xml").read_text("utf-8")
    items = whole.partition("<channel>")[2]
    assert shown(read("a.xml", whole.replace("wordpress.org/export/", "x"))) == []
    assert shown(read("a.xml", f'<rss version="2.0"><channel>{items}')) == ["21", "23"]
    (refused,) = reasons(read("a.xml", f'<rss version="2.0"><channel>{" " * 9_000}{items}'))
    assert refused.startswith("holds items of a WordPress export, but does not begin as one")


@pytest.mark.parametrize(
    ("status", "public"), [("Draft", 0), ("Pending", 0), ("Published", 1), ("Final", 1), ("", 1)]
)
def test_a_page_whose_data_call_it_a_draft_is_rejected(status: str, public: int) -> None:
    data = {"@type": "NewsArticle", "headline": "Weir repaired", "creativeWorkStatus": status}
    page = (
        f'<html><head><script type="application/ld+json">{msgspec.json.encode(data).decode()}</script></head>'
        "<body><h1>Weir repaired</h1><p>The weir was repaired in March.</p></body></html>"
    )
    found = read("a.html", page)
    assert len(shown(found)) == public
    assert reasons(found) == (
        [] if public else [f"status: is {status.lower()}: the page's data say that it is not public"]
    )
