"""Pixels come as rasterio gives them, NaN stands wherever there is no data, and what cannot be read says why."""

from dataclasses import astuple

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.crs import CRS

from geopointseg.classes import Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Grid, Window
from geopointseg.raster import creating, find_rasters, open_raster, parse_crs, raster_classes, read, read_labels, valid
from geopointseg.statistics import decimated, open_rasters, statistics, suspect_nodata

RAMP = np.arange(24, dtype=np.uint8).reshape(4, 6)
NAN = np.nan


def whole(raster):
    return read(raster, Window(0, 0, *raster.grid.shape))


# finding


def test_rasters_are_found_by_name_folder_and_glob_each_once(tmp_path, monkeypatch):
    for name in ("b.tif", "a.TIF", "c.vrt", "notes.txt", ".a.partial-1.tif", "d.tif.aux.xml"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    names = ["a.TIF", "b.tif", "c.vrt"]
    assert [p.name for p in find_rasters([tmp_path])] == names
    assert [p.name for p in find_rasters(str(tmp_path))] == names
    assert [p.name for p in find_rasters([f"{tmp_path}/[ab].*"])] == ["a.TIF", "b.tif"]
    assert [p.name for p in find_rasters(["?.tif"])] == ["b.tif"]
    assert [p.name for p in find_rasters(["b.tif", "*.vrt", "b.tif"])] == ["b.tif", "c.vrt"]
    assert [p.name for p in find_rasters([tmp_path / "b.tif", tmp_path])] == ["b.tif", "a.TIF", "c.vrt"]


def test_a_glob_passes_over_half_written_files(tmp_path):
    (tmp_path / "a.tif").touch()
    (tmp_path / ".a.partial-1.tif").touch()
    assert [p.name for p in find_rasters([f"{tmp_path}/*.tif"])] == ["a.tif"]


@pytest.mark.parametrize("item", ["missing.tif", "empty", "*.tif", "nowhere/*.tif"])
def test_what_matches_nothing_is_named(tmp_path, item):
    (tmp_path / "empty").mkdir()
    with pytest.raises(GeoPointSegError, match="matches nothing") as caught:
        find_rasters([tmp_path / item])
    assert str(tmp_path / item) in str(caught.value)


def test_no_input_at_all_is_refused():
    with pytest.raises(GeoPointSegError, match="at least one raster"):
        find_rasters([])


# opening


def test_the_header_is_what_rasterio_says(raster_file):
    path = raster_file(np.stack([RAMP, RAMP]), names=["red"], dtype="uint16", nodata=9, pixel=(2, 5))
    raster = open_raster(path)
    with rasterio.open(path) as source:
        assert raster.grid == Grid(source.crs, source.transform, *source.shape)
    assert raster.grid.pixel_size == (2, 5)
    assert (raster.bands, raster.names) == ((1, 2), ("red", "band_2"))
    assert (raster.dtype, raster.nodata) == ("uint16", 9)


def test_a_raster_without_crs_is_refused_unless_one_is_given(raster_file):
    path = raster_file(RAMP, crs=None)
    with pytest.raises(GeoPointSegError, match=r"image\.tif without one: add --crs"):
        open_raster(path)
    assert open_raster(path, crs="EPSG:32633").grid.crs == CRS.from_epsg(32633)


def test_the_files_own_crs_and_nodata_come_first(raster_file):
    raster = open_raster(raster_file(RAMP, nodata=7), crs="EPSG:4326", nodata=0)
    assert raster.grid.crs == CRS.from_epsg(32633)
    assert raster.nodata == 7


def test_an_unknown_crs_is_refused():
    with pytest.raises(GeoPointSegError, match="expected a CRS such as EPSG:32633, got 'Potsdam'"):
        parse_crs("Potsdam")


def test_a_rotated_raster_is_refused_with_the_remedy(raster_file):
    path = raster_file(RAMP, transform=Affine.translation(4e5, 5e6) @ Affine.rotation(30) @ Affine.scale(10, -10))
    with pytest.raises(GeoPointSegError, match="gdalwarp"):
        open_raster(path)


@pytest.mark.parametrize("content", [b"", b"not a raster", b"II*\x00 cut short"])
def test_what_gdal_cannot_read_is_refused(tmp_path, content):
    path = tmp_path / "image.tif"
    path.write_bytes(content)
    with pytest.raises(GeoPointSegError, match=r"raster that GDAL reads, got .*image\.tif"):
        open_raster(path)


def test_a_truncated_tiff_says_where_it_breaks(raster_file):
    noise = np.random.default_rng(0).integers(0, 255, (256, 256), np.uint8)
    path = raster_file(noise)
    path.write_bytes(path.read_bytes()[:-30_000])
    with pytest.raises(GeoPointSegError, match=r"image\.tif.*damaged or cut short"):
        open_rasters([path])
    with pytest.raises(GeoPointSegError, match="damaged or cut short"):
        read_labels(path, Window(0, 0, 256, 256))


@pytest.mark.parametrize("bands", [[0], [3], [1, 7]])
def test_a_band_that_does_not_exist_is_refused(raster_file, bands):
    with pytest.raises(GeoPointSegError, match="bands between 1 and 2"):
        open_raster(raster_file(np.stack([RAMP, RAMP])), bands=bands)


def test_bands_are_read_in_the_order_asked_for(raster_file):
    raster = open_raster(raster_file(np.stack([RAMP, RAMP + 100, RAMP + 200]), names=["r", "g", "b"]), bands=[3, 1])
    assert raster.names == ("b", "r")
    np.testing.assert_array_equal(whole(raster), np.stack([RAMP + 200, RAMP]))


@pytest.mark.parametrize("other", [{"array": RAMP}, {"array": np.stack([RAMP, RAMP]), "dtype": "int16"}])
def test_rasters_that_differ_in_bands_or_type_do_not_go_together(raster_file, other):
    paths = [raster_file(np.stack([RAMP, RAMP])), raster_file(**other)]
    with pytest.raises(GeoPointSegError, match="alike in bands and type"):
        open_rasters(paths)


# reading

KINDS = {
    "square uint8": {"dtype": "uint8"},
    "wide pixels, odd origin, uint16": {"dtype": "uint16", "pixel": (0.7, 2.5), "origin": (392_117.3, 5_806_233.9)},
    "tall pixels, int16": {"dtype": "int16", "pixel": (30.3, 0.1), "origin": (-0.7, 0.3)},
    "degrees, odd origin, float32": {
        "dtype": "float32",
        "crs": "EPSG:4326",
        "pixel": (1 / 7200, 1 / 3600),
        "origin": (13.123456789, 52.987654321),
    },
}


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def any_raster(request, raster_file):
    values = np.random.default_rng(1).integers(0, 250, (3, 23, 37))
    return open_raster(raster_file(values, **request.param))


@given(row=st.integers(-30, 40), col=st.integers(-45, 60), height=st.integers(1, 45), width=st.integers(1, 60))
def test_any_window_is_rasterios_bit_for_bit_and_nan_beyond(any_raster, row, col, height, width):
    got = read(any_raster, Window(row, col, height, width))
    with rasterio.open(any_raster.path) as source:
        full = source.read().astype(np.float32)
    expected = np.full((3, height, width), NAN, np.float32)
    for r in range(max(row, 0), min(row + height, 23)):
        cols = np.arange(max(col, 0), min(col + width, 37))
        expected[:, r - row, cols - col] = full[:, r, cols]
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, expected)


