"""Learning from links: what is known comes back, and nobody is judged by weights that saw him."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from index.relevance.model import Relevance, baseline_of
from index.relevance.training import SourcePairs, cross_validated, fitted, predicted

TRUE = Relevance((2.0, 0.5, 1.0, 0.5, 0.3, 0.7, -0.5), 1.0, 8.0, -4.0, "planted")


def planted(sources: int, seed: int = 0, model: Relevance = TRUE) -> list[SourcePairs]:
    """Sources of 200 candidates whose links are drawn by a known model."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(sources):
        features = rng.random((200, 5), dtype=np.float32) * np.array([0.8, 0.4, 0.3, 1, 6], np.float32)
        if model.link_weight is not None:
            features = np.column_stack([features, np.log1p(rng.poisson(0.5, 200))]).astype(np.float32)
        brief = np.zeros(200, bool)
        chance = model.probability(features, baseline_of(features), brief)
        found.append(SourcePairs(features, brief, rng.random(200) < chance, np.zeros(200, bool)))
    return found


def test_a_planted_model_is_found_again() -> None:
    pairs = planted(300)
    model = fitted(pairs, "drawn")
    assert model is not None
    assert model.origin == "drawn"
    truth = np.concatenate([predicted(TRUE, each) for each in pairs])
    found = np.concatenate([predicted(model, each) for each in pairs])
    assert float(np.abs(found - truth).mean()) < 0.01


def test_a_planted_weight_for_links_is_found_again_and_none_without_that_feature() -> None:
    model = fitted(planted(300, model=msgspec.structs.replace(TRUE, link_weight=0.8)), "drawn")
    assert model is not None
    assert model.link_weight == pytest.approx(0.8, abs=0.05)
    without = fitted(planted(20), "drawn")
    assert without is not None
    assert without.link_weight is None
    assert b"link_weight" not in msgspec.json.encode(without)


def test_cross_validated_probabilities_mean_what_they_say() -> None:
    pairs = planted(100)
    found = cross_validated(pairs)
    assert found is not None
    assert [len(each) for each in found] == [200] * 100
    assert float(np.concatenate(found).mean()) == pytest.approx(
        float(np.concatenate([each.linked for each in pairs]).mean()), abs=0.01
    )


def test_a_source_is_judged_by_weights_that_have_not_seen_its_links() -> None:
    pairs = planted(20)
    before = cross_validated(pairs)
    turned = [pairs[0]._replace(linked=~pairs[0].linked), *pairs[1:]]
    after = cross_validated(turned)
    assert before is not None
    assert after is not None
    np.testing.assert_array_equal(after[0], before[0])
    assert any(not np.array_equal(one, other) for one, other in zip(before, after, strict=True))


def test_links_that_teach_nothing_give_no_model() -> None:
    none = [each._replace(linked=np.zeros(200, bool)) for each in planted(10)]
    every = [each._replace(linked=np.ones(200, bool)) for each in planted(10)]
    assert fitted(none, "") is None
    assert fitted(every, "") is None
    assert cross_validated(none) is None
    assert cross_validated(planted(4)) is None


def test_links_that_quote_the_headline_are_not_learned_from() -> None:
    pairs = planted(100)
    misled = [each._replace(linked=~each.linked, quoted=np.ones(200, bool)) for each in planted(100, seed=1)]
    assert fitted([*pairs, *misled], "") == fitted(pairs, "")
    assert fitted(misled, "") is None
