"""Maps of clusters are scored as partitions, by scikit-learn's and scikit-image's measures, whatever the ids mean."""

import json

import numpy as np
import pytest
import rasterio
from skimage.metrics import adapted_rand_error
from sklearn import metrics

from geopointseg.classes import Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.maps import partitions
from geopointseg.maps.assess import assess
from geopointseg.maps.partitions import Partition, holds_clusters, partition_of_truth


@pytest.fixture
def pair(class_map, raster_file):
    """A map of four clusters with a hole, and truth of three values without names."""
    rng = np.random.default_rng(4)
    truth = rng.choice([10, 20, 300], size=(40, 50)).astype(np.uint16)
    clusters = np.where(rng.random((40, 50)) < 0.6, truth // 100, rng.integers(0, 4, (40, 50))).astype(np.uint8)
    clusters[:3], truth[:, :4] = 255, 0
    with rasterio.open(class_map(clusters, "clusters.tif"), "r+", IGNORE_COG_LAYOUT_BREAK="YES") as target:
        target.update_tags(KIND="clusters")
        path = target.name
    return path, str(raster_file(truth, "truth.tif", nodata=0)), clusters, truth


def test_scores_are_those_of_the_peers(pair, tmp_path, monkeypatch):
    path, truth_path, clusters, truth = pair
    monkeypatch.setattr(partitions, "TILE", 16)
    report = assess([path], truth=[truth_path], out=tmp_path / "scores.json")
    both = (truth != 0) & (clusters != 255)
    t, c = truth[both].astype(int), clusters[both]
    figures = report.figures()
    assert isinstance(report, Partition)
    assert figures["count"] == both.sum()
    assert figures["unmapped"] == ((truth != 0) & (clusters == 255)).sum()
    assert figures["classes"] == ["10", "20", "300"]
    assert figures["clusters"] == [0, 1, 2, 3]
    assert figures["adjusted_mutual_information"] == pytest.approx(metrics.adjusted_mutual_info_score(t, c))
    assert figures["fowlkes_mallows"] == pytest.approx(metrics.fowlkes_mallows_score(t, c))
    assert figures["adapted_rand_error"] == pytest.approx(adapted_rand_error(t, c + 1, ignore_labels=())[0])
    assert json.loads((tmp_path / "scores.json").read_text()) == figures
    assert "per_class" not in figures
    assert "3 classes, 4 clusters" in str(report)


def test_truth_with_names_keeps_them(class_map):
    found = partition_of_truth([class_map([[0, 0, 1]])], [class_map([[3, 3, 0]], "truth.tif")])
    assert found.names == ("bare", "water")
    assert found.figures()["adjusted_mutual_information"] == pytest.approx(1)


def test_a_map_of_classes_can_be_taken_for_one_of_clusters(class_map, raster_file, tmp_path):
    truth = raster_file(np.array([[7, 7, 9, 9]], np.uint8), "truth.tif")  # none of the map's codes
    report = assess([str(class_map([[1, 1, 0, 0]]))], truth=[str(truth)], clusters=True, out=tmp_path / "s.json")
    assert report.figures()["adjusted_mutual_information"] == pytest.approx(1)


def test_names_tell_clusters_too(class_map, raster_file):
    own = Classes.colored(["cluster 1", "cluster 2"], [1, 2])
    assert holds_clusters(class_map([[0, 1]], "a.tif", own=own))
    assert not holds_clusters(class_map([[0, 1]], "b.tif"))
    assert not holds_clusters(class_map([[0, 1]], "c.tif", own=Classes.colored(["cluster 1", "road"], [1, 2])))
    assert not holds_clusters(raster_file(np.zeros((1, 2), np.uint8), "d.tif"))


def test_truth_elsewhere_or_without_anything_is_refused(class_map, raster_file, tmp_path):
    path = class_map([[0, 1]])
    with pytest.raises(GeoPointSegError, match="expected truth on the map's grid"):
        partition_of_truth([path], [raster_file(np.zeros((2, 2), np.uint8), "truth.tif")])
    empty = raster_file(np.full((1, 2), 255, np.uint8), "truth.tif")
    with pytest.raises(GeoPointSegError, match="expected truth on the maps, got none"):
        assess([str(path)], truth=[str(empty)], clusters=True, out=tmp_path / "s.json")
