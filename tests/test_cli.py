"""Wrong input ends with status 2 and one line that says what was expected, what came and what to do; nothing is left."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from geopointseg import __version__, cli
from geopointseg.cli import COMMANDS, main
from geopointseg.errors import GeoPointSegError

RASTER = np.random.default_rng(0).integers(1, 200, size=(3, 80, 100), dtype=np.uint8)
HERE = [(400_005 + 90 * i, 5_799_995 - 70 * i, "ab"[i % 2]) for i in range(10)]
ROTATED = Affine.translation(4e5, 5.8e6) @ Affine.rotation(30) @ Affine.scale(10, -10)


@pytest.fixture
def ask(capsys, tmp_path):
    """Run a command that must fail: its one line on stderr."""

    def run(*arguments):
        before = snapshot(tmp_path)
        status = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert status == 2
        assert out == ""
        assert len(err.splitlines()) == 1, err
        assert err.startswith("geopointseg: ")
        assert "Traceback" not in err
        assert snapshot(tmp_path) == before
        return err

    return run


def snapshot(folder):
    """Every file with its content; empty folders do not count."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def image(raster_file, tmp_path):
    """A good raster."""
    return raster_file(RASTER, folder=tmp_path)


@pytest.fixture
def clicks(points_file):
    """Good points on it."""
    return points_file(HERE)


# bad rasters


