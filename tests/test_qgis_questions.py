"""QGIS opens a layer of questions with its form, its marks and its labels; what is filled in there comes back as answers."""

import json
import subprocess

import numpy as np
import pandas as pd
import pyogrio
import pytest
from affine import Affine
from rasterio.crs import CRS
from test_qgis import HEADLESS, PYTHON, has_qgis

from geopointseg.classes import Classes
from geopointseg.grid import Grid
from geopointseg.labels.points import read_points
from geopointseg.labels.questions import Form, write_questions
from geopointseg.labels.vector import PointSource

pytestmark = [
    pytest.mark.qgis,
    pytest.mark.slow,
    pytest.mark.skipif(not has_qgis(), reason=f"{PYTHON} has no qgis.core: apt-get install qgis python3-qgis"),
]

CLASSES = Classes.colored(("grass", "<reeds> & 'water'", "road"), (7, 3, 5))
GRID = Grid(CRS.from_epsg(32633), Affine(10, 0, 400_000, 0, -10, 5_800_000), 200, 300)
SCRIPT = """
import json, sys
from qgis.core import NULL, QgsApplication, QgsValueMapFieldFormatter, QgsVectorLayer, edit
from qgis.gui import QgsGui

app = QgsApplication([], True)
app.initQgis()
QgsGui.editorWidgetRegistry().initEditors()
told = {}
for file, answer in zip(sys.argv[1:3], json.loads(sys.argv[3])):
    layer = QgsVectorLayer(file + "|layername=questions", "questions", "ogr")
    first = QgsVectorLayer(file, "unnamed", "ogr")
    frames = QgsVectorLayer(file + "|layername=extents", "extents", "ogr")
    fields = layer.fields()
    place = fields.indexOf("landcover")
    widget = layer.editorWidgetSetup(place)
    renderer = layer.renderer()
    told[file] = {
        "valid": [layer.isValid(), frames.isValid()],
        "first": [first.isValid(), first.fields().names()],
        "widget": [widget.type(), [list(entry.items())[0] for entry in widget.config().get("map", [])]],
        "marks": [[c.label(), str(c.value())] for c in renderer.categories()],
        "field": renderer.classAttribute(),
        "labels": [layer.labelsEnabled(), layer.labeling().settings().fieldName if layer.labeling() else None],
        "read_only": [fields[i].name() for i in range(len(fields)) if layer.editFormConfig().readOnly(i)],
        "frames": frames.renderer().type(),
        "null": QgsValueMapFieldFormatter.NULL_VALUE,
    }
    with edit(layer):
        features = list(layer.getFeatures())
        for feature in features:
            layer.changeAttributeValue(feature.id(), place, answer)
        form = QgsGui.editorWidgetRegistry().create(layer, place, None, None)  # the last answer is undone, by way of the form
        list_ = form.widget()
        form.setValues(answer, [])
        shown = [list_.currentText()]
        list_.setCurrentIndex(list_.findText("(no answer)"))
        shown.append(form.value() == NULL)
        layer.changeAttributeValue(features[-1].id(), place, form.value())
        told[file]["form"] = shown
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What QGIS says of two layers of questions, one to be answered with names, one with codes; two answers are given."""
    folder = tmp_path_factory.mktemp("questions")
    asked = pd.DataFrame({"rank": [1, 2, 3], "suggested": "road", "confidence": 0.4, "why": "road 0.40 or grass 0.35"})
    places = [(GRID, row, col) for row, col in ((50, 60), (100, 150), (150, 250))]
    files = []
    for name, integer in (("names", False), ("codes", True)):
        form = Form("landcover", CLASSES, integer, pd.DataFrame({"who": np.zeros(0, object)}))
        files.append(write_questions(asked, places, form, folder / f"{name}.gpkg", crs=GRID.crs.to_wkt()))
    (folder / "look.py").write_text(SCRIPT)
    command = [PYTHON, folder / "look.py", *files, json.dumps([CLASSES.names[1], CLASSES.codes[1]])]
    run = subprocess.run(command, capture_output=True, text=True, env=HEADLESS, timeout=300)
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout.splitlines()[-1])
    return [(file, told[str(file)]) for file in files]


@pytest.mark.parametrize("codes", [False, True])
def test_the_form_offers_the_classes_and_shows_the_rest(seen, codes):
    _, told = seen[codes]
    values = CLASSES.codes if codes else CLASSES.names
    assert told["valid"] == [True, True]
    assert told["first"] == [True, ["fid", "landcover", "who", "rank", "suggested", "confidence", "why"]]
    kind, choices = told["widget"]
    assert kind == "ValueMap"
    expected = [[name, str(value)] for name, value in zip(CLASSES.names, values, strict=True)]
    assert choices == [["(no answer)", told["null"]], *expected]
    assert {"rank", "suggested", "confidence", "why"} <= set(told["read_only"])
    assert "landcover" not in told["read_only"]
    assert told["form"] == [CLASSES.names[1], True]


@pytest.mark.parametrize("codes", [False, True])
def test_questions_are_marked_by_answer_and_labelled_with_their_rank(seen, codes):
    _, told = seen[codes]
    values = CLASSES.codes if codes else CLASSES.names
    assert told["field"] == "landcover"
    expected = [[name, str(value)] for name, value in zip(CLASSES.names, values, strict=True)]
    assert told["marks"] == [*expected, ["not answered yet", ""]]
    assert told["labels"] == [True, "rank"]
    assert told["frames"] == "singleSymbol"


@pytest.mark.parametrize("codes", [False, True])
def test_what_is_filled_in_comes_back(seen, codes):
    path, _ = seen[codes]
    frame, found, remarks = read_points(PointSource(path, "landcover"))
    assert len(frame) == 2
    assert found.classes.names == ("3",) if codes else (CLASSES.names[1],)
    assert "1 of 3 questions in " in remarks[0]
    assert [name for name, _ in pyogrio.list_layers(path)][:1] == ["questions"]
