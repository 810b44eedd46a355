"""Every feature of a layer is used or accounted for, lands in its pixel, and keeps what the user wrote beside it."""

import json
import sqlite3

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from pyproj import Transformer
from shapely.geometry import LineString, MultiPoint, MultiPolygon, Point, box

from geopointseg.classes import Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.labels.check import check, check_points
from geopointseg.labels.points import load_points, locate, read_points, write_points
from geopointseg.raster import open_raster, open_rasters

HEIGHT, WIDTH = 8, 10
ARRAY = np.full((HEIGHT, WIDTH), 100, np.uint8)
ARRAY[0] = 0  # the first row is nodata
ARRAY[3:, 4:] = 200


def at(row, col, label, dx=0.0, dy=0.0):
    """A point in a pixel of the default raster; dx and dy in metres from its centre."""
    return 400_005 + 10 * col + dx, 5_799_995 - 10 * row + dy, label


GOOD = [at(r, c, label) for label, c in (("water", 1), ("grass", 7)) for r in (2, 4, 6)]


@pytest.fixture
def image(raster_file):
    return raster_file(ARRAY, nodata=0)


def checked(image, points, out, **options):
    return check([str(image)], points=points, out=out, **({"class_field": "landcover", "held_out": 0} | options))


# classes


@pytest.mark.parametrize("name", ["samples.gpkg", "samples.shp", "samples.geojson"])
@pytest.mark.parametrize(
    ("labels", "names", "codes"),
    [
        (["water", "grass", " water ", "Straße"], ("Straße", "grass", "water"), (0, 1, 2)),
        (["water", None, "grass", "  "], ("grass", "water"), (0, 1)),
        ([30, 10, 22531, 2**31 - 1], ("10", "30", "22531", "2147483647"), (10, 30, 22531, 2**31 - 1)),
        ([30.0, 10.0, np.nan, 10.0], ("10", "30"), (10, 30)),
        (["30", "10", "9", "10"], ("10", "30", "9"), (0, 1, 2)),
    ],
    ids=["text", "text with gaps", "integers", "whole floats with gaps", "digits as text"],
)
def test_classes_come_from_text_and_whole_numbers(points_file, name, labels, names, codes):
    crs = "EPSG:4326" if name.endswith("json") else "EPSG:32633"
    path = points_file([(i, i, label) for i, label in enumerate(labels)], name, crs=crs)
    frame, classes, remarks = read_points(path, "landcover")
    assert (classes.names, classes.codes) == (names, codes)
    assert len(frame) == 4
    assert remarks == ()


@given(order=st.permutations(range(6)))
def test_class_ids_do_not_depend_on_the_order_of_rows(order, tmp_path_factory):
    path = tmp_path_factory.mktemp("order") / "samples.gpkg"
    labels = ["water", "grass", "road", "water", "bare", "grass"]
    shapes = [Point(i, i) for i in order]
    gpd.GeoDataFrame({"landcover": [labels[i] for i in order]}, geometry=shapes, crs=32633).to_file(path)
    assert read_points(path, "landcover")[1] == Classes.of(labels)


def test_fractions_are_no_classes(points_file):
    with pytest.raises(GeoPointSegError, match=r"text or whole numbers in 'landcover', got 0\.25"):
        read_points(points_file([(0, 0, 1.0), (1, 1, 0.25)]), "landcover")


def test_a_column_of_ids_is_not_taken_for_classes(points_file):
    with pytest.raises(GeoPointSegError, match=r"254 classes, got 600.*--class-field"):
        read_points(points_file([(i, i, i) for i in range(600)]), "landcover")


@pytest.mark.parametrize("empty", [[None, np.nan], ["", "  "]])
def test_a_class_field_without_values_is_refused(points_file, empty):
    with pytest.raises(GeoPointSegError, match="only empty ones"):
        read_points(points_file([(0, 0, empty[0]), (1, 1, empty[1])]), "landcover")


# layers


def test_an_unknown_field_lists_the_fields_there_are(points_file):
    path = points_file(GOOD, columns={"author": ["me"] * 6})
    with pytest.raises(GeoPointSegError, match=r"'klass' in .*samples\.gpkg, got the fields landcover, author"):
        read_points(path, "klass")


