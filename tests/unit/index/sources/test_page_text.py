"""The plain-text page: title, body, boilerplate, author note, teaser block."""

from __future__ import annotations

from pathlib import Path

import pytest

from index.article import Article, InvalidArticle
from index.sources import Rejection, read_source
from index.sources.page_text import MOST_PAGE_BYTES, PageTeaser, parse_page, split_kicker

FOUNDING = "000_86d1b7c844701982"
BIG_QUESTION = "Today's Big Question"
EIGHT = (
    PageTeaser(
        "Ukraine-Russia: is peace deal possible after Easter truce?",
        BIG_QUESTION,
        "'Decisive week' will tell if Putin's surprise move was cynical PR stunt or genuine step towards ending war",
        True,
    ),
    PageTeaser(
        "What's behind Russia's biggest conscription drive in years?",
        BIG_QUESTION,
        "Putin calls up 160,000 men, sending a threatening message to Ukraine and Baltic states",
        True,
    ),
    PageTeaser(
        "Is the 'coalition of the willing' going to work?",
        BIG_QUESTION,
        "PM's proposal for UK/French-led peacekeeping force in Ukraine provokes 'hostility' in Moscow and"
        " 'derision' in Washington",
        True,
    ),
    PageTeaser(
        "Russia's spies: skulduggery in Great Yarmouth",
        "In the Spotlight",
        "'Amateurish' spy ring in Norfolk seaside town exposes the decline of Russian intelligence",
        True,
    ),
    PageTeaser(
        "Can Ukraine make peace with Trump in Saudi Arabia?",
        "Talking Point",
        "Zelenskyy and his team must somehow navigate the gap between US president's 'demands and threats'",
        True,
    ),
    PageTeaser(
        "Ukraine: where do Trump's loyalties really lie?",
        BIG_QUESTION,
        "'Extraordinary pivot' by US president – driven by personal, ideological and strategic factors – has"
        " 'upended decades of hawkish foreign policy toward Russia'",
        True,
    ),
    PageTeaser(
        "Is Europe's defence too reliant on the US?",
        BIG_QUESTION,
        "As the UK and EU plan to 're-arm', how easy will it be to disentangle from US equipment and support?",
        True,
    ),
    PageTeaser(
        "What will Trump-Putin Ukraine peace deal look like?",
        BIG_QUESTION,
        "US president 'blindsides' European and UK leaders, indicating Ukraine must concede seized territory and"
        " forget about Nato membership",
        True,
    ),
)


@pytest.fixture(scope="module")
def founding_text(data_dir: Path) -> str:
    return (data_dir / "pages" / f"{FOUNDING}.txt").read_bytes().decode()


def test_the_eight_teasers_of_the_founding_page_come_out_exactly(founding_text: str) -> None:
    assert parse_page(founding_text, FOUNDING).teasers == EIGHT


def test_the_founding_article_is_seven_paragraphs_without_boilerplate_and_author_note(founding_text: str) -> None:
    article = parse_page(founding_text, FOUNDING).article
    paragraphs = article.body.split("\n\n")
    assert article.id == FOUNDING
    assert article.headline == "Russian troops to begin withdrawal from Kazakhstan following deadly riots"
    assert article.authors == ("Grayson Quay",)
    assert len(paragraphs) == 7
    assert paragraphs[0] == "Russian troops will begin leaving Kazakhstan Thursday, The New York Times reports."
    assert paragraphs[3].startswith("If Russian troops do in fact depart")
    assert paragraphs[6].endswith("powerful position on Kazakhstan's Security Council.")


def test_windows_line_ends_a_byte_order_mark_and_curly_apostrophes_change_nothing_else(
    founding_text: str, tmp_path: Path
) -> None:
    saved = tmp_path / f"{FOUNDING}.txt"
    saved.write_bytes(b"\xef\xbb\xbf" + founding_text.replace("\n", "\r\n").encode())
    assert list(read_source(saved)) == [parse_page(founding_text, FOUNDING).article]
    curly = parse_page(founding_text.replace("'", "’"), FOUNDING).teasers
    assert [each.kicker for each in curly] == [each.kicker.replace("'", "’") for each in EIGHT]
    assert all(each.certain for each in curly)


@pytest.mark.parametrize("dash", ["-", "–", "—", "*", "•", " - "])
def test_any_common_dash_leads_a_teaser(founding_text: str, dash: str) -> None:
    assert parse_page(founding_text.replace("\n-\n", f"\n{dash}\n"), FOUNDING).teasers == EIGHT


def test_a_page_as_a_source_yields_its_article_only(data_dir: Path) -> None:
    (article,) = read_source(data_dir / "pages" / f"{FOUNDING}.txt")
    assert isinstance(article, Article)
    assert article.id == FOUNDING


def test_a_first_line_with_an_id_goes_before_the_files_name() -> None:
    assert parse_page("id: news/bridge\nBridge opens\nIt did.", "saved-7").article == Article(
        id="news/bridge", headline="Bridge opens", body="It did."
    )


def test_a_page_without_teasers_is_an_article() -> None:
    page = parse_page("Bridge opens\n\nIt opened.\n\nPeople crossed.", "p")
    assert page.article.body == "It opened.\n\nPeople crossed."
    assert page.teasers == ()


