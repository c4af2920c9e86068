"""How words are written for people."""

from __future__ import annotations

from index.text.truecase import is_name, surface_forms

TEXTS = [
    "Ferry breaks down. The old Brackholm ferry, owned by the council, stopped at Brackholm.",
    "Council meets. In Brackholm the council said so; BBC Radio was there, BBC news too.",
]


def test_names_keep_their_capitals_and_words_that_only_begin_sentences_do_not_get_any() -> None:
    words = ["brackholm", "ferry", "council", "bbc", "meets"]
    assert surface_forms(TEXTS, words) == ["Brackholm", "ferry", "council", "BBC", "meets"]


def test_a_word_that_no_text_has_inside_a_sentence_stays_as_it_is() -> None:
    assert surface_forms(["Alone."], ["alone", "absent"]) == ["alone", "absent"]
    assert surface_forms([], ["alone"]) == ["alone"]


def test_the_more_frequent_form_wins_and_of_equals_the_lower_case_one() -> None:
    assert surface_forms(["the May fair, in May they may", "so may we"], ["may"]) == ["may"]
    assert surface_forms(["the May fair, in May they may"], ["may"]) == ["May"]


def test_a_name_that_only_begins_sentences_keeps_its_capital_when_another_follows() -> None:
    texts = ["Stan Wojcik is first. Stan Wojcik drives.\nMiss nothing. Yesterday it rained."]
    assert surface_forms(texts, ["stan", "miss", "yesterday"]) == ["Stan", "miss", "yesterday"]
    assert surface_forms([*texts, "in stan wojenny"], ["stan"]) == ["stan"]


def test_names_are_what_begins_with_a_capital() -> None:
    assert [is_name(form) for form in ("Łódź", "BBC", "ferry", "über", "2024", "")] == [
        True, True, False, False, False, False,
    ]  # fmt: skip