def test_large_and_negative_values_come_exactly(raster_file):
    values = np.array([[-32768, -1, 0], [1, 12345, 32767]])
    np.testing.assert_array_equal(whole(open_raster(raster_file(values, dtype="int16")))[0], values)


def test_decimation_takes_every_nth_pixel(raster_file):
    array = np.arange(64 * 96, dtype=np.uint16).reshape(64, 96)
    got = read(open_raster(raster_file(array)), Window(0, 0, 64, 96), decimate=4)
    assert got.shape == (1, 16, 24)
    rows, cols = np.divmod(got[0], 96)
    np.testing.assert_array_equal(rows // 4, np.repeat(np.arange(16)[:, None], 24, 1))
    np.testing.assert_array_equal(cols // 4, np.repeat(np.arange(24)[None], 16, 0))


SMALL = np.array([[1, 0, 2], [3, 4, 0]])
HOLES = np.array([[0, 1, 0], [0, 0, 1]], bool)
NODATA = {
    "declared": ({"array": SMALL, "nodata": 0}, None),
    "given by the user": ({"array": SMALL}, 0),
    "NaN": ({"array": np.where(HOLES, NAN, SMALL), "dtype": "float32"}, None),
    "NaN, declared": ({"array": np.where(HOLES, NAN, SMALL), "dtype": "float32", "nodata": NAN}, None),
    "infinite": ({"array": np.where(HOLES, -np.inf, SMALL), "dtype": "float32"}, None),
    "lowest float": (
        {"array": np.where(HOLES, -3.4028234663852886e38, SMALL), "dtype": "float32"},
        -3.4028234663852886e38,
    ),
    "declared fraction": ({"array": np.where(HOLES, -0.1, SMALL), "dtype": "float32", "nodata": -0.1}, None),
    "alpha band": ({"array": SMALL, "alpha": ~HOLES * 255}, None),
    "mask band": ({"array": SMALL, "mask": ~HOLES * 255}, None),
    "alpha band and user": ({"array": SMALL, "alpha": [[255] * 3, [255, 255, 0]]}, 0),
    "alpha band and declared": ({"array": SMALL + 9 * HOLES, "alpha": [[255] * 3, [255, 255, 0]], "nodata": 9}, None),
    "mask band and declared": ({"array": SMALL + 9 * HOLES, "mask": [[1] * 3, [1, 1, 0]], "nodata": 9}, None),
}


@pytest.mark.parametrize(("file", "user"), NODATA.values(), ids=NODATA)
def test_nodata_is_nan_however_the_file_says_so(raster_file, file, user):
    raster = open_raster(raster_file(**({"dtype": "uint8"} | file)), nodata=user)
    np.testing.assert_array_equal(whole(raster), np.where(HOLES, NAN, SMALL)[None])
    np.testing.assert_array_equal(valid(whole(raster)), ~HOLES)


def test_a_transparent_pixel_is_missing_in_every_band(raster_file):
    raster = open_raster(raster_file(np.stack([SMALL, SMALL + 10]), dtype="uint8", alpha=~HOLES * 255))
    assert raster.bands == (1, 2)
    np.testing.assert_array_equal(np.isnan(whole(raster)), np.stack([HOLES, HOLES]))


def test_nodata_in_one_band_leaves_the_pixel_valid(raster_file):
    raster = open_raster(raster_file(np.stack([SMALL, SMALL[::-1]]), nodata=0))
    pixels = whole(raster)
    np.testing.assert_array_equal(np.isnan(pixels), np.stack([HOLES, HOLES[::-1]]))
    np.testing.assert_array_equal(valid(pixels), [[True, True, True], [True, True, True]])
    missing = open_raster(raster_file(np.stack([SMALL, SMALL]), nodata=0))
    np.testing.assert_array_equal(valid(whole(missing)), ~HOLES)


def test_each_band_of_a_vrt_keeps_its_own_nodata(raster_file):
    path = raster_file(np.stack([SMALL, SMALL]), dtype="uint8")
    band = (
        '<VRTRasterBand dataType="Byte" band="{0}"><NoDataValue>{1}</NoDataValue><SimpleSource>'
        '<SourceFilename relativeToVRT="1">image.tif</SourceFilename><SourceBand>{0}</SourceBand>'
        "</SimpleSource></VRTRasterBand>"
    )
    vrt = path.with_suffix(".vrt")
    vrt.write_text(
        '<VRTDataset rasterXSize="3" rasterYSize="2"><SRS>EPSG:32633</SRS>'
        "<GeoTransform>400000, 10, 0, 5800000, 0, -10</GeoTransform>"
        f"{band.format(1, 0)}{band.format(2, 4)}</VRTDataset>"
    )
    np.testing.assert_array_equal(whole(open_raster(vrt)), [[[1, NAN, 2], [3, 4, NAN]], [[1, 0, 2], [3, NAN, 0]]])


# statistics


def test_statistics_come_from_valid_pixels_only(raster_file):
    array = np.random.default_rng(0).normal([[[50]], [[900]]], [[[5]], [[30]]], (2, 30, 40)).round()
    holes = np.random.default_rng(1).random((30, 40)) < 0.4
    raster = open_raster(raster_file(np.where(holes, -32768, array), dtype="int16", nodata=-32768))
    got = statistics([raster])
    good = array[:, ~holes]
    expected = (good.mean(1), good.std(1), *np.percentile(good, (2, 98), axis=1))
    np.testing.assert_allclose(astuple(got), expected, rtol=1e-6)


def test_statistics_of_two_rasters_are_those_of_all_their_pixels(raster_file):
    a, b = np.full((5, 8), 10), np.full((20, 6), 30)
    got = statistics([open_raster(raster_file(x, dtype="uint8")) for x in (a, b)])
    both = np.concatenate([a.ravel(), b.ravel()])
    np.testing.assert_allclose(np.ravel(astuple(got)), [both.mean(), both.std(), 10, 30])


def test_bands_without_a_valid_pixel_are_left_out(raster_file):
    array = np.stack([SMALL, np.zeros_like(SMALL), SMALL * 10])
    path = raster_file(array, dtype="int16", nodata=0, names=["red", "bad", "nir"])
    (raster,), measured = open_rasters([path])
    assert (raster.bands, raster.names) == ((1, 3), ("red", "nir"))
    assert measured.mean == (2.5, 25)
    np.testing.assert_array_equal(whole(raster), np.where(HOLES, NAN, [SMALL, SMALL * 10]))


def test_a_band_that_is_bad_in_one_of_two_rasters_stays(raster_file):
    paths = [raster_file(np.stack([SMALL, bad]), nodata=0, dtype="uint8") for bad in (SMALL, SMALL * 0)]
    rasters, _ = open_rasters(paths)
    assert [raster.bands for raster in rasters] == [(1, 2), (1, 2)]


def test_a_raster_of_nothing_but_nodata_is_refused(raster_file):
    with pytest.raises(GeoPointSegError, match=r"only nodata in .*image\.tif"):
        open_rasters([raster_file(np.full((4, 4), 255, np.uint8))], nodata=255)


def test_statistics_of_a_constant_band_can_be_divided_by(raster_file):
    measured = statistics([open_raster(raster_file(np.full((4, 4), 7, np.uint8)))])
    assert measured.mean == (7,)
    assert measured.std[0] > 0
    assert measured.high[0] > measured.low[0]


def test_a_large_raster_is_sampled_over_its_whole_extent(raster_file):
    array = np.zeros((1500, 2100), np.uint8)
    array[:, 1050:] = 100
    raster = open_raster(raster_file(array))
    assert max(decimated(raster).shape) <= 1024
    assert statistics([raster]).mean[0] == pytest.approx(50, abs=0.5)


@pytest.mark.parametrize(
    ("collar", "dtype", "nodata", "suspect"),
    [
        (0, "uint8", None, 0),
        (255, "uint8", None, 255),
        (65535, "uint16", None, 65535),
        (0, "uint8", 0, None),  # declared: nothing to suspect
        (7, "uint8", None, None),
        (0, "float32", None, None),
    ],
)
def test_an_undeclared_collar_is_suspected(raster_file, collar, dtype, nodata, suspect):
    array = np.arange(200).reshape(2, 10, 10) + 20
    array[:, :, :2] = collar
    assert suspect_nodata(open_raster(raster_file(array, dtype=dtype, nodata=nodata))) == suspect


# class rasters and writing


def test_labels_beyond_the_raster_are_unlabelled(raster_file):
    got = read_labels(raster_file(RAMP), Window(-1, 4, 3, 4))
    assert got.tolist() == [[255] * 4, [4, 5, 255, 255], [10, 11, 255, 255]]


def test_class_names_come_back_from_the_tags(tmp_path, raster_file):
    grid, classes = Grid(CRS.from_epsg(32633), Affine(10, 0, 0, 0, -10, 0), 4, 6), Classes.of(["road", "Gewässer"])
    with creating(tmp_path / "map.tif", grid) as target:
        target.update_tags(CLASSES=classes.to_tag())
    assert raster_classes(tmp_path / "map.tif") == classes
    with pytest.raises(GeoPointSegError, match="without class names"):
        raster_classes(raster_file(RAMP))


def test_what_is_written_lies_on_exactly_the_grid(tmp_path, any_raster):
    path, array = tmp_path / "out.tif", np.arange(23 * 37, dtype=np.int16).reshape(23, 37)
    with creating(path, any_raster.grid, dtype="int16", nodata=-1) as target:
        target.write(array, 1)
    with rasterio.open(path) as source, rasterio.open(any_raster.path) as original:
        assert (source.crs, source.transform, source.shape) == (original.crs, original.transform, original.shape)
        assert source.nodata == -1
        assert source.tags()["AREA_OR_POINT"] == "Area"
        np.testing.assert_array_equal(source.read(1), array)


def test_an_interrupted_write_leaves_nothing(tmp_path, any_raster):
    with pytest.raises(KeyboardInterrupt), creating(tmp_path / "out.tif", any_raster.grid):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
