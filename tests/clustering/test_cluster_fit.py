"""Learning stops when it should, every loss and network learns, and superpixels and tiles cover the raster."""

import numpy as np
import pytest
import torch

from geopointseg.clustering.fit import Learning, fit
from geopointseg.clustering.network import build
from geopointseg.clustering.pixels import cut_superpixels, sample, seen, tiles
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Grid
from geopointseg.statistics import Statistics, open_rasters


@pytest.fixture
def halves(raster_file):
    image = np.zeros((2, 32, 48), np.uint8)
    image[:, :, 24:] = [[[200]], [[90]]]
    return open_rasters([raster_file(image)])


def test_the_published_network_has_the_published_size():
    network = build("fcn", 3, 32)
    assert sum(parameter.numel() for parameter in network.parameters()) == 152_288
    assert network(torch.zeros(2, 3, 37, 50)).shape == (2, 32, 37, 50)


@pytest.mark.parametrize(
    ("method", "loss"),
    [("fcn", "focal"), ("fcn", "lovasz"), ("kanezaki", "cross-entropy"), ("continuity", "cross-entropy")],
)
def test_every_network_and_loss_tells_two_halves_apart(halves, method, loss):
    fitted = fit(*halves, method=method, k=4, learning=Learning(epochs=4, loss=loss, size=40, least=1))
    assert not fitted.network.training
    with torch.inference_mode():
        image = torch.zeros(1, 2, 32, 48) - 0.5
        image[..., 24:] = 0.5
        ids = fitted.network(image)[0].argmax(dim=0)
    assert ids[16, 8] != ids[16, 40]


def test_it_stops_at_few_clusters_or_when_answers_agree(halves):
    def epochs(**options):
        return fit(*halves, k=4, learning=Learning(epochs=6, size=40, **options))

    assert epochs(least=4).epochs == 1
    assert epochs(least=1, agree=0.01).epochs == 2
    assert epochs(least=0).epochs <= 6


@pytest.mark.parametrize("options", [{"epochs": 0}, {"size": 1}, {"agree": 0}, {"tiles": 0}, {"tile": 20}])
def test_what_is_out_of_range_is_refused(halves, options):
    with pytest.raises(GeoPointSegError, match=r"expected (at least 1 epoch|tiles whose side)"):
        fit(*halves, learning=Learning(**options))


def test_the_random_state_of_others_stays(halves):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    fit(*halves, k=4, learning=Learning(epochs=1, size=40))
    assert torch.rand(1) == expected


def test_tiles_are_those_of_the_published_code(halves):
    of = halves[0][0].grid
    places = tiles(Grid(of.crs, of.transform, 7200, 6800))
    assert len(places) == 16 * 16
    assert (places[-1].row, places[-1].col) == (7200 - 512, 6800 - 512)
    assert tiles(of) == [(0, 0, 32, 48)]
    assert [tile.col for tile in tiles(of, 32)] == [0, 16]


def test_superpixels_of_the_whole_raster_have_numbers_of_their_own(raster_file, tmp_path, monkeypatch):
    monkeypatch.setattr("geopointseg.clustering.pixels.WINDOW", 32)
    image = np.zeros((1, 40, 64), np.uint8)
    image[0, :, 20:] = 200
    image[0, :4] = 9
    (raster,), statistics = open_rasters([raster_file(image, nodata=9)])
    found = cut_superpixels(raster, statistics, tmp_path / "cut.npy", size=100)
    assert ((found == 0) == (image[0] == 9)).all()
    left, right = np.unique(found[:, :32]), np.unique(found[:, 32:])
    assert set(left) & set(right) == {0}
    assert not set(found[4:, :20].ravel()) & set(found[4:, 20:].ravel())


def test_missing_bands_are_the_middle_and_a_sample_has_data_only(raster_file):
    pixels = np.array([[[0, np.nan, np.nan]], [[200, 100, np.nan]]], np.float32)
    statistics = Statistics((0.0, 0.0), (1.0, 1.0), (0.0, 0.0), (100.0, 200.0))
    values, inside = seen(pixels, statistics)
    assert values.tolist() == [[[0, 0.5, 0.5]], [[1, 0.5, 0.5]]]
    assert inside.tolist() == [[True, True, False]]
    image = np.full((1, 50, 50), 9, np.uint8)
    image[0, :25] = np.arange(50)
    rasters, measured = open_rasters([raster_file(image, nodata=9)])
    taken = sample(rasters, measured, 100, seed=0)
    assert taken.shape[1] == 1
    assert len(taken) <= 100
    np.testing.assert_array_equal(taken, sample(rasters, measured, 100, seed=0))
