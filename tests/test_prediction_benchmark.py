"""What the benchmarks of prediction measure by: their windows, lines, virtual rasters and bounds are what they say."""

import numpy as np
import pytest
import rasterio
import torch

from benchmarks import gpu, huge, predict, seams
from benchmarks.prediction_data import PLACE, write_raster
from geopointseg.grid import Window
from geopointseg.learning.backends import with_torch
from geopointseg.maps.classify import classify
from geopointseg.raster import open_raster, read


def picture(height, width):
    return np.random.default_rng(0).integers(1, 250, (3, height, width), dtype=np.uint8)


class Spy(torch.nn.Module):
    """A network that finds the third of the range that the first band is in, and keeps what it is shown."""

    def __init__(self):
        super().__init__()
        self.classes, self.device, self.seen = range(3), torch.device("cpu"), []

    def forward(self, x):
        self.seen += list(x.numpy().copy())
        return 20.0 * ((x[:, :1] // 84) == torch.arange(3)[None, :, None, None])


def test_the_bare_network_sees_the_windows_of_the_map(tmp_path):
    path, spy = write_raster(tmp_path / "a.tif", picture(150, 200)), Spy()
    list(classify(spy, open_raster(path), ask=with_torch(spy), window=64, overlap=16))
    windows = predict.in_memory(path, 64, 16)
    assert len(windows) == len(spy.seen) == 4 * 5
    np.testing.assert_array_equal(windows, spy.seen)


def test_the_loop_of_a_torchgeo_user_gives_a_map_on_the_grid(tmp_path, monkeypatch):
    pixels, spy = picture(150, 200), Spy()
    path = write_raster(tmp_path / "a.tif", pixels)
    monkeypatch.setattr(predict, "plain", lambda task: lambda x: task(torch.from_numpy(x)).softmax(dim=1).numpy())
    predict.torchgeo_loop(spy, path, tmp_path / "loop.tif", 64, 16)
    with rasterio.open(tmp_path / "loop.tif") as made:
        np.testing.assert_array_equal(made.read(1), pixels[0] // 84)
        assert made.transform == PLACE


def test_shares_of_equal_pixels_are_counted(tmp_path):
    one = np.zeros((1, 600, 700), np.uint8)
    other = one.copy()
    other[0, 590:, 690:] = 1
    paths = [write_raster(tmp_path / f"{i}.tif", each) for i, each in enumerate((one, other))]
    assert predict.equal(*paths) == 1 - 100 / (600 * 700)


def test_a_bound_that_is_missed_is_told():
    figures = {"compute for overlap": 1.3, "equal pixels: auto, TorchGeo's loop": 0.99, "a start of auto, s": 7.0}
    assert predict.reached(figures) == {"compute for overlap": False, "equal pixels: auto, TorchGeo's loop": True}


def test_lines_lie_in_the_middle_of_overlaps():
    window, overlap = 64, 16
    covered = np.zeros(300, int)
    for start in range(-overlap // 2, 300, window - overlap):
        covered[max(start, 0) : start + window] += 1
    near = seams.lines(300, window, overlap)
    middles = np.flatnonzero(near[4:-4]) + 4
    assert (covered[middles] == 2).all()
    assert near.sum() == 4 + 6 * 7  # at 0 only what lies within
    both = seams.on_lines((300, 200), window, overlap)
    assert both[48].all()
    assert both[:, 96].all()
    assert not both[24, 24]


def test_the_half_width_is_that_of_the_gradient():
    pixels = picture(90, 100)
    box = torch.nn.Conv2d(3, 2, 9, padding=4, bias=False)
    torch.nn.init.ones_(box.weight)
    assert seams.half_width(box, pixels, side=64) == 4


def test_the_virtual_raster_repeats_the_small_one(tmp_path):
    pixels = picture(70, 90)
    virtual = open_raster(huge.write_virtual(tmp_path / "v.vrt", write_raster(tmp_path / "s.tif", pixels), 2000))
    assert virtual.grid.shape == (2000, 2000)
    some = [Window(0, 0, 50, 60), Window(1940, 1930, 60, 70), Window(680, 1295, 200, 10)]
    for window in some:
        np.testing.assert_array_equal(read(virtual, window), huge.repeated(pixels, window))
    for window in huge.places(2000, 10):
        assert window == window.within(2000, 2000)


@pytest.mark.parametrize(
    ("told", "right"), [(7_396, True), (8_084, True), (7_395, False), (8_200, False), (None, False)]
)
def test_a_plan_fits_the_lattice(told, right):
    """86 windows along each side begin within the raster, one every 704 pixels from -32 on."""
    assert huge.fits(f"huge.tif: 60000 x 60000 pixels, {told} windows in 144 shards", 60_000) is right


def test_a_small_map_is_no_bigtiff(tmp_path):
    big, seconds, _ = huge.write_big(tmp_path / "map.tif", 600)
    assert not big
    assert seconds > 0


def test_without_a_gpu_there_is_nothing_to_measure(monkeypatch, capsys):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU: python -m benchmarks.gpu measures it")
    monkeypatch.setattr("sys.argv", ["benchmarks/gpu.py", "--quick"])
    gpu.main()
    assert capsys.readouterr().out.splitlines() == [
        "no GPU here: nothing measured",
        '{"figures": {}, "targets": {}, "met": true}',
    ]


def test_windowing_is_read_off_the_map(tmp_path):
    path = write_raster(tmp_path / "a.tif", picture(40, 40))
    with rasterio.open(path, "r+") as target:
        target.update_tags(OPTIONS='{"window": 768, "overlap": 64}')
    assert predict.windowing(path) == (768, 64)