def test_an_empty_layer_is_refused(points_file, tmp_path):
    path = tmp_path / "empty.gpkg"
    frame = gpd.read_file(points_file(GOOD)).iloc[:0]
    pyogrio.write_dataframe(frame, path, geometry_type="Point")
    with pytest.raises(GeoPointSegError, match=r"an empty layer in .*empty\.gpkg"):
        read_points(path, "landcover")


def test_a_file_of_several_layers_needs_one_chosen(points_file):
    path = points_file(GOOD, layer="spring")
    points_file([(0, 0, "snow")], layer="winter")
    with pytest.raises(GeoPointSegError, match=r"got spring, winter .*--layer"):
        read_points(path, "landcover")
    assert read_points(path, "landcover", layer="winter")[1].names == ("snow",)
    with pytest.raises(GeoPointSegError, match="got autumn among"):
        read_points(path, "landcover", layer="autumn")


def test_what_is_no_vector_file_is_refused(tmp_path):
    with pytest.raises(GeoPointSegError, match="does not exist"):
        read_points(tmp_path / "missing.gpkg", "landcover")
    (tmp_path / "notes.gpkg").write_text("no GeoPackage")
    with pytest.raises(GeoPointSegError, match="vector file that GDAL reads"):
        read_points(tmp_path / "notes.gpkg", "landcover")


def test_points_without_crs_are_refused_unless_one_is_given(points_file):
    path = points_file(GOOD, "samples.shp")
    path.with_suffix(".prj").unlink()
    with pytest.raises(GeoPointSegError, match=r"without one: add its \.prj file or --crs"):
        read_points(path, "landcover")
    assert read_points(path, "landcover", crs="EPSG:32633")[0].crs == "EPSG:32633"


# every feature

EVERYTHING = [  # a feature, its class, and what becomes of it
    (Point(*at(2, 1, 0)[:2]), "water", "used"),
    (Point(*at(4, 7, 0)[:2]), "grass", "used"),
    (Point(*at(-1, 4, 0)[:2]), "water", "outside"),
    (Point(*at(4, 10, 0)[:2]), "water", "outside"),
    (Point(*at(0, 4, 0)[:2]), "grass", "nodata"),
    (Point(*at(2, 1, 0, dx=3, dy=-3)[:2]), "water", "duplicate"),
    (Point(*at(5, 5, 0)[:2]), "water", "conflict"),
    (Point(*at(5, 5, 0, dx=2)[:2]), "grass", "conflict"),
    (Point(*at(5, 5, 0, dx=4)[:2]), "grass", "conflict"),
    (None, "water", "null_geometry"),
    (Point(), "grass", "null_geometry"),
    (Point(*at(6, 6, 0)[:2]), None, "null_class"),
    (Point(*at(6, 6, 0)[:2]), "grass", "used"),
]


def test_every_feature_is_used_or_accounted_for(image, points_file, tmp_path):
    shapes, labels, expected = zip(*EVERYTHING, strict=True)
    path = points_file([(0, 0, label) for label in labels], geometries=shapes)
    report = checked(image, path, tmp_path / "points.gpkg")
    frame = report.points.frame
    assert frame["status"].tolist() == list(expected)
    assert (frame["reason"] == "").tolist() == [status == "used" for status in expected]
    figures = report.figures()
    assert figures["features"] == sum(figures["status"].values()) == len(EVERYTHING)
    assert figures["split"] == {"train": 3}
    assert figures["used_per_class"] == {"grass": 2, "water": 1}
    table = report.table()
    assert table.loc["all", "all"] == len(EVERYTHING)
    assert table.loc["(no class)", "null_class"] == 1
    for status in set(expected) - {"used"}:
        assert any(note.startswith(f"{expected.count(status)} of 13 features not used") for note in report.notes)
        assert table.loc["all", status] == expected.count(status)
    assert json.loads((tmp_path / "points.check.json").read_text()) == figures
    assert report.files == (tmp_path / "points.gpkg", tmp_path / "points.check.json")
    assert all(note in str(report) for note in report.notes)


