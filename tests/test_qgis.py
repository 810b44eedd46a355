"""QGIS opens what we write with the names and colours of the classes; class 0 shows, what is not used is hollow."""

import json
import os
import subprocess

import geopandas as gpd
import matplotlib.image
import numpy as np
import pyogrio
import pytest
from affine import Affine
from matplotlib.colors import to_rgb
from rasterio.crs import CRS
from shapely.geometry import LineString, Point, box

from geopointseg.classes import Classes
from geopointseg.forms import QGIS_NULL
from geopointseg.grid import Grid, Window
from geopointseg.labels.outline import write_outlines
from geopointseg.labels.points import Points, write_points
from geopointseg.legend.files import read_legend
from geopointseg.legend.styles import own_style
from geopointseg.maps.polygons import polygons
from geopointseg.maps.sample import sample
from geopointseg.maps.scores import write_scores
from geopointseg.maps.write import write_map
from geopointseg.qgis import layer_styles
from geopointseg.raster import creating

PYTHON = "/usr/bin/python3"  # the interpreter that Debian's python3-qgis belongs to
CLASSES = Classes.of(["bare", "building", "grass", "<water> & 'reeds'", "woodland"])
HEADLESS = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
SCRIPT = """
import json, sys
from qgis.core import (QgsApplication, QgsMapRendererParallelJob, QgsMapSettings, QgsProject, QgsRasterLayer,
                       QgsVectorLayer)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor

map_file, points_file, picture = sys.argv[1:]
app = QgsApplication([], False)
app.initQgis()
raster = QgsRasterLayer(map_file, "map")
points = QgsVectorLayer(points_file + "|layername=points", "points")
renderer, marks = raster.renderer(), points.renderer()
settings = QgsMapSettings()
settings.setLayers([raster])
settings.setDestinationCrs(raster.crs())
settings.setExtent(raster.extent())
settings.setOutputSize(QSize(300, 240))
settings.setBackgroundColor(QColor("#ff00ff"))
job = QgsMapRendererParallelJob(settings)
job.start()
job.waitForFinished()
job.renderedImage().save(picture)
print(json.dumps({
    "valid": [raster.isValid(), points.isValid()],
    "crs": [raster.crs().authid(), points.crs().authid()],
    "type": [renderer.type(), marks.type()],
    "legend": [[c.label, c.color.name(), c.color.alpha(), int(c.value)] for c in renderer.classes()],
    "nodata": raster.dataProvider().sourceNoDataValue(1),
    "field": marks.classAttribute() if marks.type() == "categorizedSymbol" else None,
    "marks": [[c.label(), c.value(), c.symbol().color().name()] for c in marks.categories()]
             if marks.type() == "categorizedSymbol" else None,
    "points": points.featureCount(),
}))
"""


