"""QGIS opens what we write with the names and colours of the classes; class 0 shows."""

import json
import os
import subprocess

import geopandas as gpd
import matplotlib.image
import numpy as np
import pytest
from affine import Affine
from matplotlib.colors import to_rgb
from rasterio.crs import CRS

from geopointseg.classes import Classes
from geopointseg.grid import Grid, Window
from geopointseg.labels.points import Points, write_points
from geopointseg.maps.write import write_map

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
    assert told["marks"] == [[name, name, color] for name, color in zip(CLASSES.names, CLASSES.colors, strict=True)]


def test_every_class_is_drawn_opaque_and_nodata_is_not(seen):
    _, picture = seen
    assert picture.shape[:2] == (240, 300)
    for i, color in enumerate([*CLASSES.colors, "#ff00ff"]):  # the last stripe has no data: the background shows
        stripe = picture[60:180, i * 50 + 10 : i * 50 + 40]
        assert np.abs(stripe - to_rgb(color)).max() < 0.02, color
