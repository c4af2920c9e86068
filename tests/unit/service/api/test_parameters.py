"""Query parameters: what a caller is told who gets one wrong."""

from __future__ import annotations

import pytest
from werkzeug.datastructures import MultiDict

from service.api.parameters import list_parameters, read_parameters
from service.http.problems import ProblemFound
from service.recommend.policy import shipped_policies

DECLARED = list_parameters(shipped_policies())
MAY, JUNE = "2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z"


def refused(**given: str) -> tuple[str, str]:
    with pytest.raises(ProblemFound) as problem:
        read_parameters(DECLARED, MultiDict(given))
    assert problem.value.status == 400
    return problem.value.code, problem.value.detail


def test_a_period_that_ends_before_it_begins_is_refused_by_both_names() -> None:
    code, detail = refused(published_after=JUNE, published_before=MAY)
    assert code == "invalid_published_after"
    assert f"published_after, {JUNE}, lies after published_before, {MAY}" in detail
    values = read_parameters(DECLARED, MultiDict({"published_after": MAY, "published_before": JUNE}))
    assert values["published_before"] - values["published_after"] == 31 * 86_400


def test_of_several_fields_the_wrong_one_is_named_and_the_right_ones_listed() -> None:
    code, detail = refused(fields="headline,foo")
    assert code == "invalid_fields"
    assert detail == (
        "The parameter fields must be one of id, url, headline, kicker, standfirst, section, authors, language, "
        "type, image, published_at, age_label, not 'foo'."
    )


@pytest.mark.parametrize(("given", "code"), [("en", "en"), ("EN-gb", "en"), ("pt_BR", "pt"), ("haw", "haw")])
def test_a_language_is_read_as_the_articles_are(given: str, code: str) -> None:
    assert read_parameters(DECLARED, MultiDict({"language": given}))["language"] == code


@pytest.mark.parametrize("given", ["english", "e", "", "12", "en\n", "en-" + "x" * 40])
def test_what_is_no_language_code_is_refused_by_name(given: str) -> None:
    code, detail = refused(language=given)
    assert code == "invalid_language"
    assert detail.endswith(f"must be a language code such as en or en-GB, not {given[:60]!r}.")


def test_a_country_s_code_is_refused_with_the_language_that_is_meant() -> None:
    assert refused(language="us") == (
        "invalid_language",
        "The parameter language 'us' is no language code of ISO 639 (did you mean en?).",
    )
