"""The layer is read with its classes, and kept as a GeoPackage that loses nothing of what the user wrote."""

import sqlite3

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from pyproj import Transformer
from shapely.geometry import LineString, Point, box

from geopointseg.classes import Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.labels.check import check
from geopointseg.labels.points import load_points, read_points, write_points
from geopointseg.labels.split import Split
from geopointseg.labels.vector import PointSource

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


def source(path, class_field="landcover", **options):
    return PointSource(path, class_field, **options)


def checked(image, points, out, *, class_field="landcover", held_out=0, overwrite=False, **options):
    """The report on one raster; options say how the points are read."""
    given = source(points, class_field, **options)
    return check([str(image)], source=given, split=Split(held_out), out=out, overwrite=overwrite)


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


# classes


@pytest.mark.parametrize("name", ["samples.gpkg", "samples.shp", "samples.geojson"])
@pytest.mark.parametrize(
    ("labels", "names", "codes"),
    [
        (["water", "grass", "water", "Straße"], ("Straße", "grass", "water"), (0, 1, 2)),
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
    frame, found, remarks = read_points(source(path))
    assert (found.classes.names, found.classes.codes) == (names, codes)
    assert len(frame) == 4
    assert remarks == []


@given(order=st.permutations(range(6)))
def test_class_ids_do_not_depend_on_the_order_of_rows(order, tmp_path_factory):
    path = tmp_path_factory.mktemp("order") / "samples.gpkg"
    labels = ["water", "grass", "road", "water", "bare", "grass"]
    shapes = [Point(i, i) for i in order]
    gpd.GeoDataFrame({"landcover": [labels[i] for i in order]}, geometry=shapes, crs=32633).to_file(path)
    assert read_points(source(path))[1].classes == Classes.of(labels)


def test_fractions_are_no_classes(points_file):
    with pytest.raises(GeoPointSegError, match=r"text or whole numbers in 'landcover', got 0\.25"):
        read_points(source(points_file([(0, 0, 1.0), (1, 1, 0.25)])))


def test_a_column_of_ids_is_not_taken_for_classes(points_file):
    with pytest.raises(GeoPointSegError, match=r"254 classes, got 600.*--class-field"):
        read_points(source(points_file([(i, i, i) for i in range(600)])))


@pytest.mark.parametrize("empty", [[None, np.nan], ["", "  "]])
def test_a_class_field_without_values_is_refused(points_file, empty):
    with pytest.raises(GeoPointSegError, match="only empty ones"):
        read_points(source(points_file([(0, 0, empty[0]), (1, 1, empty[1])])))


# layers


def test_an_unknown_field_lists_the_fields_there_are(points_file):
    path = points_file(GOOD, columns={"author": ["me"] * 6})
    with pytest.raises(GeoPointSegError, match=r"'klass' in .*samples\.gpkg, got the fields landcover, author"):
        read_points(source(path, "klass"))


def test_an_empty_layer_is_refused(points_file, tmp_path):
    path = tmp_path / "empty.gpkg"
    frame = gpd.read_file(points_file(GOOD)).iloc[:0]
    pyogrio.write_dataframe(frame, path, geometry_type="Point")
    with pytest.raises(GeoPointSegError, match=r"an empty layer in .*empty\.gpkg"):
        read_points(source(path))


def test_a_file_of_several_layers_needs_one_chosen(points_file):
    path = points_file(GOOD, layer="spring")
    points_file([(0, 0, "snow")], layer="winter")
    with pytest.raises(GeoPointSegError, match=r"got spring, winter .*--layer"):
        read_points(source(path))
    assert read_points(source(path, layer="winter"))[1].classes.names == ("snow",)
    with pytest.raises(GeoPointSegError, match="got autumn among"):
        read_points(source(path, layer="autumn"))


def test_what_is_no_vector_file_is_refused(tmp_path):
    with pytest.raises(GeoPointSegError, match="does not exist"):
        read_points(source(tmp_path / "missing.gpkg"))
    (tmp_path / "notes.gpkg").write_text("no GeoPackage")
    with pytest.raises(GeoPointSegError, match="vector file that GDAL reads"):
        read_points(source(tmp_path / "notes.gpkg"))


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
    frame = load_points(tmp_path / "points.gpkg").frame
    assert frame["status"].tolist() == ["used"] * 6
    assert frame[f"user_{name}"].tolist() == ["theirs"] * 6
    assert any(f"{name} is kept as user_{name}" in note for note in report.notes)


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
    assert layers == {"points": "Point", "held_out": "MultiPolygon", "classes": None, "layer_styles": None}
    with sqlite3.connect(tmp_path / "points.gpkg") as database:
        row, held_out = database.execute(
            "select f_table_name, f_geometry_column, useAsDefault, styleQML from layer_styles order by f_table_name desc"
        )
        geometry = database.execute("select column_name from gpkg_geometry_columns where table_name = 'points'")
        assert geometry.fetchall() == [(row[1],)]
        classes = database.execute("select id, name, color, code from classes order by id").fetchall()
    database.close()
    assert (row[0], held_out[0]) == ("points", "held_out")
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
    monkeypatch.setattr("geopointseg.labels.points.layer_styles", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_points(report.points, tmp_path / "new" / "points.gpkg")
    assert list((tmp_path / "new").iterdir()) == []


MIXED = [  # a feature, its class, and the layer it goes to
    (Point(*at(2, 1, 0)[:2]), "water", "points"),
    (LineString([at(4, 1, 0)[:2], at(4, 3, 0)[:2]]), "water", "scribbles"),
    (box(400_060, 5_799_920, 400_090, 5_799_960), "grass", "areas"),
    (None, "grass", "points"),
    (Point(*at(1, 7, 0)[:2]), "grass", "points"),
]


@pytest.fixture
def mixed(points_file):
    shapes, labels, _ = zip(*MIXED, strict=True)
    return points_file([(0, 0, label) for label in labels], "mixed.gpkg", geometries=shapes, columns={"no": range(5)})


def test_points_scribbles_and_areas_have_layers_of_their_own(image, mixed, tmp_path):
    report = checked(image, mixed, tmp_path / "points.gpkg")
    layers = dict(pyogrio.list_layers(tmp_path / "points.gpkg"))
    assert {name: layers[name] for name in ("points", "scribbles", "areas")} == {
        "points": "Point",
        "scribbles": "MultiLineString",
        "areas": "MultiPolygon",
    }
    for kind in ("points", "scribbles", "areas"):
        numbers = gpd.read_file(tmp_path / "points.gpkg", layer=kind)["no"].tolist()
        assert numbers == [i for i, (*_, layer) in enumerate(MIXED) if layer == kind]
    styles = pyogrio.read_dataframe(tmp_path / "points.gpkg", layer="layer_styles", read_geometry=False)
    assert set(styles["f_table_name"]) == {"points", "scribbles", "areas", "held_out"}
    loaded = load_points(tmp_path / "points.gpkg").frame.sort_values("no")
    for column in ("status", "class_name", "source_fid", "landcover"):
        assert loaded[column].tolist() == report.points.frame[column].tolist()
    again = checked(image, tmp_path / "points.gpkg", tmp_path / "again.gpkg", class_field="class_name")
    assert again.figures()["status"] == report.figures()["status"] == {"used": 4, "null_geometry": 1}
    assert sorted(again.points.frame["source_fid"]) == [1, 2, 3, 4, 5]


def test_height_survives(image, points_file, tmp_path):
    shapes = [Point(x, y, 7 + i) for i, (x, y, _) in enumerate(GOOD)]
    checked(image, points_file(GOOD, geometries=shapes), tmp_path / "points.gpkg")
    assert load_points(tmp_path / "points.gpkg").frame.geometry.z.tolist() == [7, 8, 9, 10, 11, 12]


def test_columns_called_fid_and_geom_survive(image, points_file, tmp_path):
    path = points_file(GOOD, "s.geojson", columns={"fid": [7] * 6, "geom": list("abcdef")})
    checked(image, path, tmp_path / "points.gpkg")
    loaded = load_points(tmp_path / "points.gpkg").frame
    assert loaded["fid"].tolist() == [7] * 6
    assert loaded["geom"].tolist() == list("abcdef")
    with sqlite3.connect(tmp_path / "points.gpkg") as database:
        styled = database.execute("select f_geometry_column from layer_styles where f_table_name = 'points'").fetchone()
        actual = database.execute(
            "select column_name from gpkg_geometry_columns where table_name = 'points'"
        ).fetchone()
    database.close()
    assert styled == actual == ("geopointseg_geom",)


# a GeoPackage that holds something already


def test_other_layers_of_a_geopackage_and_their_styles_are_kept(image, mixed, points_file, tmp_path):
    out = tmp_path / "points.gpkg"
    checked(image, mixed, out)
    roads = gpd.GeoDataFrame({"name": ["A1", "A2"]}, geometry=[Point(1, 2), Point(3, 4)], crs=4326)
    pyogrio.write_dataframe(roads, out, layer="roads", append=True)
    with sqlite3.connect(out) as database:
        database.execute(
            "insert into layer_styles (f_table_name, styleName, styleQML) values ('roads', 'red', '<qgis/>')"
        )
    database.close()
    checked(image, points_file(GOOD), out, overwrite=True)
    assert_frame_equal(gpd.read_file(out, layer="roads"), roads, check_like=True)
    styles = pyogrio.read_dataframe(out, layer="layer_styles", read_geometry=False)
    assert sorted(styles["f_table_name"]) == ["areas", "held_out", "points", "roads", "scribbles"]
    assert styles.loc[styles["f_table_name"] == "roads", "styleQML"].tolist() == ["<qgis/>"]
    assert len(load_points(out).frame) == len(GOOD)  # the scribble and the area of before are gone


def test_a_layer_of_ours_is_not_taken_for_the_users(image, points_file, tmp_path):
    out = tmp_path / "points.gpkg"
    pyogrio.write_dataframe(gpd.read_file(points_file(GOOD)), out, layer="points")
    before = out.read_bytes()
    with pytest.raises(
        GeoPointSegError, match=r"a free place for the layer 'points', got .* is not ours: choose another"
    ):
        checked(image, points_file(GOOD), out, overwrite=True)
    assert out.read_bytes() == before


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_geopackage_that_is_open_elsewhere_is_left_alone(image, points_file, tmp_path, mode):
    out = tmp_path / "points.gpkg"
    checked(image, points_file(GOOD), out)
    other = sqlite3.connect(out, isolation_level=None)
    other.execute(f"pragma journal_mode = {mode}")  # QGIS uses wal
    other.execute("begin exclusive" if mode == "delete" else "begin immediate")
    other.execute("update classes set name = 'x'")
    with pytest.raises(
        GeoPointSegError, match=r"a GeoPackage that is free, got .*points\.gpkg, .* open: close it there"
    ):
        checked(image, points_file(GOOD[1:]), out, overwrite=True)
    other.execute("rollback")
    other.close()
    assert len(load_points(out).frame) == len(GOOD)
    assert sorted(p.name for p in tmp_path.glob("*points*")) == ["points.gpkg"]


@pytest.mark.parametrize("layer", ["classes", "held_out", "Points"])
def test_no_layer_of_the_users_is_replaced_whatever_its_name(image, points_file, tmp_path, layer):
    out = tmp_path / "points.gpkg"
    pyogrio.write_dataframe(gpd.read_file(points_file(GOOD)), out, layer=layer)
    before = out.read_bytes()
    with pytest.raises(GeoPointSegError, match=f"a free place for the layer '{layer}'"):
        checked(image, points_file(GOOD), out, overwrite=True)
    assert out.read_bytes() == before


def test_points_added_in_qgis_are_checked_in_place(image, points_file, tmp_path):
    out = tmp_path / "points.gpkg"
    checked(image, points_file(GOOD), out)
    x, y, _ = at(6, 6, 0)
    added = gpd.GeoDataFrame({"class_name": ["water"]}, geometry=[Point(x, y)], crs=32633)
    pyogrio.write_dataframe(added, out, layer="points", append=True)
    with pytest.raises(GeoPointSegError, match=r"checked points, got 1 in .* added since: run 'geopointseg check"):
        load_points(out)
    with pytest.raises(GeoPointSegError, match=r"the points themselves, .*, but for a checked layer, with --overwrite"):
        checked(image, out, out, class_field="class_name")
    report = checked(image, out, out, class_field="class_name", overwrite=True)
    assert report.figures()["status"] == {"used": 7}
    assert load_points(out).frame["source_fid"].isna().tolist() == [False] * 6 + [True]
    assert load_points(out).frame["landcover"].tolist()[:6] == [label for *_, label in GOOD]


def test_the_same_points_give_the_same_file(image, points_file, tmp_path):
    path = points_file(GOOD)
    for name in ("a", "b"):
        checked(image, path, tmp_path / name / "points.gpkg")
    assert (tmp_path / "a" / "points.gpkg").read_bytes() == (tmp_path / "b" / "points.gpkg").read_bytes()


def test_a_field_that_differs_in_case_is_suggested(points_file):
    with pytest.raises(GeoPointSegError, match=r"fields landcover: did you mean landcover\?"):
        read_points(source(points_file(GOOD), "LandCover"))