@given(
    st.lists(
        st.tuples(st.floats(-20, 120), st.floats(-20, 100), st.sampled_from(["water", "grass", "road"])), max_size=40
    )
)
def test_points_are_judged_as_by_hand(image_once, more):
    raster, points = image_once, [*GOOD, *((400_000 + x, 5_800_000 - y, label) for x, y, label in more)]
    geometry = gpd.points_from_xy([x for x, *_ in points], [y for _, y, _ in points])
    frame = gpd.GeoDataFrame({"geopointseg_label": [label for *_, label in points]}, geometry=geometry, crs=32633)
    got, _ = check_points(frame, Classes.of(["water", "grass", "road"]), [raster])
    labels_at = {}
    for x, y, label in points:
        labels_at.setdefault((int((5_800_000 - y) // 10), int((x - 400_000) // 10)), []).append(label)
    for (x, y, label), status in zip(points, got["status"], strict=True):
        pixel = (int((5_800_000 - y) // 10), int((x - 400_000) // 10))
        here = labels_at[pixel]
        if not (0 <= pixel[0] < HEIGHT and 0 <= pixel[1] < WIDTH):
            assert status == "outside"
        elif pixel[0] == 0:
            assert status == "nodata"
        elif len(set(here)) > 1:
            assert status == "conflict"
        else:
            assert status in ("used", "duplicate")
            assert label in here
    pixels = {p for p, here in labels_at.items() if 1 <= p[0] < HEIGHT and 0 <= p[1] < WIDTH and len(set(here)) == 1}
    assert (got["status"] == "used").sum() == len(pixels)


@pytest.fixture(scope="module")
def image_once(raster_file):
    return open_raster(raster_file(ARRAY, nodata=0))


def test_multipoints_are_taken_apart_and_nothing_else_is_lost(image, points_file, tmp_path):
    two = MultiPoint([at(2, 1, 0)[:2], at(4, 1, 0)[:2]])
    areas = MultiPolygon([box(400_050, 5_799_950, 400_060, 5_799_960), box(400_070, 5_799_950, 400_080, 5_799_960)])
    shapes = [two, None, Point(*at(6, 7, 0)[:2]), areas, MultiPoint()]
    labels = ["water", "water", "grass", "grass", "grass"]
    path = points_file([(0, 0, label) for label in labels], geometries=shapes, columns={"no": [1, 2, 3, 4, 5]})
    report = checked(image, path, tmp_path / "points.gpkg")
    frame = report.points.frame
    assert frame["no"].tolist() == [1, 1, 2, 3, 4, 5]
    assert frame["status"].tolist() == ["used", "used", "null_geometry", "used", "used", "null_geometry"]
    assert any("1 MultiPoint" in note and "2 points" in note for note in report.notes)
    assert any("1 MultiPolygon" in note for note in report.notes)


def test_lines_and_areas_count_as_one_point_each_with_a_remark(points_file):
    shapes = [box(0, 0, 4, 4), box(5, 5, 9, 9), LineString([(0, 0), (8, 8)]), Point(1, 1)]
    path = points_file([(0, 0, "water")] * 4, geometries=shapes)
    frame, _, remarks = read_points(path, "landcover")
    assert (frame.geom_type == "Point").all()
    assert all(shape.intersects(point) for shape, point in zip(shapes, frame.geometry, strict=True))
    assert remarks == ("2 Polygon, 1 LineString features: each counts as one point inside it",)


def test_one_class_only_is_refused(image, points_file, tmp_path):
    path = points_file([at(2, 1, "water"), at(4, 1, "water"), at(0, 1, "grass")])
    with pytest.raises(GeoPointSegError, match="at least two classes on valid pixels, got 2 of water"):
        checked(image, path, tmp_path / "points.gpkg")
    assert not (tmp_path / "points.gpkg").exists()


def test_points_that_all_contradict_each_other_are_refused(image, points_file, tmp_path):
    path = points_file([at(2, 1, "water"), at(2, 1, "grass")])
    with pytest.raises(GeoPointSegError, match="got 0 of none"):
        checked(image, path, tmp_path / "points.gpkg")


def test_points_entirely_outside_say_where_both_lie(image, points_file, tmp_path):
    path = points_file([(13.5, 52.5, "water"), (13.6, 52.6, "grass")], crs="EPSG:4326")
    with pytest.raises(GeoPointSegError, match="2 outside") as caught:
        checked(image, path, tmp_path / "points.gpkg")
    west, north = Transformer.from_crs(32633, 4326, always_xy=True).transform(400_000, 5_800_000)
    message = str(caught.value)
    assert "13.5000 to 13.6000 east and 52.5000 to 52.6000 north" in message
    assert f"{west:.4f} to " in message
    assert f"{north:.4f}: check the CRS" in message


def test_rasters_in_several_crs_are_each_placed_rightly(raster_file, points_file, tmp_path):
    east = raster_file(ARRAY, "east.tif", crs="EPSG:32634")  # the same numbers, one zone to the east
    path = points_file([(13.5, 52.5, "water"), (13.6, 52.6, "grass")], crs="EPSG:4326")
    with pytest.raises(GeoPointSegError) as caught:
        check([str(raster_file(ARRAY)), str(east)], points=path, class_field="landcover", out=tmp_path / "points.gpkg")
    first, last = (
        Transformer.from_crs(crs, 4326, always_xy=True).transform(x, 5_800_000)[0]
        for crs, x in ((32633, 400_000), (32634, 400_100))
    )
    assert f"{first:.4f} to {last:.4f}" in str(caught.value)


def test_points_all_on_nodata_point_to_the_nodata_value(image, points_file, tmp_path):
    path = points_file([at(0, 1, "water"), at(0, 5, "grass")])
    with pytest.raises(GeoPointSegError, match="2 nodata: check the raster's nodata value"):
        checked(image, path, tmp_path / "points.gpkg")


def test_a_layer_without_any_geometry_is_refused_in_plain_words(image, points_file, tmp_path):
    path = points_file([(0, 0, "water"), (0, 0, "grass")], geometries=[None, None])
    with pytest.raises(GeoPointSegError, match="2 null_geometry") as caught:
        checked(image, path, tmp_path / "points.gpkg")
    assert "nan" not in str(caught.value)


# places


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:4326", "EPSG:3857", "EPSG:25833", "EPSG:32632"])
@pytest.mark.parametrize("name", ["samples.gpkg", "samples.shp"])
@pytest.mark.parametrize("pixel", [(10, 10), (3, 7)])
def test_points_in_any_crs_land_in_their_pixel(raster_file, points_file, crs, name, pixel):
    raster = open_raster(raster_file(ARRAY, pixel=pixel))
    rows, cols = np.indices(raster.grid.shape).reshape(2, -1)
    to_user = Transformer.from_crs("EPSG:32633", crs, always_xy=True)
    x, y = to_user.transform(*raster.grid.xy(rows, cols))
    frame, classes, _ = read_points(points_file([*zip(x, y, cols % 2, strict=True)], name, crs=crs), "landcover")
    np.testing.assert_array_equal(locate(frame, raster), (rows, cols))
    _, remarks = check_points(frame, classes, [raster])
    assert any("reprojected" in remark for remark in remarks) == (crs != "EPSG:32633")


def test_a_point_is_used_if_any_raster_has_data_there(raster_file, points_file, tmp_path):
    other = np.full((HEIGHT, WIDTH), 50, np.uint8)  # covers the nodata row of the first
    paths = [str(raster_file(ARRAY, nodata=0)), str(raster_file(other, "other.tif", nodata=0))]
    path = points_file([at(0, 1, "water"), at(2, 1, "water"), at(2, 7, "grass"), at(2, 7, "grass", dx=1)])
    report = check(paths, points=path, class_field="landcover", out=tmp_path / "points.gpkg", held_out=0)
    assert report.points.frame["status"].tolist() == ["used", "used", "used", "duplicate"]


def test_points_far_apart_in_a_large_raster_are_looked_up_tile_by_tile(raster_file, points_file):
    array = np.full((700, 1100), 9, np.uint8)
    array[600, 1030] = array[3, 700] = array[520, 3] = 0
    spots = [(600, 1030), (3, 700), (520, 3), (600, 1031), (3, 701), (519, 3), (699, 1099), (0, 0)]
    path = points_file([at(r, c, i % 2) for i, (r, c) in enumerate(spots)])
    frame, classes, _ = read_points(path, "landcover")
    out, _ = check_points(frame, classes, [open_raster(raster_file(array, nodata=0))])
    assert out["status"].tolist() == ["nodata"] * 3 + ["used"] * 5


# the GeoPackage


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:4326"])
def test_columns_and_crs_of_the_user_survive(image, points_file, tmp_path, crs):
    x, y = Transformer.from_crs("EPSG:32633", crs, always_xy=True).transform(*zip(*[p[:2] for p in GOOD], strict=True))
    columns = {"author": ["Ünal", *"bcdef"], "height": [1.5, 2, 3, 4, 5, 6], "label": list("uvwxyz"), "fid": [7.0] * 6}
    rows = [*zip(x, y, (label for *_, label in GOOD), strict=True)]
    path = points_file(rows, "samples.shp", crs=crs, columns=columns)
    report = checked(image, path, tmp_path / "points.gpkg")
    loaded = load_points(tmp_path / "points.gpkg")
    for frame in (report.points.frame, loaded.frame):
        for name, values in (columns | {"landcover": [label for *_, label in GOOD]}).items():
            assert frame[name].tolist() == values
        assert frame.crs == crs
        np.testing.assert_allclose(np.c_[frame.geometry.x, frame.geometry.y], np.c_[x, y])
        assert frame["class_name"].tolist() == [label for *_, label in GOOD]
    assert loaded.classes == report.points.classes


def test_the_class_field_itself_may_be_called_label(image, points_file, tmp_path):
    report = checked(image, points_file(GOOD, field="label"), tmp_path / "points.gpkg", class_field="label")
    assert report.points.frame["label"].tolist() == [label for *_, label in GOOD]


@pytest.mark.parametrize("name", ["status", "STATUS", "Class_ID"])
def test_a_column_with_the_name_of_one_of_ours_gives_way_and_is_named(image, points_file, tmp_path, name):
    path = points_file(GOOD, columns={name: ["theirs"] * 6})
    report = checked(image, path, tmp_path / "points.gpkg")
    assert load_points(tmp_path / "points.gpkg").frame["status"].tolist() == ["used"] * 6
    assert any(name in note for note in report.notes)


def test_a_checked_layer_comes_back_as_it_was(image, points_file, tmp_path):
    shapes, labels, _ = zip(*EVERYTHING, strict=True)
    path = points_file([(0, 0, label) for label in labels], geometries=shapes)
    written = checked(image, path, tmp_path / "points.gpkg", held_out=0.3).points
    loaded = load_points(tmp_path / "points.gpkg")
    texts = ["class_name", "status", "reason", "split", "landcover"]
    assert loaded.frame[texts].fillna("").to_numpy().tolist() == written.frame[texts].fillna("").to_numpy().tolist()
    assert loaded.used()["class_id"].astype(int).tolist() == written.used()["class_id"].tolist()
    assert loaded.frame.geometry.isna().tolist() == (written.frame.geometry.isna() | written.frame.is_empty).tolist()
    assert_frame_equal(loaded.held_out, written.held_out)


def test_checking_a_checked_layer_again_changes_nothing(image, points_file, tmp_path):
    rows = [(x, y, {"water": 10, "grass": 22531}[label]) for x, y, label in GOOD]
    first = checked(image, points_file(rows), tmp_path / "first.gpkg", held_out=0.3)
    again = checked(image, tmp_path / "first.gpkg", tmp_path / "again.gpkg", class_field="class_name", held_out=0.3)
    assert again.points.classes == first.points.classes
    assert again.figures()["status"] == first.figures()["status"]
    assert again.points.frame["split"].tolist() == first.points.frame["split"].tolist()


def test_the_geopackage_opens_coloured_in_qgis(image, points_file, tmp_path):
    report = checked(image, points_file(GOOD), tmp_path / "points.gpkg")
    layers = dict(pyogrio.list_layers(tmp_path / "points.gpkg"))
    assert layers == {"points": "Point", "held_out": "Polygon", "classes": None, "layer_styles": None}
    with sqlite3.connect(tmp_path / "points.gpkg") as database:
        (row,) = database.execute("select f_table_name, f_geometry_column, useAsDefault, styleQML from layer_styles")
        geometry = database.execute("select column_name from gpkg_geometry_columns where table_name = 'points'")
        assert geometry.fetchall() == [(row[1],)]
        classes = database.execute("select id, name, color, code from classes order by id").fetchall()
    database.close()
    assert row[0] == "points"
    assert row[2] == 1
    assert 'attr="class_name"' in row[3]
    assert classes == [tuple(record.values()) for record in report.points.classes.records()]


def test_the_same_points_give_the_same_layer(image, points_file, tmp_path):
    path = points_file(GOOD)
    frames = [checked(image, path, tmp_path / f"{i}.gpkg", held_out=0.3).points.frame for i in range(2)]
    assert_frame_equal(*frames)


def test_existing_points_are_kept_unless_told(image, points_file, tmp_path):
    out = tmp_path / "points.gpkg"
    checked(image, points_file(GOOD), out)
    before = out.read_bytes()
    other = points_file(GOOD[1:], "other.gpkg")
    with pytest.raises(GeoPointSegError, match="--overwrite"):
        checked(image, other, out)
    assert out.read_bytes() == before
    checked(image, other, out, overwrite=True)
    assert len(load_points(out).frame) == len(GOOD) - 1


def test_points_that_were_not_checked_are_refused(points_file):
    with pytest.raises(GeoPointSegError, match="with the layers samples: run 'geopointseg check'"):
        load_points(points_file(GOOD))


def test_a_failing_write_leaves_nothing(image, points_file, tmp_path, monkeypatch):
    report = checked(image, points_file(GOOD), tmp_path / "points.gpkg")
    monkeypatch.setattr("geopointseg.labels.points.layer_styles", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_points(report.points, tmp_path / "new" / "points.gpkg")
    assert list((tmp_path / "new").iterdir()) == []


def test_held_out_points_are_counted_and_named(raster_file, points_file, tmp_path):
    rng = np.random.default_rng(0)
    image = raster_file(np.full((600, 600), 9, np.uint8))
    spots = [at(*rng.integers(0, 600, 2), label) for label in ("water", "grass") for _ in range(60)]
    spots.append(at(300, 300, "rare"))
    report = checked(image, points_file(spots), tmp_path / "points.gpkg", held_out=0.2)
    figures, frame = report.figures(), report.points.frame
    assert figures["split"]["test"] > 10
    assert sum(figures["split"].values()) == figures["status"]["used"]
    assert (frame["split"] != "").tolist() == (frame["status"] == "used").tolist()
    gap = figures["split"].get("gap", 0)
    assert any(note.startswith(f"{gap} points set aside") for note in report.notes) == (gap > 0)
    assert "not assessed, since none of their points is held out: rare" in report.notes
    assert "usable points of class 'rare': 1; expect little of it below about 5" in report.notes
    assert len(report.points.used("test")) == figures["split"]["test"]


# what analysts really hand over


def test_potsdam_57_of_120_points_lie_on_valid_pixels(data, tmp_path):
    folder = data / "gis_training_samples" / "potsdam_enmap"
    image = folder / "enmap_potsdam_partial.tif"
    options = {"class_field": "level_2", "out": tmp_path / "points.gpkg"}
    report = check([str(image)], points=folder / "landcover_potsdam_point.gpkg", **options)
    figures = report.figures()
    assert figures["features"] == sum(figures["status"].values()) == 120
    assert figures["status"]["used"] == 57
    assert sorted(figures["used_per_class"].values()) == [3, 11, 12, 13, 18]
    (raster,), measured = open_rasters([image])
    assert len(raster.bands) == len(measured.mean) == 218


def test_rachel_carson_accounts_for_all_23_polygons(data, tmp_path):
    folder = data / "gis_training_samples" / "rachel_carson_s2"
    image, samples = folder / "sentinel2_20181013_b01-b08.tif", folder / "rcr_landcover.shp"
    options = {"class_field": "Classvalue", "out": tmp_path / "points.gpkg"}
    report = check([str(image)], points=samples, nodata=255, **options)
    figures = report.figures()
    assert figures["features"] == sum(figures["status"].values()) == 23
    codes = {int(code) for code in gpd.read_file(samples)["Classvalue"]}
    assert {record["code"] for record in figures["classes"]} == codes
    assert max(codes) == 22531
    assert any("Polygon" in note for note in report.notes)
    assert any("reprojected" in note for note in report.notes)
    other = check([str(image)], points=samples, overwrite=True, **options)
    assert any("add --nodata 255" in note for note in other.notes)
