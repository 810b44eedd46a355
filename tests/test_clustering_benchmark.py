"""The benchmark's tables: means over images first, then over seeds, and the images that chose options are left out."""

import json

import pytest

from benchmarks import clustering
from benchmarks.accuracy_data import Data


def scores(value):
    return {"AMI": value, "FMI": 0.5, "ARE": None, "clusters": 4, "s/Mpx": 2.0}


def test_means_are_over_images_and_then_over_seeds():
    found = clustering.tabulated({0: [scores(0.2), scores(0.4)], 1: [scores(0.5)]})
    assert found["AMI"] == [pytest.approx(0.3), 0.5]
    assert found["ARE"] == []


def test_the_table_says_whether_the_network_is_ahead(tmp_path, monkeypatch):
    data = Data(tmp_path, 128, {"train": ["b", "a"], "val": ["v"], "test": ["t"]})
    monkeypatch.setattr(clustering, "DATA_SETS", {"synthetic": lambda _: data})
    given = clustering.arguments(["--sets", "synthetic", "--seeds", "0", "--cache", str(tmp_path), "--table"])
    paths = [path for *_, path in clustering.cells(given, "synthetic")]
    assert {path.name.split("-")[0] for path in paths} == {"a", "b", "t"}
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        method = path.name.split("-")[1]
        value = {"fcn": 0.5, "kmeans": 0.4, "isodata": 0.3}[method.removesuffix(".json")]
        rows = [row for row, (of, _) in clustering.ROWS.items() if of == method]
        path.write_text(json.dumps({row: scores(value) for row in rows}))
    text, figures, ahead = clustering.tables(given)
    assert ahead
    assert figures["synthetic: fcn: AMI"] == 0.5
    assert "synthetic: a, b, t" in text
    paths[0].write_text(json.dumps({"fcn": scores(-0.9)}))
    assert not clustering.tables(given)[2]
