"""The pipelines of LandCover.ai and Potsdam end to end, on tiny copies."""

import hashlib
import json
from pathlib import Path

import make
import numpy as np
import pytest
import rasterio
from server import serving

from geopointseg.cli import main
from geopointseg.datasets import landcoverai
from geopointseg.labels.points import load_points
from geopointseg.maps.verify import verify
from pipelines import dense_truth

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*does not have many workers")]

CONFIGS = Path(__file__).parents[2] / "configs" / "datasets"
TILE = 8
QUICK = [
    "--steps",
    "12",
    "--chip",
    "64",
    "--batch-size",
    "4",
    "--weights",
    "none",
    "--spread",
    "superpixels",
    "--size",
    "64",
]
STAGES = ["train-data", "test-data", "points", "masks", "training", "maps", "scores"]


def landcover(root, out, *more):
    command = ["landcoverai", str(root), "--out", str(out), "--tile", str(TILE), "--first", "2", "--per-class", "8"]
    return main([*command, *QUICK, *more])


@pytest.fixture(scope="module")
def landcover_made(tmp_path_factory):
    """Fetched from a server, mapped and judged; what the command printed is in the third place."""
    folder = tmp_path_factory.mktemp("landcover")
    make.make_landcoverai(folder / "files", tile=TILE)
    content = make.archive(folder / "files", folder / "landcover.ai.v1.zip").read_bytes()
    patch = pytest.MonkeyPatch()
    file = type(landcoverai.DATASET.files[0])(
        "https://nowhere/landcover.ai.v1.zip", f"md5:{hashlib.md5(content).hexdigest()}"
    )
    fields = {name: getattr(landcoverai.DATASET, name) for name in landcoverai.DATASET.__dataclass_fields__}
    patch.setattr(landcoverai, "DATASET", type(landcoverai.DATASET)(**(fields | {"files": (file,)})))
    with serving() as site:
        site.files["/landcover.ai.v1.zip"] = content
        assert landcover(folder / "data", folder / "out", "--accept-licence", "--mirror", site.url) == 0
    patch.undo()
    return folder / "data", folder / "out"


def test_landcoverai_goes_from_download_to_map_and_table(landcover_made):
    root, out = landcover_made
    assert sorted(path.name for path in out.iterdir()) == sorted(STAGES)
    scores = json.loads((out / "scores" / "scores.json").read_text())["dense truth"]
    assert set(scores["per_class"]) == {"background", "building", "woodland", "water", "road"}
    assert "mean IoU" in (out / "scores" / "table.txt").read_text()
    assert "LandCover.ai from clicks" in (out / "scores" / "report.html").read_text()
    maps = sorted((out / "maps").glob("*.tif"))
    assert len(maps) == 2
    for path in maps:
        assert not verify(path).failed
        with rasterio.open(path) as made, rasterio.open(root / "images" / path.name) as source:
            assert (made.crs, made.transform, made.shape) == (source.crs, source.transform, source.shape)
    test = set(landcoverai.read_split(root, "test"))
    names = {path.stem for path in maps}
    assert scores["count"] + scores["unmapped"] == TILE**2 * sum(tile.rpartition("_")[0] in names for tile in test)


def test_nothing_learns_outside_the_training_tiles(landcover_made):
    root, out = landcover_made
    pairs = {pair.name: pair for pair in landcoverai.pairs(root, "train", tile=TILE)}
    for path in (out / "masks").glob("*.tif"):
        if not path.stem.endswith("_weights"):
            with rasterio.open(path) as source:
                labelled = source.read(1) != 255
            kept = pairs[path.stem].tiles.kept(dense_truth.grid_of(pairs[path.stem]).tiles(10_000).__next__())
            assert labelled.any()
            assert not (labelled & ~kept).any()
    points = load_points(out / "points" / "points.gpkg")
    assert len(points.used("train")) == len(points.frame) > 40


@pytest.mark.parametrize("name", ["landcoverai", "potsdam"])
def test_the_configuration_trains_on_what_the_pipeline_left(landcover_made, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).symlink_to(landcover_made[1])
    quick = ["--data.steps", "2", "--data.chip", "64", "--data.batch_size", "2", "--model.weights", "none"]
    assert main(["train", "--config", str(CONFIGS / f"{name}.yaml"), *quick]) == 0
    assert (tmp_path / "trained" / name / "model" / "model.json").exists()


def test_a_second_run_finds_all_current(landcover_made, capsys):
    before = {path: path.stat().st_mtime_ns for path in landcover_made[1].rglob("*")}
    assert landcover(*landcover_made) == 0
    assert "made: nothing; current already: train-data" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in landcover_made[1].rglob("*")} == before


