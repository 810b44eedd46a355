"""The same features come out of every format; what cannot be read is refused in words that say what to do."""

import zipfile

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from pyproj import Transformer
from shapely.geometry import GeometryCollection, LineString, MultiPoint, Point, box

from geopointseg.errors import GeoPointSegError
from geopointseg.labels.check import check_points
from geopointseg.labels.points import read_points
from geopointseg.labels.vector import PointSource, read_vector
from geopointseg.raster import open_raster

SHAPE = 20, 30
NAMES = ["Wälder", "Wasser", "buildings & roads", "grass"]
RNG = np.random.default_rng(0)
ROWS, COLS = np.divmod(RNG.permutation(SHAPE[0] * SHAPE[1])[:40], SHAPE[1])
LABELS = [NAMES[i] for i in RNG.integers(0, 4, 40)]
X, Y = 400_005 + 10.0 * COLS, 5_799_995 - 10.0 * ROWS


def forty(crs="EPSG:32633"):
    """The forty points of all formats."""
    columns = {"landcover": LABELS, "no": np.arange(40)}
    return gpd.GeoDataFrame(columns, geometry=gpd.points_from_xy(X, Y), crs="EPSG:32633").to_crs(crs)


# One writer per format: it writes the forty points into a folder and says how they are to be read.


def by_gdal(name, crs="EPSG:32633", **options):
    def write(folder):
        pyogrio.write_dataframe(forty(crs), folder / name, **options)
        return {"points": folder / name}

    return write


def zipped_shapefile(folder):
    pyogrio.write_dataframe(forty(), folder / "forty.shp")
    with zipfile.ZipFile(folder / "forty.zip", "w") as archive:
        for path in folder.glob("forty.*"):
            if path.suffix != ".zip":
                archive.write(path, path.name)
    return {"points": folder / "forty.zip"}


def layer_among_others(folder):
    path = folder / "project.gpkg"
    pyogrio.write_dataframe(forty().head(3), path, layer="older")
    pyogrio.write_dataframe(forty(), path, layer="clicks 2024")
    return {"points": path, "layer": "clicks 2024"}


def cp1252_shapefile(folder):
    pyogrio.write_dataframe(forty(), folder / "old.shp", encoding="cp1252")
    (folder / "old.cpg").unlink()
    return {"points": folder / "old.shp", "encoding": "cp1252"}


def utf8_shapefile_without_cpg(folder):
    pyogrio.write_dataframe(forty(), folder / "plain.shp", encoding="UTF-8")
    (folder / "plain.cpg").unlink()
    return {"points": folder / "plain.shp"}


def geoparquet(folder):
    forty("EPSG:4326").to_parquet(folder / "forty.parquet")
    return {"points": folder / "forty.parquet"}


def table(name, columns=("x", "y"), crs="EPSG:32633", **options):
    def write(folder):
        x, y = Transformer.from_crs("EPSG:32633", crs, always_xy=True).transform(X, Y)
        frame = pd.DataFrame({columns[0]: x, columns[1]: y, "landcover": LABELS, "no": range(40)})
        frame.to_csv(folder / name, index=False, **options)
        return {"points": folder / name}

    return write


def wkt_table(folder):
    pd.DataFrame({"WKT": forty().geometry.to_wkt(), "landcover": LABELS, "no": range(40)}).to_csv(folder / "w.csv")
    return {"points": folder / "w.csv"}


def named_columns(folder):
    source = table("german.csv", ("Rechts", "Hoch"), sep=";", decimal=",")(folder)
    return source | {"xy": ("Rechts", "Hoch")}


def multipoints(folder):
    """Ten features of four points each, class by class as far as they go."""
    frame = forty().sort_values("landcover")
    pyogrio.write_dataframe(frame.dissolve("landcover", as_index=False), folder / "multi.gpkg")
    return {"points": folder / "multi.gpkg"}