def has_qgis():
    """Whether Debian's Python finds QGIS."""
    try:
        run = subprocess.run([PYTHON, "-c", "import qgis.core"], capture_output=True, env=HEADLESS, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return run.returncode == 0


pytestmark = [
    pytest.mark.qgis,
    pytest.mark.slow,
    pytest.mark.skipif(not has_qgis(), reason=f"{PYTHON} has no qgis.core: apt-get install qgis python3-qgis"),
]


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What QGIS says of a map with a stripe per class, and of points of each class; and the picture it draws."""
    folder = tmp_path_factory.mktemp("qgis")
    ids = np.repeat(np.array([0, 1, 2, 3, 4, 255], np.uint8), 100)[None].repeat(480, axis=0)
    grid = Grid(CRS.from_epsg(32633), Affine(10, 0, 400_000, 0, -10, 5_800_000), *ids.shape)
    path, *_ = write_map(folder / "map.tif", grid, CLASSES, [(Window(0, 0, *ids.shape), ids)])
    x, y = grid.xy(np.full(5, 100), np.arange(5) * 100 + 50)
    columns = {"class_id": range(5), "class_name": CLASSES.names, "status": "used", "reason": "", "split": "train"}
    frame = gpd.GeoDataFrame(columns, geometry=gpd.points_from_xy(x, y), crs="EPSG:32633")
    blocks = gpd.GeoDataFrame({"block": np.zeros(0, np.int64)}, geometry=[], crs="EPSG:32633")
    points = write_points(Points(frame, CLASSES, blocks), folder / "points.gpkg")
    (folder / "look.py").write_text(SCRIPT)
    arguments = [folder / "look.py", path, points, folder / "picture.png"]
    run = subprocess.run([PYTHON, *arguments], capture_output=True, text=True, env=HEADLESS, timeout=300)
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout.splitlines()[-1])
    return told, matplotlib.image.imread(folder / "picture.png")[..., :3]


def test_both_layers_open_where_they_belong(seen):
    told, _ = seen
    assert told["valid"] == [True, True]
    assert told["crs"] == ["EPSG:32633", "EPSG:32633"]
    assert told["nodata"] == 255
    assert told["points"] == 5


def test_the_legend_of_the_map_is_our_classes(seen):
    told, _ = seen
    assert told["type"][0] == "paletted"
    expected = zip(CLASSES.names, CLASSES.colors, strict=True)
    assert told["legend"] == [[name, color, 255, i] for i, (name, color) in enumerate(expected)]


def test_the_points_are_categorised_in_the_same_names_and_colours(seen):
    told, _ = seen
    assert told["type"][1] == "categorizedSymbol"
    assert told["field"] == "class_name"
    marks = [[name, name, color] for name, color in zip(CLASSES.names, CLASSES.colors, strict=True)]
    assert told["marks"][:-1] == marks
    assert told["marks"][-1][:2] == ["no class", ""]


def test_every_class_is_drawn_opaque_and_nodata_is_not(seen):
    _, picture = seen
    assert picture.shape[:2] == (240, 300)
    for i, color in enumerate([*CLASSES.colors, "#ff00ff"]):  # the last stripe has no data: the background shows
        stripe = picture[60:180, i * 50 + 10 : i * 50 + 40]
        assert np.abs(stripe - to_rgb(color)).max() < 0.02, color


LAYERS = ("points", "scribbles", "areas", "held_out")
SHAPES = {
    "points": Point,
    "scribbles": lambda x, y: LineString([(x - 40, y), (x + 40, y)]),
    "areas": lambda x, y: box(x - 40, y - 40, x + 40, y + 40),
    "held_out": lambda x, y: box(x - 40, y - 40, x + 40, y + 40),
}
DRAW = """
import json, sys
from qgis.core import (QgsApplication, QgsMapRendererParallelJob, QgsMapSettings, QgsRectangle, QgsVectorLayer)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor

file, folder = sys.argv[1:]
app = QgsApplication([], False)
app.initQgis()
told = {}
for name in ["points", "scribbles", "areas", "held_out"]:
    layer = QgsVectorLayer(file + "|layername=" + name, name, "ogr")
    renderer = layer.renderer()
    told[name] = [renderer.type(), layer.labelsEnabled()]
    if renderer.type() == "categorizedSymbol":
        marks = [[c.label(), c.symbol().color().name()] for c in renderer.categories()]
        told[name] += [renderer.classAttribute(), marks]
    settings = QgsMapSettings()
    settings.setLayers([layer])
    settings.setDestinationCrs(layer.crs())
    settings.setExtent(QgsRectangle(-50, -50, 550, 150))
    settings.setOutputSize(QSize(600, 200))
    settings.setBackgroundColor(QColor("#ff00ff"))
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    job.renderedImage().save(folder + "/" + name + ".png")
    layer.saveNamedStyle(folder + "/" + name + ".qml")
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """What QGIS says of vector layers, and the picture it draws of each.

    One pixel is one metre. Features stand 100 m apart: a column per class and one without, used ones in the lower row.
    """
    folder = tmp_path_factory.mktemp("vectors")
    path = folder / "labels.gpkg"
    rows = [(x, y, name) for y in (0, 100) for x, name in zip(range(0, 600, 100), [*CLASSES.names, None], strict=True)]
    status = [("outside" if y else "used") if name else "null_class" for _, y, name in rows]
    for layer in LAYERS:
        columns = {"class_name": [name for *_, name in rows], "status": status}
        shapes = [SHAPES[layer](x, y) for x, y, _ in rows]
        frame = gpd.GeoDataFrame(columns, geometry=shapes, crs="EPSG:32633")
        pyogrio.write_dataframe(frame, path, layer=layer, driver="GPKG", append=path.exists())
    pyogrio.write_dataframe(layer_styles(CLASSES, LAYERS), path, layer="layer_styles", append=True)
    (folder / "draw.py").write_text(DRAW)
    command = [PYTHON, folder / "draw.py", path, folder]
    run = subprocess.run(command, capture_output=True, text=True, env=HEADLESS, timeout=300)
    assert run.returncode == 0, run.stderr
    pictures = {layer: matplotlib.image.imread(folder / f"{layer}.png")[..., :3] for layer in LAYERS}
    return json.loads(run.stdout.splitlines()[-1]), pictures, path


BACKGROUND = np.array([1.0, 0.0, 1.0])


def around(picture, column, *, used, reach=45):
    """The pixels about a feature, as (row, column, RGB)."""
    row, column = (150 if used else 50), column * 100 + 50
    return picture[row - reach : row + reach + 1, column - reach : column + reach + 1]


def share(pixels, color):
    """How many of the pixels have a colour."""
    return (np.abs(pixels - color).max(axis=-1) < 0.02).mean()


@pytest.mark.parametrize("layer", LAYERS[:3])
def test_layers_of_labels_are_categorised_in_our_names_and_colours(drawn, layer):
    kind, labelled, field, marks = drawn[0][layer]
    assert (kind, labelled, field) == ("categorizedSymbol", False, "class_name")
    assert marks[:-1] == [list(pair) for pair in zip(CLASSES.names, CLASSES.colors, strict=True)]
    assert marks[-1][0] == "no class"


@pytest.mark.parametrize("column", range(5))
def test_a_used_point_is_filled_and_an_unused_one_hollow(drawn, column):
    picture, color = drawn[1]["points"], to_rgb(CLASSES.colors[column])
    assert share(around(picture, column, used=True, reach=2), color) == 1
    assert share(around(picture, column, used=False, reach=1), BACKGROUND) == 1
    assert share(around(picture, column, used=False, reach=8), color) > 0.02  # the ring


@pytest.mark.parametrize("column", range(5))
def test_a_used_scribble_is_whole_and_an_unused_one_dotted(drawn, column):
    picture, color = drawn[1]["scribbles"], to_rgb(CLASSES.colors[column])
    line = around(picture, column, used=True)[45, 10:-10]
    dots = around(picture, column, used=False)[45, 10:-10]
    assert share(line, color) == 1
    assert 0.2 < share(dots, color) < 0.9
    assert share(dots, BACKGROUND) > 0.02


@pytest.mark.parametrize("column", range(5))
def test_a_used_area_is_half_transparent_and_an_unused_one_an_outline(drawn, column):
    picture, color = drawn[1]["areas"], np.array(to_rgb(CLASSES.colors[column]))
    assert share(around(picture, column, used=True, reach=30), (color + BACKGROUND) / 2) == 1
    assert share(around(picture, column, used=False, reach=30), BACKGROUND) == 1
    assert share(around(picture, column, used=False), color) > 0.02


@pytest.mark.parametrize("layer", LAYERS[:3])
def test_what_has_no_class_is_small_and_grey(drawn, layer):
    pixels = around(drawn[1][layer], 5, used=True)
    assert share(pixels, BACKGROUND) > 0.9
    mark = pixels[np.abs(pixels - BACKGROUND).max(axis=-1) > 0.25]  # its rim is blended with the background
    assert len(mark) > 5
    assert np.abs(mark - mark[:, ::-1]).max() < 0.02  # as much red as blue: grey on magenta, no class's colour


def test_held_out_blocks_are_hatched(drawn):
    assert drawn[0]["held_out"] == ["singleSymbol", False]
    inside = around(drawn[1]["held_out"], 0, used=True, reach=35)
    assert share(inside, BACKGROUND) > 0.4
    assert share(inside, to_rgb("#808080")) > 0.01


@pytest.mark.parametrize("layer", LAYERS[:3])
def test_a_style_that_qgis_saved_reads_as_our_classes(drawn, layer):
    *_, path = drawn
    legend = read_legend(path.with_name(f"{layer}.qml"))
    assert legend.names == CLASSES.names
    assert legend.colors == dict(zip(CLASSES.names, CLASSES.colors, strict=True))
    assert own_style(path, layer, "class_name") == legend.colors


STYLES = """
import sys
from qgis.core import QgsApplication, QgsRasterLayer, QgsVectorLayer

app = QgsApplication([], False)
app.initQgis()
polygons = QgsVectorLayer(sys.argv[1] + "|layername=regions", "polygons", "ogr")
numbers = QgsRasterLayer(sys.argv[2], "numbers")
print(polygons.renderer().type(), numbers.renderer().type(), *[int(c.value) for c in numbers.renderer().classes()])
"""


def test_outlines_and_numbers_of_regions_each_open_in_their_own_style(tmp_path):
    shapes = [box(400_000, 5_799_900, 400_050, 5_800_000), box(400_050, 5_799_900, 400_100, 5_800_000)]
    columns = {"region": [1, 70_000], "class_name": CLASSES.names[:2], "status": "used"}
    regions = gpd.GeoDataFrame(columns, geometry=shapes, crs="EPSG:32633")
    polygons, style = write_outlines([regions], tmp_path / "image_regions.gpkg", CLASSES)
    grid = Grid(CRS.from_epsg(32633), Affine(50, 0, 400_000, 0, -100, 5_800_000), 1, 2)
    with creating(style.with_suffix(".tif"), grid, dtype="int32", nodata=0) as target:
        target.write(np.array([[[1, 70_000]]], np.int32))
    (tmp_path / "look.py").write_text(STYLES)
    command = [PYTHON, tmp_path / "look.py", polygons, style.with_suffix(".tif")]
    run = subprocess.run(command, capture_output=True, text=True, env=HEADLESS, timeout=300)
    assert run.stdout.split() == ["categorizedSymbol", "paletted", "1", "70000"], run.stderr


PARCELS = """
import json, sys
from qgis.core import (QgsApplication, QgsMapRendererParallelJob, QgsMapSettings, QgsRasterLayer, QgsVectorLayer)
from qgis.PyQt.QtCore import QSize

app = QgsApplication([], False)
app.initQgis()
told = {}
for file in sys.argv[2:]:
    raster = file.endswith(".tif")
    layer = QgsRasterLayer(file, "map") if raster else QgsVectorLayer(file, "polygons", "ogr")
    settings = QgsMapSettings()
    settings.setLayers([layer])
    settings.setDestinationCrs(layer.crs())
    settings.setExtent(layer.extent())
    settings.setOutputSize(QSize(300, 240))
    settings.setFlag(QgsMapSettings.Antialiasing, False)
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    job.renderedImage().save(file + ".png")
    if raster:
        told[file] = [layer.renderer().type(), layer.dataProvider().bandStatistics(1).maximumValue]
    else:
        told[file] = [layer.renderer().type(), [c.label() for c in layer.renderer().categories()], layer.featureCount()]
with open(sys.argv[1], "w") as out:
    json.dump(told, out)
"""


def test_polygons_look_like_the_map_and_scores_run_to_one(tmp_path):
    ids = np.repeat(np.array([0, 1, 2, 3, 4, 255], np.uint8), 100)[None].repeat(480, axis=0)
    grid = Grid(CRS.from_epsg(32633), Affine(10, 0, 400_000, 0, -10, 5_800_000), *ids.shape)
    path, *_ = write_map(tmp_path / "map.tif", grid, CLASSES, [(Window(0, 0, *ids.shape), ids)])
    shares = np.where(ids == 255, np.nan, np.eye(5)[:, np.minimum(ids, 4)]).astype(np.float32)
    scores = write_scores(
        tmp_path / "map_confidence.tif", grid, CLASSES, [(Window(0, 0, *ids.shape), shares)], kind="confidence"
    )
    layers = [polygons(path, out=tmp_path / f"parcels.{ending}")[0] for ending in ("gpkg", "fgb")]
    (tmp_path / "look.py").write_text(PARCELS)
    command = [PYTHON, tmp_path / "look.py", tmp_path / "told.json", scores, *layers]
    run = subprocess.run(command, capture_output=True, text=True, env=HEADLESS, timeout=300)
    told = json.loads((tmp_path / "told.json").read_text())
    assert told[str(scores)] == ["singlebandgray", 1.0], run.stderr
    for layer in layers:
        assert told[str(layer)] == ["categorizedSymbol", [*CLASSES.names, "no class"], 5]
        picture = matplotlib.image.imread(f"{layer}.png")[..., :3]
        middles = picture[120, 30::60]  # the polygons reach over five of the map's six stripes
        expected = [to_rgb(color) for color in CLASSES.colors]
        np.testing.assert_allclose(middles, expected, atol=0.02)


FORM = """
import json, sys
from qgis.core import QgsApplication, QgsVectorLayer
app = QgsApplication([], False)
app.initQgis()
layer = QgsVectorLayer(sys.argv[1] + "|layername=reference", "reference")
setup = layer.editorWidgetSetup(layer.fields().indexOf("reference_class"))
form = layer.editFormConfig()
print(json.dumps({
    "type": setup.type(),
    "choices": [list(choice.items())[0] for choice in setup.config()["map"]],
    "renderer": layer.renderer().type(),
    "labels": [category.label() for category in layer.renderer().categories()],
    "read only": form.readOnly(layer.fields().indexOf("sample_id")),
    "count": layer.featureCount(),
}))
"""


def test_a_reference_sample_opens_with_a_form_that_offers_the_classes(tmp_path):
    grid = Grid(CRS.from_epsg(32633), Affine(10, 0, 400_000, 0, -10, 5_800_000), 40, 50)
    ids = np.arange(2000, dtype=np.uint8).reshape(40, 50) % 5
    path = write_map(tmp_path / "map.tif", grid, CLASSES, [(Window(0, 0, 40, 50), ids)])[0]
    points = sample(path, n=50, per_class=5, out=tmp_path / "reference.gpkg").files[0]
    done = subprocess.run([PYTHON, "-c", FORM, str(points)], env=HEADLESS, capture_output=True, text=True, check=True)
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["type"] == "ValueMap"
    assert seen["choices"] == [["(not interpreted)", QGIS_NULL], *([name, name] for name in CLASSES.names)]
    assert seen["renderer"] == "categorizedSymbol"
    assert seen["labels"] == [*CLASSES.names, "not interpreted"]
    assert seen["read only"] is True
    assert seen["count"] == 50
