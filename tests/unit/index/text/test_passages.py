from itertools import pairwise

from index.article import Article
from index.text.passages import MAX_PASSAGES, PASSAGE_CHARS, full_text, head_text, passages


def article(body: str = "", **fields: str) -> Article:
    return Article(id="a", headline="Bridge closes", body=body, **fields)  # type: ignore[arg-type]


def sentence(number: int, words: int = 20) -> str:
    return " ".join([f"word{number}"] * (words - 1)) + f" end{number}."


def test_the_head_is_headline_and_standfirst():
    assert head_text(article(standfirst="For a week.", kicker="Roads")) == "Bridge closes\nFor a week."
    assert head_text(article()) == "Bridge closes"


def test_the_full_text_is_headline_kicker_standfirst_and_body_in_order():
    found = full_text(article("One.\n\nTwo.", kicker="Roads", standfirst="For a week."))
    assert found == "Bridge closes\nRoads\nFor a week.\nOne.\nTwo."


def test_an_empty_body_has_no_passages():
    assert passages(article("")) == ([], 0)
    assert passages(article(" \n\n \n")) == ([], 0)


def test_a_short_body_is_one_passage():
    assert passages(article("First paragraph.\n\nSecond  one.")) == (["First paragraph.\nSecond one."], 0)


def test_passages_keep_every_word_in_order():
    body = "\n\n".join(" ".join(sentence(p * 10 + s) for s in range(p % 7 + 1)) for p in range(30))
    found = passages(article(body))
    assert " ".join(found.texts).split() == body.split()
    assert found.left_out == 0


def test_passages_end_where_sentences_end():
    body = " ".join(sentence(number) for number in range(60))
    assert all(text.endswith(".") for text in passages(article(body)).texts)


def test_a_passage_has_at_most_900_characters_and_a_short_tail():
    body = " ".join(sentence(number, 3) for number in range(400))
    texts = passages(article(body)).texts
    assert len(texts) > 3
    assert max(map(len, texts[:-1])) <= PASSAGE_CHARS
    assert 250 <= len(texts[-1]) <= PASSAGE_CHARS + 250


def test_a_short_tail_joins_the_passage_before():
    body = "\n".join(["a" * 880, "b" * 880, "c" * 100])
    assert [len(text) for text in passages(article(body)).texts] == [880, 981]


def test_a_closing_quotation_mark_stays_with_its_sentence():
    body = ("x" * 500 + " “It is over.” ") + "She left. " * 60
    first = passages(article(body)).texts[0]
    assert "It is over.”" in first


def test_text_without_spaces_is_cut_and_kept():
    body = "橋" * 2_000
    assert "".join(passages(article(body)).texts).replace("\n", "") == body


def test_chinese_sentences_are_boundaries():
    body = ("橋" * 299 + "。") * 6
    assert [len(text) for text in passages(article(body)).texts] == [601, 601, 601]


def test_a_huge_body_gives_64_evenly_spaced_passages_and_says_how_many_are_left_out():
    body = "\n\n".join(f"{number:04d} " + "x" * 880 for number in range(200))
    found = passages(article(body))
    numbers = [int(text[:4]) for text in found.texts]
    assert len(numbers) == MAX_PASSAGES
    assert found.left_out == 136
    assert (numbers[0], numbers[-1]) == (0, 199)
    assert {later - earlier for earlier, later in pairwise(numbers)} == {3, 4}


def test_a_repeated_paragraph_counts_once_but_short_lines_may_repeat():
    notice = "Sign up to our newsletter for the news of the day, every day."
    body = f"{notice}\n\nYes.\n\nThe bridge closes.\n\n{notice}\n\nYes."
    assert passages(article(body)).texts == [f"{notice}\nYes.\nThe bridge closes.\nYes."]
    assert full_text(article(body)).count("newsletter") == 1