def cut_short(path):
    """Take away the second half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


BAD_RASTERS = {
    "no CRS": ({"crs": None}, r"expected a raster with a coordinate reference system.*image\.tif.*add --crs"),
    "rotated": ({"transform": ROTATED}, "expected a north-up raster.*rotated.*gdalwarp"),
    "only nodata": ({"nodata": 7, "array": np.full((3, 20, 20), 7)}, "got only nodata in .*: check its nodata value"),
}


@pytest.mark.parametrize(("options", "message"), BAD_RASTERS.values(), ids=BAD_RASTERS)
@pytest.mark.parametrize("command", ["check", "mask", "run"])
def test_a_raster_that_cannot_be_used_is_refused(ask, raster_file, clicks, tmp_path, command, options, message):
    options = dict(options)
    array = np.asarray(options.pop("array", RASTER), np.uint8)
    path = raster_file(array, folder=tmp_path, **options)
    given = ["--raster", path] if command == "run" else [path]
    given += ["--points", clicks] + ["--class-field", "landcover"] * (command != "mask")
    assert re.search(message, ask(command, *given, "--out", tmp_path / "new.gpkg"))


@pytest.mark.parametrize("size", [0, 100, 9_000])
@pytest.mark.parametrize("command", ["check", "run"])
def test_a_tiff_that_is_cut_short_is_refused(ask, image, clicks, tmp_path, command, size):
    image.write_bytes(image.read_bytes()[:size])
    given = ["--raster" if command == "run" else None, image, "--points", clicks, "--class-field", "landcover"]
    err = ask(command, *filter(None, given), "--out", tmp_path / "new.gpkg")
    assert re.search(
        r"expected a (raster that GDAL reads|whole raster), got .*image\.tif.*(check the file|fetch it again)", err
    )


def test_a_raster_that_does_not_exist_is_refused(ask, clicks, tmp_path):
    err = ask(
        "check", tmp_path / "no.tif", "--points", clicks, "--class-field", "landcover", "--out", tmp_path / "p.gpkg"
    )
    assert re.search(r"expected a raster file.* got .*no\.tif, which matches nothing: check the path", err)


# bad points

FAR = [(x + 1e6, y, label) for x, y, label in HERE]
BAD_POINTS = {
    "entirely outside": (FAR, {}, "expected points on the raster, got 10 outside.*check the CRS of both"),
    "one class only": (
        [(x, y, "a") for x, y, _ in HERE],
        {},
        "expected points of at least two classes .*, got 10 of a",
    ),
    "a single point": (HERE[:1], {}, r"expected points of at least two classes .*, got 1 of a \(1 used\): add points"),
    "an empty layer": ([], {}, r"expected some points, got an empty layer in .*samples\.gpkg"),
    "no class value": ([(x, y, None) for x, y, _ in HERE], {}, "expected class values in 'landcover', got only empty"),
    "fractions": ([(x, y, 0.5) for x, y, _ in HERE], {}, "expected text or whole numbers in 'landcover', got 0.5"),
    "no CRS": (HERE, {"crs": None}, r"expected points with a CRS, got .*: add its \.prj file or --crs"),
    "another field": (HERE, {"field": "klasse", "columns": {"id": range(10)}}, "'landcover' in .*fields klasse, id"),
}


@pytest.mark.parametrize(("rows", "options", "message"), BAD_POINTS.values(), ids=BAD_POINTS)
@pytest.mark.filterwarnings("ignore:'crs' was not provided")  # geopandas, as it writes the layer without CRS
@pytest.mark.parametrize("command", ["check", "run"])
def test_points_that_cannot_be_used_are_refused(ask, image, points_file, tmp_path, command, rows, options, message):
    layer = points_file(rows, **options)
    given = ["--raster" if command == "run" else None, image, "--points", layer, "--class-field", "landcover"]
    assert re.search(message, ask(command, *filter(None, given), "--out", tmp_path / "new.gpkg"))


@pytest.mark.parametrize("content", [None, b"", b"no layer at all"], ids=["missing", "empty", "text"])
def test_points_that_gdal_cannot_read_are_refused(ask, image, tmp_path, content):
    path = tmp_path / "clicks.shp"
    if content is not None:
        path.write_bytes(content)
    err = ask("check", image, "--points", path, "--class-field", "landcover", "--out", tmp_path / "p.gpkg")
    assert re.search(r"expected a vector file.* got .*clicks\.shp", err)


def test_points_on_pixels_without_data_are_refused(ask, raster_file, clicks, tmp_path):
    holes = RASTER.copy()
    for i in range(10):
        holes[:, 7 * i, 9 * i] = 0
    path = raster_file(holes, folder=tmp_path, nodata=0)
    err = ask("check", path, "--points", clicks, "--class-field", "landcover", "--out", tmp_path / "p.gpkg")
    assert re.search("expected points on valid pixels, got 10 nodata: check the raster's nodata value", err)


def test_points_that_were_not_checked_are_refused(ask, image, clicks, tmp_path):
    err = ask("mask", image, "--points", clicks, "--out", tmp_path / "masks")
    assert re.search("expected checked points, got .*samples.gpkg.*: run 'geopointseg check' on it first", err)


# outputs


@pytest.mark.parametrize("command", ["check", "run", "scene", "draw", "mask"])
def test_an_output_that_cannot_be_written_is_refused(ask, image, clicks, checked, tmp_path, command):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    given = {
        "check": [image, "--points", clicks, "--class-field", "landcover", "--out", blocked / "p.gpkg"],
        "run": ["--raster", image, "--points", clicks, "--class-field", "landcover", "--out", blocked / "result"],
        "scene": [blocked / "scene", "--height", 128, "--width", 128],
        "draw": [checked.parent / "truth.tif", "--per-class", 2, "--out", blocked / "p.gpkg"],
        "mask": [image, "--points", checked, "--out", blocked / "masks"],
    }[command]
    assert re.search(
        r"expected a folder that can be written, got .*blocked.* choose another --out", ask(command, *given)
    )


@pytest.mark.parametrize("command", ["check", "run", "scene", "draw", "mask"])
def test_an_existing_output_is_kept_without_overwrite(ask, image, clicks, checked, tmp_path, command):
    old = tmp_path / "old"
    old.mkdir()
    for name in ("p.gpkg", "image.tif"):
        (old / name).write_text("old")
    given = {
        "check": [image, "--points", clicks, "--class-field", "landcover", "--out", old / "p.gpkg"],
        "run": ["--raster", image, "--points", clicks, "--class-field", "landcover", "--out", old],
        "scene": [old, "--height", 128, "--width", 128],
        "draw": [checked.parent / "truth.tif", "--per-class", 2, "--out", old / "p.gpkg"],
        "mask": [image, "--points", checked, "--out", old],
    }[command]
    assert re.search(r"expected a new .*, got .*old.*: add --overwrite", ask(command, *given))


@pytest.mark.parametrize("given", [["--height", 40], ["--res", 0], ["--crs", "Potsdam"]], ids=str)
def test_a_scene_that_cannot_be_made_is_refused(ask, tmp_path, given):
    assert "expected" in ask("scene", tmp_path / "scene", "--height", 128, "--width", 128, *given)


def test_a_folder_as_out_where_a_file_is_meant_is_refused(ask, image, clicks, tmp_path):
    err = ask("check", image, "--points", clicks, "--class-field", "landcover", "--out", tmp_path)
    assert re.search("expected the name of a new file, got the folder .*: name a file in it", err)


def test_run_into_an_existing_file_is_refused(ask, image, clicks, tmp_path):
    (tmp_path / "result").write_text("a file")
    err = ask("run", "--raster", image, "--points", clicks, "--class-field", "landcover", "--out", tmp_path / "result")
    assert re.search("expected a .*folder.*, got .*result", err)


@pytest.fixture
def checked(raster_file, image, clicks, tmp_path):
    """What `check` makes of the good points, and a truth to draw from, in a folder of their own."""
    folder = tmp_path / "good"
    raster_file(RASTER[0] % 3, "truth.tif", folder=(folder.mkdir() or folder))
    given = [image, "--points", clicks, "--class-field", "landcover", "--out", folder / "points.gpkg", "--held-out", 0]
    assert main(["check", *map(str, given)]) == 0
    return folder / "points.gpkg"


@pytest.fixture(autouse=True)
def _silent(request, capsys):
    """What `checked` prints is not what a test looks at."""
    if "checked" in request.fixturenames:
        request.getfixturevalue("checked")
        capsys.readouterr()


# the command line itself


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fly"], r"expected a command \(run, demo, scene, .*\), got fly"),
        (["mask", "a.tif", "--points", "p.gpkg", "--siez", "3"], "--siez.*see 'geopointseg mask --help'"),
        (["mask", "a.tif"], "points.*see 'geopointseg mask --help'"),
        (["mask", "--points", "p.gpkg"], "rasters.*see 'geopointseg mask --help'"),
        (["mask", "a.tif", "--points", "p.gpkg", "--method", "magic"], "magic.*see 'geopointseg mask --help'"),
        (
            ["query", "--raster", "a.tif", "--strategy", "foo"],
            "expected one of random, stratified, .* hybrid for --strategy, got foo: see 'geopointseg query --help'",
        ),
        (["query", "--raster", "a.tif", "--allow", "foo"], "expected one of band-names, .* for --allow, got foo: see"),
        (["query", "--raster", "a.tif", "--n", "few"], "expected a whole number for --n, got few: see"),
        (["suspects", "--raster", "a", "--points", "p", "--n", "0.5"], "expected a whole number for --n, got 0.5: see"),
        (["query", "--raster", "a.tif", "--nodata", "no"], "expected a number for --nodata, got no: see"),
        (["predict", "m", "a.tif", "--backend", "gpu"], "expected one of auto, torch, .* for --backend, got gpu: see"),
        (["mask", "a.tif", "--points", "p.gpkg", "--size", "large"], "large.*see 'geopointseg mask --help'"),
        (["scene", "folder", "--bands", "7"], "7.*see 'geopointseg scene --help'"),
        (["predict", "model.ckpt"], "rasters.*see 'geopointseg predict --help'"),
        (["train", "--no-such-option", "1"], "no-such-option.*see 'geopointseg train --help'"),
        (["train", "--config", "no.yaml"], r"no\.yaml.*see 'geopointseg train --help'"),
        (["--colour"], "expected a command"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_line_that_cannot_be_understood_is_refused(ask, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert re.search(message, ask(*arguments))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_lists_every_option_with_hyphens(capsys, command):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert f"usage: geopointseg {command}" in out
    if command != "train":  # its options are Lightning's own
        assert not re.findall(r"--[a-z]+_[a-z_]+", out)


def test_help_of_mask_explains_its_options(capsys):
    with pytest.raises(SystemExit):
        main(["mask", "--help"])
    out = " ".join(capsys.readouterr().out.split())
    for text in (
        "--points",
        "--spread {fill,reach,superpixels,",
        "--overwrite",
        "Superpixels, for superpixels, conflict-free",
        "RASTERS",
    ):
        assert text.lower() in out.lower(), text


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"]])
def test_the_overview_names_every_command(capsys, arguments):
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "usage: geopointseg COMMAND" in out
    assert all(re.search(rf"^  {name} +\w", out, re.MULTILINE) for name in COMMANDS)


def test_the_version_is_the_packages(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"geopointseg {__version__}\n"


def test_an_interrupted_command_ends_with_130(monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "call", interrupted)
    assert main(["mask", "a.tif"]) == 130
    assert capsys.readouterr().err == "geopointseg: interrupted; nothing half-written is left\n"


KILLED = """
import os, signal, sys
from geopointseg.cli import main
from geopointseg.labels import pseudomask