def with_height(folder):
    frame = forty()
    frame = frame.set_geometry(shapely.force_3d(frame.geometry.to_numpy(), 12.5), crs=frame.crs)
    pyogrio.write_dataframe(frame, folder / "tall.gpkg")
    return {"points": folder / "tall.gpkg"}


def with_measure(folder):
    wkt = [f"POINT ZM ({x} {y} 5 7)" for x, y in zip(X, Y, strict=True)]
    pd.DataFrame({"WKT": wkt, "landcover": LABELS, "no": range(40)}).to_csv(folder / "m.csv")
    return {"points": folder / "m.csv"}


def year_2024(folder):
    more = pd.concat([forty().assign(year=2024), forty().assign(year=2023, landcover="old")], ignore_index=True)
    pyogrio.write_dataframe(gpd.GeoDataFrame(more, crs=32633), folder / "years.gpkg")
    return {"points": folder / "years.gpkg", "where": "year = 2024"}


def parquet_2024(folder):
    more = pd.concat([forty().assign(year=2024), forty().assign(year=2023, landcover="old")], ignore_index=True)
    gpd.GeoDataFrame(more, crs=32633).to_parquet(folder / "years.parquet")
    return {"points": folder / "years.parquet", "where": "year = 2024"}


FORMATS = {
    "shapefile": by_gdal("forty.shp"),
    "shapefile of another zone": by_gdal("forty.shp", "EPSG:32632"),
    "zipped shapefile": zipped_shapefile,
    "shapefile in cp1252 without .cpg": cp1252_shapefile,
    "shapefile in UTF-8 without .cpg": utf8_shapefile_without_cpg,
    "GeoPackage": by_gdal("forty.gpkg"),
    "layer of a GeoPackage": layer_among_others,
    "GeoJSON": by_gdal("forty.geojson", "EPSG:4326"),
    "FlatGeobuf": by_gdal("forty.fgb"),
    "KML": by_gdal("forty.kml", "EPSG:4326", driver="LIBKML"),
    "GeoParquet": geoparquet,
    "CSV": table("forty.csv"),
    "CSV with ; and decimal commas": table("forty.csv", ("X", "Y"), sep=";", decimal=","),
    "CSV with named columns": named_columns,
    "CSV with lon and lat": table("forty.csv", ("Longitude", "Latitude"), "EPSG:4326"),
    "TSV": table("forty.tsv", ("easting", "northing"), sep="\t"),
    "CSV with WKT": wkt_table,
    "MultiPoint": multipoints,
    "PointZ": with_height,
    "PointZM": with_measure,
    "--where": year_2024,
    "--where on GeoParquet": parquet_2024,
}


@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
def test_every_format_gives_the_same_layer(write, tmp_path, raster_file):
    raster = open_raster(raster_file(np.ones(SHAPE, np.uint8)))
    source = PointSource(**({"class_field": "landcover"} | write(tmp_path)))
    features, found, _ = read_points(source, crs="EPSG:32633")
    assert found.classes.names == tuple(sorted(NAMES))
    frame, _ = check_points(features, found, [raster])
    assert (frame["status"] == "used").all()
    assert len(frame) == 40
    points = frame.to_crs(32633)
    rows, cols = raster.grid.rowcol(points.geometry.x, points.geometry.y)
    got = sorted(zip(rows.tolist(), cols.tolist(), frame["class_name"], strict=True))
    assert got == sorted(zip(ROWS.tolist(), COLS.tolist(), LABELS, strict=True))


def source(path, **options):
    return PointSource(path, "landcover", **options)


def test_height_is_kept_and_given_to_points_that_have_none(tmp_path):
    shapes = [Point(1, 2, 3), Point(4, 5)]
    pyogrio.write_dataframe(
        gpd.GeoDataFrame({"landcover": ["a", "b"]}, geometry=shapes, crs=32633), tmp_path / "p.geojson"
    )
    frame, _ = read_vector(source(tmp_path / "p.geojson"), None)
    assert frame.has_z.all()
    assert frame.geometry.iloc[0].z == 3