def test_a_dash_between_sections_of_the_text_ends_no_article() -> None:
    section = "\n".join(f"Paragraph {number} of the second part." for number in range(5))
    page = parse_page(f"Bridge opens\nFirst part.\n*\n{section}\n-\nFerry sinks\nAnalysis Nobody was hurt", "p")
    assert page.article.body.split("\n\n") == ["First part.", *section.split("\n")]
    assert page.teasers == (PageTeaser("Ferry sinks", "Analysis", "Nobody was hurt", True),)


def test_a_teaser_of_one_line_is_a_headline_and_a_lone_short_second_line_of_three_a_kicker() -> None:
    page = parse_page("Title\nBody.\n-\nOnly a headline\n-\nFerry sinks\nAt the quay\nNobody was hurt.\n-\n", "p")
    assert page.teasers == (
        PageTeaser("Only a headline", "", "", True),
        PageTeaser("Ferry sinks", "At the quay", "Nobody was hurt.", True),
    )


def test_a_second_line_without_spaces_is_a_kicker_only_when_it_is_short() -> None:
    long = "市議会は長い議論の末に年間の補助金を可決した"
    page = parse_page(
        f"題\n本文。\n-\n渡し船\n特集記事\n運航を再開した。\n-\n渡し船\n{long}\n運航を再開した。\n-\n", "p"
    )
    assert page.teasers[0] == PageTeaser("渡し船", "特集記事", "運航を再開した。", True)
    assert page.teasers[1].kicker == ""
    assert not page.teasers[1].certain


def test_a_paragraph_about_a_reporter_is_no_author_note_unless_it_stands_at_the_end() -> None:
    early = "Anna Berg was the first editor of the paper."
    body = [early, "Two.", "Three.", "Four.", "Émile van der Meer is a freelance writer and editor."]
    article = parse_page("\n".join(["Title", *body]), "p").article
    assert article.authors == ("Émile van der Meer",)
    assert article.body.split("\n\n") == [early, "Two.", "Three.", "Four."]


def test_a_long_paragraph_that_mentions_a_newsletter_is_kept() -> None:
    paragraph = "The council's newsletter, delivered to 40,000 homes, " + "said a great deal about drains. " * 8
    assert parse_page(f"Title\n{paragraph}", "p").article.body == paragraph.strip()


@pytest.mark.parametrize("text", ["", "\r\n \r\n", "id: only-an-id\n", "-\nFerry sinks\nAnalysis Nobody was hurt\n"])
def test_a_page_without_a_title_is_refused(text: str) -> None:
    with pytest.raises(InvalidArticle, match=r"headline: is blank"):
        parse_page(text, "p")


def test_empty_oversized_and_non_utf8_files_are_rejections_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"")
    (tmp_path / "b.txt").write_bytes("Café".encode("latin-1"))
    (tmp_path / "c.txt").write_bytes(b"x" * (MOST_PAGE_BYTES + 1))
    assert list(read_source(tmp_path)) == [
        Rejection(str(tmp_path / "a.txt"), 0, "headline: is blank"),
        Rejection(str(tmp_path / "b.txt"), 0, "not UTF-8: unexpected end of data at byte 3"),
        Rejection(str(tmp_path / "c.txt"), 0, "the page is longer than 8 MiB"),
    ]


@pytest.mark.parametrize(
    ("line", "kicker", "standfirst"),
    [
        ("Today’s Big Question ‘Decisive’ week", "Today’s Big Question", "‘Decisive’ week"),
        ("ANALYSIS: Why the bridge stuck", "ANALYSIS", "Why the bridge stuck"),
        ("The Explainer How a lock works", "The Explainer", "How a lock works"),
        ("Explainer 12 things to know", "Explainer", "12 things to know"),
        ("Talking Points Ministers differ", "Talking Points", "Ministers differ"),
        ("Opinion", "Opinion", ""),
    ],
)
def test_a_known_kicker_is_cut_off_with_certainty(line: str, kicker: str, standfirst: str) -> None:
    assert split_kicker(line) == (kicker, standfirst, True)


@pytest.mark.parametrize(
    ("line", "kicker", "standfirst"),
    [
        ("Harbour Watch 'Decisive' week for the bridge", "Harbour Watch", "'Decisive' week for the bridge"),
        ("Quayside “Never again”, say skippers", "Quayside", "“Never again”, say skippers"),
        ("The Daily Tide Ministers agree a deal", "The Daily Tide", "Ministers agree a deal"),
        ("Letter of the Week Skippers are angry", "Letter of the Week", "Skippers are angry"),
    ],
)
def test_an_unknown_kicker_is_cut_by_its_capitals_and_said_to_be_a_guess(
    line: str, kicker: str, standfirst: str
) -> None:
    assert split_kicker(line) == (kicker, standfirst, False)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Live music returns to the quay",
        "Opinion polls put Labour ahead",
        "Analysistic thinking",
        "US president 'blindsides' leaders",
        "Donald Trump wins the seat",
        "Donald Trump and Putin agree",
        "A Very Long Run Of Capitalised Words goes on",
        "All Words Have Capitals",
        "the bridge has stuck again",
        "Мост снова застрял",
        "الجسر عالق مرة أخرى",
    ],
)
def test_without_a_credible_cut_all_is_standfirst_and_unsure(line: str) -> None:
    assert split_kicker(line) == ("", line, False)


def test_kickers_of_ones_own_replace_the_known_ones() -> None:
    assert split_kicker("Großes Thema Die Brücke klemmt", ["Großes Thema"]) == (
        "Großes Thema",
        "Die Brücke klemmt",
        True,
    )
    assert split_kicker("Analysis nothing", ["Großes Thema"]) == ("", "Analysis nothing", False)