def test_a_kill_in_a_stage_is_gone_on_with_from_there(landcover_made, monkeypatch, capsys):
    _, out = landcover_made
    (out / "maps" / "stage.json").write_text(json.dumps({"version": "older"}))
    old = {path.name: path.read_bytes() for path in (out / "maps").glob("*.tif")}
    predict = dense_truth.predict

    def killed(model, rasters, *, out, **options):
        predict(model, rasters[:1], out=out, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as moment:
        moment.setattr(dense_truth, "predict", killed)
        assert landcover(*landcover_made) == 130
    assert {path.name: path.read_bytes() for path in (out / "maps").glob("*.tif")} == old
    capsys.readouterr()
    assert landcover(*landcover_made) == 0
    assert (
        "made: maps; current already: train-data, test-data, points, masks, training, scores" in capsys.readouterr().out
    )
    assert {path.name: path.read_bytes() for path in (out / "maps").glob("*.tif")} == old  # the same maps again


def test_other_classes_or_tiles_are_other_data(landcover_made):
    root, _ = landcover_made
    kinds = {"truth": landcoverai.pairs(root, "train", tile=TILE)[:1]}
    same, other = landcoverai.CLASSES, dense_truth.Classes.of(landcoverai.CLASSES.names)
    assert dense_truth._sources(kinds, same) == dense_truth._sources(kinds, same) != dense_truth._sources(kinds, other)
    shuffled = {"truth": landcoverai.pairs(root, "train", scheme="lssqps", tile=TILE)[:1]}
    assert dense_truth._sources(kinds, same) != dense_truth._sources(shuffled, same)


def test_potsdam_goes_from_archives_to_map_and_table(tmp_path, capsys):
    make.make_potsdam(tmp_path / "files", tiles=["2_10", "6_7", "2_13", "3_13"], imagery=("RGBIR",))
    root, out = tmp_path / "data", tmp_path / "out"
    root.mkdir()
    for folder in sorted((tmp_path / "files").iterdir()):
        make.archive(folder, root / f"{folder.name}.zip")
    command = ["potsdam", str(root), "--out", str(out), "--imagery", "RGBIR", "--ndsm", "--per-image", "60", *QUICK]
    assert main(command) == 0
    text = capsys.readouterr().out
    assert "dense truth: " in text
    assert "dense truth, boundaries eroded: " in text
    scores = json.loads((out / "scores" / "scores.json").read_text())
    whole, eroded = scores["dense truth"], scores["dense truth, boundaries eroded"]
    assert whole["count"] == 2 * 64 * 64 > eroded["count"]
    assert {path.name for path in (out / "maps").glob("*.tif")} == {"potsdam_2_13.tif", "potsdam_3_13.tif"}
    card = json.loads((out / "training" / "model" / "model.json").read_text())
    assert "height" in json.dumps(card)
    assert main(command) == 0
    assert "made: nothing" in capsys.readouterr().out
    assert np.prod(json.loads((out / "scores" / "scores.json").read_text())["dense truth"]["count"]) > 0


def test_a_data_set_without_truth_to_judge_on_keeps_a_fifth(copy_of, tmp_path, capsys):
    root, truth = copy_of("deepglobe")
    assert main(["dataset", "deepglobe", str(root), "--out", str(tmp_path), "--per-class", "5", *QUICK]) == 0
    assert "dense truth: " in capsys.readouterr().out
    learnt, judged = ({p.stem for p in (tmp_path / d / "truth").iterdir()} for d in ("train-data", "test-data"))
    assert len(learnt) == 2
    assert len(judged) == 1
    assert learnt | judged == truth.keys()
    assert "1 of the images of train, by chance" in (tmp_path / "scores" / "report.html").read_text()


def test_a_split_without_truth_is_refused_where_it_is_asked_for(copy_of, tmp_path, capsys):
    assert main(["dataset", "deepglobe", str(copy_of("deepglobe")[0]), "--out", str(tmp_path), "--test", "val"]) == 2
    assert "expected truth of the split val of DeepGlobe land cover, got none" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["landcoverai"], ["potsdam"], ["dataset", "zurich"]])
def test_no_images_at_all_are_refused_before_anything_is_made(command, tmp_path, capsys):
    assert main([*command, str(tmp_path / "data"), "--out", str(tmp_path / "out"), "--first", "0"]) == 2
    assert "expected at least 1 image as --first, got 0" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_orthophotos_of_another_pixel_are_told(tmp_path, capsys):
    ids = np.zeros((8, 8), np.uint8)
    place = {"crs": "EPSG:2180", "transform": make.Affine(0.25, 0, 300_000, 0, -0.25, 500_000)}
    make.tif(tmp_path / "data" / "images" / "N-1.tif", np.stack([ids] * 3), **place)
    make.tif(tmp_path / "data" / "masks" / "N-1.tif", ids, **place)
    command = [
        "landcoverai",
        str(tmp_path / "data"),
        "--out",
        str(tmp_path / "out"),
        "--scheme",
        "lssqps",
        "--pixel",
        "0.5",
    ]
    assert main(command) == 2
    assert "expected orthophotos of 0.5 m" in capsys.readouterr().err


def test_potsdam_without_its_archives_says_how_to_get_them(tmp_path, capsys):
    assert main(["potsdam", str(tmp_path)]) == 2
    assert "ask for it at https://www.isprs.org" in capsys.readouterr().err