def test_parts_of_a_multipoint_keep_the_features_id_and_its_place(points_file):
    shapes = [Point(0, 0), MultiPoint([(1, 1), (2, 2)]), Point(3, 3), MultiPoint(), None]
    path = points_file([(0, 0, "water")] * 5, geometries=shapes)
    frame, remarks = read_vector(source(path), None)
    assert frame.index.tolist() == [1, 2, 2, 3, 4, 5]
    assert [None if p is None else p.x for p in frame.geometry] == [0, 1, 2, 3, None, None]
    assert remarks == ["3 MultiPoint features taken apart into 4 points"]  # GDAL makes all of a layer MultiPoint


def test_lines_and_areas_stay_what_they_are_with_a_remark(points_file):
    shapes = [box(0, 0, 4, 4), box(5, 5, 9, 9), LineString([(0, 0), (8, 8)]), Point(1, 1)]
    frame, remarks = read_vector(source(points_file([(0, 0, "water")] * 4, geometries=shapes)), None)
    assert frame.geom_type.tolist() == ["Polygon", "Polygon", "LineString", "Point"]
    assert remarks == [
        "2 Polygon, 1 LineString features: lines label the superpixels they cross, areas label every pixel inside"
    ]


# CRS


def test_points_without_crs_are_refused_unless_one_is_given(points_file):
    path = points_file([(0, 0, "a")], "samples.shp")
    path.with_suffix(".prj").unlink()
    with pytest.raises(GeoPointSegError, match=r"a CRS, got .*samples\.shp without one: add its \.prj file or --crs"):
        read_vector(source(path), None)
    assert read_vector(source(path), None, "EPSG:32633")[0].crs == "EPSG:32633"


def test_a_crs_for_what_has_none_does_not_touch_what_has_one(points_file):
    frame, remarks = read_vector(source(points_file([(0, 0, "a")])), None, "EPSG:4326")
    assert frame.crs == "EPSG:32633"
    assert remarks == ["--crs EPSG:4326 is not used for the points: their own CRS is EPSG:32633"]


def test_the_crs_of_the_points_can_be_put_right(points_file):
    path = points_file([(0, 0, "a")])
    frame, remarks = read_vector(source(path, points_crs="EPSG:32632"), None)
    assert frame.crs == "EPSG:32632"
    assert remarks == ["points taken as EPSG:32632, although their file says EPSG:32633"]


def test_columns_in_degrees_need_no_crs(tmp_path):
    (tmp_path / "gps.csv").write_text("LAT,LON,landcover\n52.5,13.5,water\n")
    frame, _ = read_vector(source(tmp_path / "gps.csv"), None)
    assert frame.crs == "EPSG:4326"
    assert (frame.geometry.x.item(), frame.geometry.y.item()) == (13.5, 52.5)


# what is refused, and in which words


def test_a_table_without_coordinates_names_its_columns(tmp_path):
    (tmp_path / "t.csv").write_text("a,b,landcover\n1,2,water\n")
    with pytest.raises(GeoPointSegError, match=r"coordinates \(x and y\) in .*t\.csv, got a, b, landcover: .*--xy"):
        read_vector(source(tmp_path / "t.csv"), None, "EPSG:32633")
    with pytest.raises(GeoPointSegError, match=r"coordinates \(east and north\)"):
        read_vector(source(tmp_path / "t.csv", xy=("east", "north")), None, "EPSG:32633")
    assert len(read_vector(source(tmp_path / "t.csv", xy=("a", "b")), None, "EPSG:32633")[0]) == 1


@pytest.mark.parametrize("content", ["", "x,y,landcover\n"], ids=["empty file", "only a head"])
def test_an_empty_table_is_refused(tmp_path, content):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(GeoPointSegError, match=r"expected (some points, got an empty layer|columns with coordinates)"):
        read_vector(source(tmp_path / "t.csv"), None, "EPSG:32633")


