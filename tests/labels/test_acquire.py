"""Choosing superpixels: every strategy takes free ones only, as many as there are, and what it says it takes."""

from typing import get_args

import numpy as np
import pytest

from geopointseg.labels.acquire import Candidates, Strategy, choose, class_shares, scores

STRATEGIES = get_args(Strategy)


def table(n, *, classes=3, bands=2, seed=0, **given):
    """Superpixels with nothing particular about them."""
    rng = np.random.default_rng(seed)
    columns = {
        "area": rng.integers(50, 500, n).astype(float),
        "place": rng.random((n, 2)) * 1000,
        "features": rng.random((n, bands)).astype(np.float32),
        "shares": rng.dirichlet(np.ones(classes), n) if classes else np.zeros((n, 0)),
        "doubt": rng.random(n) if classes else np.zeros(n),
        "asked": np.zeros(n, bool),
        "tile": np.zeros(n, np.int64),
        "label": np.arange(1, n + 1),
    }
    return Candidates(**(columns | given))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_as_many_as_are_wanted_each_once_and_none_that_is_asked(strategy):
    given = table(200, asked=np.arange(200) % 3 == 0)
    chosen = choose(given, 40, strategy=strategy)
    assert len(chosen) == len(set(chosen.tolist())) == 40
    assert not given.asked[chosen].any()


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("n", [0, 1, 5])
def test_fewer_where_there_are_no_more(strategy, n):
    given = table(n)
    assert sorted(choose(given, 50, strategy=strategy).tolist()) == list(range(n))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_nothing_where_all_is_asked_or_has_no_area(strategy):
    assert choose(table(30, asked=np.ones(30, bool)), 5, strategy=strategy).size == 0
    assert choose(table(30, area=np.zeros(30)), 5, strategy=strategy).size == 0
    assert choose(table(30), 0, strategy=strategy).size == 0


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_superpixels_all_alike_in_one_place_are_no_trouble(strategy):
    alike = {"place": np.zeros((20, 2)), "features": np.ones((20, 2), np.float32), "doubt": np.zeros(20)}
    alike["shares"] = np.full((20, 3), 1 / 3)
    assert len(set(choose(table(20, **alike), 7, strategy=strategy).tolist())) == 7


@pytest.mark.parametrize("strategy", ["random", "stratified", "core-set"])
def test_before_there_is_a_model_and_without_features(strategy):
    assert len(choose(table(60, classes=0), 9, strategy=strategy)) == 9
    assert len(choose(table(60, classes=0, bands=0), 9, strategy=strategy)) == 9
    assert class_shares(table(60, classes=0)).shape == (0,)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_same_seed_chooses_the_same(strategy):
    given = table(300)
    np.testing.assert_array_equal(
        choose(given, 30, strategy=strategy, seed=4), choose(given, 30, strategy=strategy, seed=4)
    )


def test_random_takes_land_and_not_superpixels():
    area = np.where(np.arange(400) < 40, 900.0, 10.0)  # a tenth of them are nine tenths of the land and more
    hits = [(choose(table(400, area=area), 10, strategy="random", seed=seed) < 40).mean() for seed in range(40)]
    assert 0.8 < np.mean(hits) < 0.97


def test_uncertainty_takes_the_most_doubtful_first():
    doubt = np.linspace(0, 1, 50)
    assert choose(table(50, doubt=doubt), 4, strategy="uncertainty").tolist() == [49, 48, 47, 46]


def test_class_balanced_prefers_the_rare_class_where_doubt_is_equal():
    shares = np.repeat([[0.8, 0.2]], 50, axis=0)
    shares[[3, 30]] = [0.2, 0.8]
    given = table(50, classes=2, shares=shares, doubt=np.full(50, 0.5), area=np.full(50, 100.0))
    assert sorted(choose(given, 2, strategy="class-balanced").tolist()) == [3, 30]
    expected = 0.5 * np.exp(-np.where(np.isin(np.arange(50), [3, 30]), 0.04, 0.96))
    np.testing.assert_allclose(scores(given, "class-balanced"), expected)


def test_the_share_of_a_class_is_by_area():
    shares = np.array([[0.9, 0.1], [0.1, 0.9], [0.4, 0.6]])
    np.testing.assert_allclose(
        class_shares(table(3, classes=2, shares=shares, area=np.array([6.0, 1, 1]))), [0.75, 0.25]
    )
    assert class_shares(table(0)).tolist() == [0, 0, 0]


def test_a_core_set_reaches_every_cluster_that_has_no_point():
    rng = np.random.default_rng(1)
    cluster = np.repeat(np.arange(5), 40)
    features = (np.eye(5)[cluster] * 10 + rng.normal(0, 0.1, (200, 5))).astype(np.float32)
    given = table(200, features=features, classes=0, asked=np.arange(200) == 0)  # one of cluster 0 is labelled
    assert set(cluster[choose(given, 4, strategy="core-set")]) == {1, 2, 3, 4}


def test_stratified_covers_clusters_and_ground():
    rng = np.random.default_rng(2)
    cluster = np.repeat([0, 1], [380, 20])
    features = (cluster[:, None] * 5 + rng.normal(0, 0.1, (400, 2))).astype(np.float32)
    given = table(400, features=features, classes=0)
    chosen = choose(given, 24, strategy="stratified")
    assert (cluster[chosen] == 1).sum() >= 2  # 5 % of the superpixels: 24 at random have one on average
    halves = given.place[chosen] > 500
    assert all(4 <= count <= 20 for count in halves.sum(axis=0))


def test_hybrid_spreads_over_the_ground_where_uncertainty_crowds():
    place = np.random.default_rng(3).random((400, 2)) * 1000
    doubt = np.exp(-(((place - 200) / 150) ** 2).sum(axis=1)) + 0.1  # a hill of doubt in a corner
    same = {"features": np.ones((400, 1), np.float32), "shares": np.full((400, 2), 0.5), "area": np.full(400, 2500.0)}
    given = table(400, classes=2, place=place, doubt=doubt, **same)

    def nearest(strategy):
        xy = place[choose(given, 20, strategy=strategy)]
        away = np.hypot(*(xy[:, None] - xy[None]).T)
        return np.sort(away, axis=0)[1].mean()

    assert nearest("hybrid") > 1.5 * nearest("uncertainty")


def test_hybrid_keeps_away_from_what_is_labelled():
    place = np.stack([np.arange(11) * 50.0, np.zeros(11)], axis=1)
    same = {"features": np.ones((11, 1), np.float32), "shares": np.full((11, 2), 0.5), "area": np.full(11, 10_000.0)}
    given = table(11, classes=2, place=place, doubt=np.ones(11), asked=np.arange(11) == 5, **same)
    assert not {4, 6} & set(choose(given, 6, strategy="hybrid").tolist())


def test_tables_are_joined_and_taken_apart():
    parts = [table(4, seed=1), table(0), table(3, seed=2)]
    whole = Candidates.joined(parts)
    assert len(whole) == 7
    np.testing.assert_array_equal(whole.at(np.arange(4, 7)).doubt, parts[2].doubt)
