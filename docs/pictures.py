"""Draw the pictures of the guides, as QGIS shows them, on the synthetic scene.

Needs Debian's QGIS and geopointseg on the path; from the project's root:

    PATH=.venv/bin:$PATH QT_QPA_PLATFORM=offscreen /usr/bin/python3 docs/pictures.py
"""

import csv
import random
import subprocess
import tempfile
from pathlib import Path

from qgis.core import (
    QgsApplication,
    QgsGeometry,
    QgsLayoutExporter,
    QgsLayoutItemLegend,
    QgsLayoutItemMap,
    QgsLayoutPoint,
    QgsLayoutSize,
    QgsPalLayerSettings,
    QgsPrintLayout,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
    QgsTextBufferSettings,
    QgsTextFormat,
    QgsVectorLayer,
    QgsVectorLayerSimpleLabeling,
)

PICTURES = Path(__file__).parent / "pictures"


def command(*arguments: object) -> None:
    """Run geopointseg."""
    subprocess.run(["geopointseg", *map(str, arguments)], check=True)


def clicks_of_an_analyst(scene: Path, folder: Path) -> tuple[Path, str]:
    """Clicks as an analyst leaves them: most are good, some are doubled, disputed, beyond the raster or without class.

    Returns:
        A table of WKT and class, and its CRS.
    """
    drawn = folder / "drawn.gpkg"
    command("draw", scene / "truth.tif", "--per-class", 14, "--strategy", "stratified", "--held-out", 0, "--out", drawn)
    source = QgsVectorLayer(f"{drawn}|layername=points", "drawn", "ogr")
    chance = random.Random(0)
    rows = [(feature.geometry().asWkt(), feature["class_name"]) for feature in source.getFeatures()]
    rows += [(wkt, chance.choice([name, "grass", "road"])) for wkt, name in chance.sample(rows, 8)]  # another hand
    extent = QgsRasterLayer(str(scene / "image.tif")).extent()
    west, south, width, height = extent.xMinimum(), extent.yMinimum(), extent.width(), extent.height()
    rows += [(f"POINT({west + share * width} {south + height + 12})", "grass") for share in (0.2, 0.5, 0.8)]
    rows += [(f"POINT({west + width / 2} {south + height / 2})", "")]
    x, y = west + 0.62 * width, south + 0.3 * height
    rows += [(f"LINESTRING({x} {y}, {x + 22} {y + 11}, {x + 44} {y + 11})", "grass")]
    rows += [(QgsGeometry.fromRect(QgsRectangle(x, y - 44, x + 22, y - 22)).asWkt(), "bare soil")]
    table = folder / "clicks.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("WKT", "landcover"), *rows])
    return table, source.crs().authid()


def draw(name: str, layers: list, extent: QgsRectangle, legend: list) -> None:
    """A map with its legend as PNG."""
    project = QgsProject.instance()
    layout = QgsPrintLayout(project)
    layout.initializeDefaults()
    layout.pageCollection().page(0).setPageSize(QgsLayoutSize(190, 118))
    picture = QgsLayoutItemMap(layout)
    picture.attemptMove(QgsLayoutPoint(2, 2))
    picture.attemptResize(QgsLayoutSize(140, 114))
    picture.setLayers(layers)
    # setExtent gives the item the extent's own shape, which may reach beyond the page: so take the item's.
    high = max(extent.height(), extent.width() * 114 / 140)
    extent = QgsRectangle.fromCenterAndSize(extent.center(), high * 140 / 114, high)
    picture.setExtent(extent)
    picture.setFrameEnabled(True)
    layout.addLayoutItem(picture)
    key = QgsLayoutItemLegend(layout)
    key.setAutoUpdateModel(False)
    root = key.model().rootGroup()
    for node in root.findLayers():
        if node.layer() not in legend:
            root.removeLayer(node.layer())
    key.attemptMove(QgsLayoutPoint(144, 2))
    layout.addLayoutItem(key)
    settings = QgsLayoutExporter.ImageExportSettings()
    settings.dpi = 110
    QgsLayoutExporter(layout).exportToImage(str(PICTURES / name), settings)


def label(layer: QgsVectorLayer, expression: str) -> None:
    """Write an expression beside the features."""
    buffer = QgsTextBufferSettings()
    buffer.setEnabled(True)
    buffer.setSize(0.8)
    text = QgsTextFormat()
    text.setSize(8)
    text.setBuffer(buffer)
    settings = QgsPalLayerSettings()
    settings.fieldName, settings.isExpression = expression, True
    settings.setFormat(text)
    layer.setLabeling(QgsVectorLayerSimpleLabeling(settings))
    layer.setLabelsEnabled(True)


def main() -> None:
    """Draw them all."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command("scene", folder / "scene")
        clicks, crs = clicks_of_an_analyst(folder / "scene", folder)
        checked = folder / "points.gpkg"
        image = folder / "scene" / "image.tif"
        command("check", image, "--points", clicks, "--class-field", "landcover", "--crs", crs, "--out", checked)
        raster = QgsRasterLayer(str(image), "image")
        kinds = ("points", "scribbles", "areas", "held_out")
        layers = [QgsVectorLayer(f"{checked}|layername={kind}", kind, "ogr") for kind in kinds]
        QgsProject.instance().addMapLayers([*layers, raster])
        whole = raster.extent().buffered(20)
        draw("checked_points.png", [*layers, raster], whole, [layers[0], layers[-1]])
        points = layers[0]
        label(points, 'CASE WHEN "status" <> \'used\' THEN "status" END')
        spot = whole.center()
        spot.setY(whole.yMinimum() + whole.height() / 6)
        near = QgsRectangle.fromCenterAndSize(spot, whole.width() / 3, whole.height() / 3)
        draw("reasons.png", [*layers, raster], near, [points])


if __name__ == "__main__":
    application = QgsApplication([], False)
    application.initQgis()
    main()