def find_reach(trials):
    print(*os.listdir("masks"))
    os.kill(os.getpid(), signal.SIGTERM)

pseudomask.find_reach = find_reach
sys.exit(main(["mask", "image.tif", "--points", "good/points.gpkg", "--out", "masks"]))
"""


@pytest.mark.slow
def test_a_command_that_is_killed_tidies_up_first(image, checked, tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", KILLED],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[1])},
        cwd=tmp_path,
    )
    assert (run.returncode, run.stderr) == (128 + signal.SIGTERM, "")
    assert run.stdout.startswith(".cuts-")  # there was something to tidy up
    assert list((tmp_path / "masks").iterdir()) == []


def test_after_a_command_the_signal_means_what_it_did_before(monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    seen = []
    monkeypatch.setattr(cli, "call", lambda *_: seen.append(signal.getsignal(signal.SIGTERM)) or Path("made.tif"))
    assert main(["mask", "a.tif"]) == 0
    assert seen[0] != before
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("place", [0, 3])
def test_debug_shows_where_an_error_came_from(place):
    arguments = ["mask", "no.tif", "--points", "no.gpkg"]
    with pytest.raises(GeoPointSegError, match="matches nothing"):
        main([*arguments[:place], "--debug", *arguments[place:]])


def test_a_command_ends_with_its_files_and_what_comes_next(image, clicks, tmp_path, capsys):
    out = tmp_path / "made" / "points.gpkg"
    given = [image, "--points", clicks, "--class-field", "landcover", "--out", out]
    assert main(["check", *map(str, given)]) == 0
    text = capsys.readouterr().out
    assert text.endswith(
        f"wrote\n  {out}\n  {out.with_name('check.json')}\nnext: geopointseg mask RASTER --points {out}\n"
    )


@pytest.mark.slow
def test_the_installed_command_answers_with_its_status(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", "import sys; from geopointseg.cli import main; sys.exit(main())", "mask", "no.tif"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[1])},
        cwd=tmp_path,
    )
    assert run.returncode == 2
    assert len(run.stderr.splitlines()) == 1