def test_columns_are_named_for_tables_only(points_file):
    with pytest.raises(GeoPointSegError, match=r"a table such as a CSV with --xy, got .*samples\.gpkg: leave --xy out"):
        read_vector(source(points_file([(0, 0, "a")]), xy=("x", "y")), None)


def test_text_that_is_not_utf8_is_shown_broken_and_read(tmp_path):
    pyogrio.write_dataframe(forty(), tmp_path / "old.shp", encoding="cp1252")
    (tmp_path / "old.cpg").unlink()
    with pytest.raises(
        GeoPointSegError, match=r"text in UTF-8, got 'W\ufffdlder' .*--encoding cp1252.* reads 'Wälder'"
    ):
        read_vector(source(tmp_path / "old.shp"), None)


def test_a_cpg_that_does_not_tell_the_truth_is_reported(tmp_path):
    pyogrio.write_dataframe(forty(), tmp_path / "new.shp", encoding="UTF-8")
    (tmp_path / "new.cpg").write_text("ISO-8859-1")
    _, remarks = read_vector(source(tmp_path / "new.shp"), None)
    assert len(remarks) == 1
    assert "text looks broken: 'WÃ¤lder' in the field landcover of new.shp would be 'Wälder'" in remarks[0]


def test_an_unknown_encoding_is_refused(points_file):
    with pytest.raises(GeoPointSegError, match="expected an encoding such as UTF-8 or cp1252, got --encoding klingon"):
        read_vector(source(points_file([(0, 0, "a")], "s.shp"), encoding="klingon"), None)


@pytest.mark.parametrize("name", ["samples.gpkg", "samples.shp", "samples.geojson"])
def test_a_condition_that_is_none_is_refused(points_file, name):
    path = points_file([(0, 0, "a")], name, crs="EPSG:4326")
    with pytest.raises(GeoPointSegError, match="expected a condition in OGR SQL, got --where jahr == gestern"):
        read_vector(source(path, where="jahr == gestern"), None)


def test_a_condition_that_nothing_meets_is_refused(points_file):
    with pytest.raises(GeoPointSegError, match=r"got no feature where landcover = 'z' in .*samples\.gpkg"):
        read_vector(source(points_file([(0, 0, "a")]), where="landcover = 'z'"), None)


CURVES = {
    "CURVEPOLYGON": "CURVEPOLYGON (CIRCULARSTRING (0 0, 2 0, 2 1, 2 3, 0 0))",
    "CIRCULARSTRING": "CIRCULARSTRING (0 0, 1 1, 2 0)",
    "COMPOUNDCURVE": "COMPOUNDCURVE (CIRCULARSTRING (0 0, 1 1, 2 0), (2 0, 3 0))",
}


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("file", ["c.csv", "c.vrt"])
def test_curves_are_refused_by_name(tmp_path, name, file):
    (tmp_path / "c.csv").write_text(f'WKT,landcover\n"{CURVES[name]}",a\n"POINT (1 1)",b\n')
    (tmp_path / "c.vrt").write_text(
        f"""<OGRVRTDataSource><OGRVRTLayer name="c"><SrcDataSource>{tmp_path}/c.csv</SrcDataSource>
        </OGRVRTLayer></OGRVRTDataSource>"""
    )
    with pytest.raises(GeoPointSegError, match=rf"straight geometries, got {name} in .*{file}: .*Segmentize"):
        read_vector(source(tmp_path / file), None, "EPSG:32633")


def test_collections_are_refused_by_name(points_file):
    path = points_file([(0, 0, "a")], geometries=[GeometryCollection([Point(0, 0), LineString([(0, 0), (1, 1)])])])
    with pytest.raises(GeoPointSegError, match=r"points, lines or polygons, got GeometryCollection .*singleparts"):
        read_vector(source(path), None)


