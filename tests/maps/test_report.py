"""The report is one page that needs nothing beside it, and its pictures show what is there."""

import base64
import re
from html.parser import HTMLParser

import geopandas as gpd
import matplotlib.image
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from geopointseg.classes import Classes
from geopointseg.labels.points import Points
from geopointseg.maps.assess import Assessment
from geopointseg.maps.report import draw_confusion, draw_overview, write_page
from geopointseg.statistics import open_rasters


class Page(HTMLParser):
    """What a browser would see: tags with their attributes, and text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def assessment(classes):
    """Five classes, one of which nobody saw."""
    matrix = np.diag([5, 4, 3, 0, 2])
    matrix[0, 1] = 1
    return Assessment(matrix, classes, "held-out points", unmapped=7)


@pytest.fixture
def points(classes):
    """One training point per corner and a held-out one."""
    x, y = np.array([400_005, 400_395, 400_205]), np.array([5_799_995, 5_799_795, 5_799_895])
    columns = {"class_id": [0, 4, 2], "class_name": ["bare", "woodland", "road"], "status": "used", "reason": ""}
    frame = gpd.GeoDataFrame(
        columns | {"split": ["train", "train", "test"]}, geometry=gpd.points_from_xy(x, y), crs="EPSG:32633"
    )
    return Points(frame, classes, frame.iloc[:0])


@pytest.fixture
def scene(raster_file):
    """A raster of 21 x 40 pixels with a hole, and its statistics."""
    bands = np.random.default_rng(0).integers(1, 200, size=(3, 21, 40), dtype=np.uint8)
    bands[:, 5:8, 5:8] = 0
    (raster,), measured = open_rasters([raster_file(bands, nodata=0)])
    return raster, measured


def test_the_page_needs_no_other_file(tmp_path, assessment):
    picture = draw_confusion(tmp_path / "confusion.png", assessment)
    path = write_page(
        tmp_path / "report.html", "Title", {"grid": "3 × 4"}, {"Points": "a  1"}, [assessment], {"Cap": picture}
    )
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    links = [
        value for _, attrs in page.tags for key, value in attrs.items() if key in ("src", "href", "data", "action")
    ]
    assert links
    assert all(link.startswith("data:image/png;base64,") for link in links)
    assert base64.b64decode(links[0].partition(",")[2]) == picture.read_bytes()
    assert not re.search(r"https?:|file:|@import|url\(", text)
    assert not {"link", "script", "iframe"} & {tag for tag, _ in page.tags}


def test_the_page_says_everything_it_is_given(tmp_path, assessment, classes):
    path = write_page(tmp_path / "report.html", "Title", {"grid": "3 × 4"}, {"Points": "a  1"}, [assessment], {})
    text = path.read_text(encoding="utf-8")
    page, figures = Page(text), assessment.figures()
    for word in ("Title", "grid", "3 × 4", "Points", "a  1", "Scores on held-out points", "7 unmapped", *classes.names):
        assert word in page.text, word
    assert f"{figures['miou']:.3f}" in page.text
    assert all(f"background:{color}" in text for color in classes.colors)


def test_names_cannot_write_html(tmp_path):
    names = ("<b>bold</b>", "<script>alert(1)</script>", "a & b")
    own = Classes.of(names)
    one = Assessment(np.eye(3, dtype=np.int64), own, "<i>basis</i>")
    picture = draw_confusion(tmp_path / "confusion.png", one)
    caption = "<img src=x onerror='alert(1)'>"
    path = write_page(
        tmp_path / "report.html", "<h1>title", {"<u>k": "<u>v"}, {"<s>head": "<s>text"}, [one], {caption: picture}
    )
    page = Page(path.read_text(encoding="utf-8"))
    tags = {tag for tag, _ in page.tags}
    assert not {"script", "u", "s"} & tags
    assert [tag for tag, _ in page.tags].count("h1") == 1
    images = [attrs for tag, attrs in page.tags if tag == "img"]
    assert [image["alt"] for image in images] == [caption]
    assert "onerror" not in images[0]
    for word in (*names, "<i>basis</i>", "<h1>title", "<u>k", "<u>v", "<s>head", "<s>text"):
        assert word in page.text, word


def test_names_with_marks_of_mathematics_can_be_drawn(tmp_path):
    one = Assessment(
        np.eye(3, dtype=np.int64), Classes.of(["$x_1", r"cost $ & $ {y", r"$_{$ \frac"]), "held-out points"
    )
    assert draw_confusion(tmp_path / "confusion.png", one).stat().st_size > 1000


def test_a_page_is_replaced_whole(tmp_path, assessment):
    (tmp_path / "report.html").write_text("old")
    write_page(tmp_path / "report.html", "T", {}, {}, [assessment], {})
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_the_overview_shows_points_and_classes_in_their_colours(tmp_path, scene, points, class_map, classes):
    raster, measured = scene
    ids = np.repeat(np.arange(5), 8)[None].repeat(21, axis=0)
    path = draw_overview(tmp_path / "overview.png", raster, measured, points, {"map": class_map(ids)})
    picture = matplotlib.image.imread(path)
    height, width = picture.shape[:2]
    assert 300 < height < 2000
    assert 800 < width < 2500
    for color in classes.colors:
        area = (np.abs(picture[..., :3] - to_rgb(color)).max(axis=-1) < 0.01).mean()
        assert area > 0.02, color  # a fifth of one of two panels


def test_truth_without_names_is_drawn_by_its_codes(tmp_path, scene, points, raster_file, classes):
    codes = np.array(classes.codes, np.uint16).repeat(8)[None].repeat(21, axis=0)
    path = draw_overview(tmp_path / "overview.png", *scene, points, {"truth": raster_file(codes, "truth.tif")})
    picture = matplotlib.image.imread(path)
    for color in classes.colors:
        assert (np.abs(picture[..., :3] - to_rgb(color)).max(axis=-1) < 0.01).mean() > 0.02, color


def test_a_picture_of_a_large_raster_stays_small(tmp_path, raster_file, points, class_map):
    bands = np.zeros((1, 2300, 1500), np.uint8)
    bands[:, ::2] = 9
    (raster,), measured = open_rasters([raster_file(bands)])
    layers = {name: class_map(bands[0] % 5, f"{name}.tif") for name in ("pseudo-mask", "map", "truth")}
    path = draw_overview(tmp_path / "overview.png", raster, measured, points, layers)
    height, width = matplotlib.image.imread(path).shape[:2]
    assert max(height, width) < 2500
    assert path.stat().st_size < 3e6


def test_the_same_picture_has_the_same_bytes(tmp_path, scene, points, assessment):
    for draw in (
        lambda path: draw_overview(path, *scene, points, {}),
        lambda path: draw_confusion(path, assessment),
    ):
        one, two = (draw(tmp_path / name).read_bytes() for name in ("one.png", "two.png"))
        assert one == two
        assert one.startswith(b"\x89PNG")


def test_many_classes_still_make_a_picture(tmp_path):
    many = Classes.of([f"class {i}" for i in range(40)])
    path = draw_confusion(tmp_path / "confusion.png", Assessment(np.eye(40, dtype=np.int64), many, "points"))
    assert max(matplotlib.image.imread(path).shape) < 4000