def test_what_is_no_geoparquet_is_refused(tmp_path):
    pd.DataFrame({"landcover": ["a"]}).to_parquet(tmp_path / "plain.parquet")
    (tmp_path / "text.parquet").write_text("no parquet")
    for name in ("plain", "text"):
        with pytest.raises(GeoPointSegError, match=rf"expected GeoParquet, got .*{name}\.parquet"):
            read_vector(source(tmp_path / f"{name}.parquet"), None)


def test_a_plain_table_of_a_geopackage_has_no_points(tmp_path):
    pyogrio.write_dataframe(pd.DataFrame({"landcover": ["a"]}), tmp_path / "t.gpkg", layer="table")
    with pytest.raises(GeoPointSegError, match="expected a layer of points"):
        read_points(source(tmp_path / "t.gpkg"))


def test_triangles_and_surfaces_are_refused(tmp_path):
    (tmp_path / "t.csv").write_text('WKT,landcover\n"TRIANGLE ((0 0, 1 0, 0 1, 0 0))",a\n')
    with pytest.raises(GeoPointSegError, match="points, lines or polygons, got another kind of geometry"):
        read_vector(source(tmp_path / "t.csv"), None, "EPSG:32633")


def test_a_folder_is_no_vector_file(tmp_path):
    with pytest.raises(GeoPointSegError, match=r"expected a vector file, got the folder .*: name a file in it"):
        read_points(source(tmp_path))


def test_a_table_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("x,y,landcover\n1,2,Wälder\n", encoding="utf-16")
    with pytest.raises(GeoPointSegError, match=r"(a table in UTF-8, got .*t\.csv|columns with coordinates)"):
        read_vector(source(tmp_path / "t.csv"), None, "EPSG:32633")


def test_rows_without_numbers_for_coordinates_are_counted(tmp_path):
    (tmp_path / "t.csv").write_text("x,y,landcover\n1,2,a\nn/a,2,a\n3,,b\n")
    frame, remarks = read_vector(source(tmp_path / "t.csv"), None, "EPSG:32633")
    assert frame.geometry.isna().tolist() == [False, True, True]
    assert "2 rows of t.csv without geometry: their coordinates are empty or no numbers" in remarks


def test_columns_that_a_geopackage_cannot_hold_are_kept_in_another_form(tmp_path):
    frame = gpd.GeoDataFrame(
        {
            "landcover": ["a", "b"],
            "LANDCOVER": ["c", "d"],
            "tags": [["x", "y"], None],
            "more": [{"k": 1}, {"k": 2}],
            "took": pd.to_timedelta([1, 2], "s"),
            "big": np.array([2**63, 1], np.uint64),
            "centre": gpd.points_from_xy([0, 1], [0, 1]),
        },
        geometry=gpd.points_from_xy([0, 1], [0, 1]),
        crs=32633,
    )
    frame["centre"] = gpd.GeoSeries(frame["centre"], crs=32633)
    frame.to_parquet(tmp_path / "odd.parquet")
    got, remarks = read_vector(source(tmp_path / "odd.parquet"), None)
    assert got["tags"].tolist()[0] == '["x", "y"]'
    assert got["more"].tolist() == ['{"k": 1}', '{"k": 2}']
    assert got["big"].tolist() == [str(2**63), "1"]
    assert got["centre"].tolist() == ["POINT (0 0)", "POINT (1 1)"]
    assert got["LANDCOVER_1"].tolist() == ["c", "d"]
    assert "the field LANDCOVER is kept as LANDCOVER_1: another differs from it only in case" in remarks
    pyogrio.write_dataframe(got, tmp_path / "odd.gpkg")


def test_a_list_in_geojson_is_kept_as_text(tmp_path):
    (tmp_path / "l.geojson").write_text(
        """{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"landcover": "a",
        "tags": ["p", "q"], "more": {"k": [1, 2]}}, "geometry": {"type": "Point", "coordinates": [13, 52]}}]}"""
    )
    frame, _ = read_vector(source(tmp_path / "l.geojson"), None)
    assert all(isinstance(value, str) for value in frame.drop(columns="geometry").iloc[0])
