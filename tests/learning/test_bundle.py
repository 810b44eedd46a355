"""A model folder comes back as it was saved, from disk or from the hub; what is not whole, or not ours, is refused."""

import base64
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import geopandas as gpd
import pytest
import safetensors.torch
import torch
from shapely.geometry import Point

from geopointseg.classes import Classes
from geopointseg.cli import main
from geopointseg.errors import GeoPointSegError
from geopointseg.labels.points import Points
from geopointseg.learning import bundle
from geopointseg.learning.agreement import Agreement
from geopointseg.learning.bundle import fingerprint, load, push, save
from geopointseg.learning.task import PointSegmentationTask

CLASSES = Classes(("bare soil", "Öde", "水"), ("#aa8800", "#00ff0a", "#0000ff"), (10, 20, 30))
CARD = {
    "bands": [1, 3],
    "band_names": ["red", "near infrared"],
    "mean": [0.1, 1 / 3],
    "std": [0.05, 0.2],
    "low": [0.02, 0.0],
    "high": [0.3, 0.9],
    "dtype": "float32",
    "nodata": float("nan"),
    "pixel_size": [0.5, 0.25],
    "crs": "EPSG:32633",
    "geographic": False,
    "classes": CLASSES.records(),
    "chip": 64,
}


@pytest.fixture(scope="module")
def task():
    """A task with random weights."""
    torch.manual_seed(0)
    return PointSegmentationTask(CARD, steps=7, minutes=1.5).eval()


@pytest.fixture(scope="module")
def good(task, tmp_path_factory):
    """Its bundle; nobody writes to it."""
    return save(task, tmp_path_factory.mktemp("good") / "model", training_data={"points": "ab"}, scores={"miou": 0.5})


@pytest.fixture
def checkpoint(task, tmp_path):
    """Its checkpoint."""
    path = tmp_path / "model.ckpt"
    torch.save({"hyper_parameters": dict(task.hparams), "state_dict": task.state_dict()}, path)
    return path


@pytest.fixture
def copy(good, tmp_path):
    """A copy to spoil."""
    return Path(shutil.copytree(good, tmp_path / "model"))


@pytest.fixture
def offline(monkeypatch):
    """No socket connects."""

    def refuse(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def item_of(folder):
    """The item of a bundle."""
    return json.loads((folder / "model.json").read_text(encoding="utf-8"))


def same(one, other):
    """Whether two tasks have the same card and weights, bit for bit."""
    states = one.state_dict(), other.state_dict()
    cards = [{k: str(v) for k, v in t.hparams["card"].items()} for t in (one, other)]  # as text: NaN is not NaN
    equal = all(torch.equal(value.cpu(), states[1][name].cpu()) for name, value in states[0].items())
    return cards[0] == cards[1] and states[0].keys() == states[1].keys() and equal


# there and back


def test_a_model_comes_back_as_it_was(task, good, offline):
    again = load(good)
    assert same(again, task)
    assert not again.training
    assert again.classes == CLASSES
    assert (again.hparams["steps"], again.hparams["minutes"]) == (7, 1.5)
    x = torch.rand(1, 2, 64, 64)
    x[:, :, :5] = float("nan")
    with torch.inference_mode():
        torch.testing.assert_close(again.cpu()(x), task(x))


def test_so_it_does_from_a_checkpoint(task, checkpoint, offline):
    again = load(checkpoint)
    assert same(again, task)
    assert not again.training


def test_whether_bfloat16_is_safe_comes_back_too(task, good, tmp_path, monkeypatch):
    assert load(good).agreement is None
    found = Agreement(0.9971, 65_536, "held-out chips")
    monkeypatch.setattr(task, "agreement", found)
    folder = save(task, tmp_path / "model")
    assert item_of(folder)["properties"]["geopointseg:bfloat16"] == {
        "equal": 0.9971,
        "pixels": 65_536,
        "chips": "held-out chips",
    }
    assert load(folder).agreement == found
    saved = {"hyper_parameters": dict(task.hparams), "state_dict": task.state_dict()}
    task.on_save_checkpoint(saved)
    torch.save(saved, tmp_path / "model.ckpt")
    assert load(tmp_path / "model.ckpt").agreement == found


@pytest.mark.parametrize("place", [str, Path])
def test_a_folder_may_be_given_as_text_or_path(good, place):
    assert len(load(place(good)).classes) == 3


@pytest.mark.parametrize("nodata", [None, 0.0, -9999.0, float("inf")])
def test_every_nodata_value_comes_back(tmp_path, nodata):
    made = PointSegmentationTask(CARD | {"nodata": nodata})
    assert load(save(made, tmp_path / "model")).hparams["card"] == CARD | {"nodata": nodata}


def test_there_are_two_files_without_optimiser_or_code(good, task):
    assert sorted(path.name for path in good.iterdir()) == ["model.json", "weights.safetensors"]
    weights = sum(value.numel() * value.element_size() for value in task.state_dict().values())
    assert weights < (good / "weights.safetensors").stat().st_size < 1.01 * weights
    assert safetensors.torch.load_file(good / "weights.safetensors").keys() == task.state_dict().keys()


def test_the_same_task_gives_the_same_bytes(task, tmp_path):
    one, two = (save(task, tmp_path / name) for name in "ab")
    assert all((one / name).read_bytes() == (two / name).read_bytes() for name in bundle.FILES)


def test_weights_that_training_began_with_are_neither_kept_nor_sought(task, tmp_path, offline, monkeypatch):
    monkeypatch.setattr(task, "weights", "/elsewhere/somebody/pretrained.pth")
    folder = save(task, tmp_path / "model")
    assert "somebody" not in (folder / "model.json").read_text()
    assert item_of(folder)["properties"]["mlm:pretrained_source"] == "pretrained.pth"
    assert same(load(folder), task)


def test_a_checkpoint_that_names_weights_does_not_seek_them(checkpoint, offline):
    saved = torch.load(checkpoint, weights_only=True)
    saved["hyper_parameters"]["weights"] = True
    torch.save(saved, checkpoint)
    assert len(load(checkpoint).classes) == 3


# the item


def test_the_item_has_what_mlm_1_4_requires(good):
    """The schema is not on board: what it requires, and the patterns it checks, by hand."""
    item = item_of(good)
    assert {"type", "stac_version", "stac_extensions", "id", "geometry", "properties", "links", "assets"} == set(item)
    assert (item["type"], item["stac_version"], item["geometry"]) == ("Feature", "1.1.0", None)
    assert "https://stac-extensions.github.io/mlm/v1.4.0/schema.json" in item["stac_extensions"]
    facts = item["properties"]
    assert {"mlm:name", "mlm:architecture", "mlm:tasks", "mlm:input", "mlm:output"} <= set(facts)
    assert {"datetime", "start_datetime", "end_datetime"} <= set(facts)  # STAC, for an item of no one time
    assert re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_.\-\s]+[a-zA-Z0-9]", facts["mlm:name"])
    assert re.match(r"\d+\.\d+\.\d+", facts["mlm:framework_version"])
    assert facts["mlm:tasks"] == ["semantic-segmentation"]
    assert all(re.fullmatch("[0-9a-zA-Z_.-]+", key) for key in facts["mlm:hyperparameters"])
    assert (facts["mlm:pretrained"], facts["mlm:pretrained_source"]) == (False, None)
    for part, structure in (("mlm:input", "input"), ("mlm:output", "result")):
        assert {"name", structure} <= set(facts[part][0])
        assert set(facts[part][0][structure]) == {"shape", "dim_order", "data_type"}
    (asset,) = item["assets"].values()
    assert "mlm:model" in asset["roles"]
    assert asset["mlm:artifact_type"]
    known = {"accelerator", "architecture", "framework", "framework_version", "hyperparameters", "input", "name"}
    known |= {"output", "pretrained", "pretrained_source", "tasks", "total_parameters"}
    assert {key for key in facts if key.startswith("mlm:")} <= {f"mlm:{key}" for key in known}


def test_the_item_says_what_goes_in_and_what_comes_out(good, task):
    facts = item_of(good)["properties"]
    (given,), (result,) = facts["mlm:input"], facts["mlm:output"]
    assert given["bands"] == ["red", "near infrared"] == [band["name"] for band in facts["bands"]]
    assert given["input"]["shape"] == [-1, 2, -1, -1]
    assert given["value_scaling"][1] == {"type": "z-score", "mean": 1 / 3, "stddev": 0.2}
    assert facts["bands"][0] == {
        "name": "red",
        "description": "band 1 of the rasters it was trained on",
        "data_type": "float32",
        "nodata": "nan",
        "statistics": {"mean": 0.1, "stddev": 0.05},
    }
    assert result["result"]["shape"] == [-1, 3, -1, -1]
    assert [one["value"] for one in result["classification:classes"]] == [0, 1, 2]
    assert [one["name"] for one in result["classification:classes"]] == ["bare_soil", "de", "class_2"]
    assert [one["title"] for one in result["classification:classes"]] == list(CLASSES.names)
    assert [one["color_hint"] for one in result["classification:classes"]] == ["AA8800", "00FF0A", "0000FF"]
    assert facts["gsd"] == 0.5
    assert facts["mlm:architecture"] == "unet, resnet18"
    assert facts["mlm:total_parameters"] == sum(p.numel() for p in task.parameters())
    assert facts["geopointseg:training_data"] == {"points": "ab"}
    assert facts["geopointseg:scores"] == {"miou": 0.5}


def test_pixels_in_feet_have_their_size_in_metres_and_those_in_degrees_none(tmp_path):
    feet = save(PointSegmentationTask(CARD | {"crs": "EPSG:2263", "pixel_size": [1.0, 2.0]}), tmp_path / "feet")
    assert item_of(feet)["properties"]["gsd"] == pytest.approx(0.6096, rel=1e-4)
    degrees = CARD | {"crs": "EPSG:4326", "geographic": True, "pixel_size": [1e-4, 1e-4]}
    assert "gsd" not in item_of(save(PointSegmentationTask(degrees), tmp_path / "degrees"))["properties"]


def test_the_item_is_json_without_nan(good):
    def refuse(word):
        raise AssertionError(word)

    json.loads((good / "model.json").read_text(encoding="utf-8"), parse_constant=refuse)


# training data


def points_at(*rows):
    """Points as (x, class name, split, status)."""
    columns = {key: [row[i] for row in rows] for i, key in enumerate(("x", "class_name", "split", "status"))}
    frame = gpd.GeoDataFrame(columns, geometry=[Point(row[0], 0) for row in rows], crs="EPSG:32633")
    return Points(frame, CLASSES, frame[:0])


def test_the_fingerprint_knows_the_points_in_use_and_the_masks(tmp_path):
    mask = tmp_path / "a.tif"
    mask.write_bytes(b"abc")
    rows = [(1, "bare soil", "train", "used"), (2, "水", "test", "used")]

    def print_of(*given):
        return fingerprint(points_at(*given), [mask])

    first = print_of(*rows)
    # the SHA-256 of "abc", as in FIPS 180-2, appendix B.1
    assert first["masks"] == {"a.tif": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}
    assert print_of(*rows, (3, "bare soil", "train", "outside")) == first
    for other in ((1, "水", "train", "used"), (1, "bare soil", "test", "used"), (1.5, "bare soil", "train", "used")):
        assert print_of(other, rows[1])["points"] != first["points"]


# damaged and foreign models


def rewrite(folder, change):
    """Change the item of a bundle."""
    item = item_of(folder)
    change(item)
    (folder / "model.json").write_text(json.dumps(item))


def flip(path, place=1_000_000):
    """Change one bit."""
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def other_network(folder):
    """Say of the weights that they are those of another network."""
    rewrite(folder, lambda item: item["properties"]["mlm:hyperparameters"].update(backbone="resnet34"))


def other_band_count(folder):
    """Say of the weights that they want one band more."""
    more = {"bands": [1, 2, 3], "mean": [1.0] * 3, "std": [1.0] * 3}
    rewrite(folder, lambda item: item["properties"]["geopointseg:card"].update(more))


def weights_of_another_model(folder):
    """Put the weights of a model with four classes in the place of its own."""
    records = Classes.of("abcd").records()
    other = save(PointSegmentationTask(CARD | {"classes": records}), folder.parent / "other")
    shutil.copyfile(other / "weights.safetensors", folder / "weights.safetensors")


BROKEN = {
    "missing": (shutil.rmtree, r"got .*model, which does not exist: check the path"),
    "no weights": (lambda f: (f / "weights.safetensors").unlink(), r"without weights\.safetensors"),
    "no item": (lambda f: (f / "model.json").unlink(), r"without model\.json: name what 'geopointseg train'"),
    "the folder above": (
        lambda f: (f.rename(f.parent / "x"), f.mkdir(), (f.parent / "x").rename(f / "model")),
        "did you",
    ),
    "one bit": (lambda f: flip(f / "weights.safetensors"), "weights .* got others: the file is damaged, cut short"),
    "cut short": (lambda f: os.truncate(f / "weights.safetensors", 5000), "damaged, cut short or of another model"),
    "empty weights": (lambda f: os.truncate(f / "weights.safetensors", 0), "damaged, cut short or of another model"),
    "another's weights": (weights_of_another_model, "damaged, cut short or of another model"),
    "empty item": (lambda f: os.truncate(f / "model.json", 0), r"expected the model\.json of a geopointseg model"),
    "item cut short": (lambda f: os.truncate(f / "model.json", 900), r"expected the model\.json of a geopointseg"),
    "not UTF-8": (lambda f: (f / "model.json").write_bytes(b"\xff\xfe{"), r"expected the model\.json of a geopointseg"),
    "a list": (lambda f: (f / "model.json").write_text("[]"), r"expected the model\.json of a geopointseg model"),
    "another's item": (lambda f: rewrite(f, lambda i: i["properties"].pop("geopointseg:card")), "geopointseg:card"),
    "a card without mean": (lambda f: rewrite(f, lambda i: i["properties"]["geopointseg:card"].pop("mean")), "mean"),
    "another network": (other_network, r"weights of another architecture: \d+ tensors do not fit a unet with resnet34"),
    "another band count": (
        other_band_count,
        r"another architecture: .*band_mean, \(1, 3, 1, 1\) wanted, \(1, 2, 1, 1\)",
    ),
    "nodata that is no number": (
        lambda f: rewrite(f, lambda i: i["properties"]["geopointseg:card"].update(nodata="none")),
        "expected weights and model.json of one model.*could not convert",
    ),
    "unknown network": (
        lambda f: rewrite(f, lambda i: i["properties"]["mlm:hyperparameters"].update(backbone="none")),
        "expected weights and model.json of one model.* fetch it again",
    ),
}


@pytest.mark.parametrize(("spoil", "message"), BROKEN.values(), ids=BROKEN)
def test_what_is_no_whole_model_of_ours_is_refused(copy, offline, spoil, message):
    spoil(copy)
    with pytest.raises(GeoPointSegError, match=message):
        load(copy)


class Boobytrap:
    """What a stranger's pickle could do."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('code from a checkpoint was run')",))


BROKEN_CHECKPOINTS = {
    "text": lambda path: path.write_text("not a model"),
    "empty": lambda path: path.write_bytes(b""),
    "cut short": lambda path: os.truncate(path, 200_000),
    "another model": lambda path: torch.save({"state_dict": {}}, path),
    "a tensor": lambda path: torch.save(torch.zeros(3), path),
    "code": lambda path: torch.save({"hyper_parameters": Boobytrap()}, path),
}


@pytest.mark.parametrize("spoil", BROKEN_CHECKPOINTS.values(), ids=BROKEN_CHECKPOINTS)
def test_what_is_no_checkpoint_of_ours_is_refused(checkpoint, spoil):
    spoil(checkpoint)
    with pytest.raises(GeoPointSegError, match=r"expected a checkpoint or model folder .*, got .*model\.ckpt"):
        load(checkpoint)


def test_a_checkpoint_of_another_network_is_refused(checkpoint):
    saved = torch.load(checkpoint, weights_only=True)
    saved["hyper_parameters"]["backbone"] = "resnet34"
    torch.save(saved, checkpoint)
    with pytest.raises(GeoPointSegError, match="weights of another architecture"):
        load(checkpoint)


# writing


def test_an_existing_model_stays_unless_it_may_go(task, copy):
    before = (copy / "model.json").read_bytes()
    with pytest.raises(GeoPointSegError, match=r"existing .*model: add --overwrite"):
        save(task, copy)
    assert (copy / "model.json").read_bytes() == before
    save(task, copy, scores={"miou": 1.0}, overwrite=True)
    assert item_of(copy)["properties"]["geopointseg:scores"] == {"miou": 1.0}
    assert [path.name for path in copy.parent.iterdir()] == ["model"]


@pytest.fixture
def small_disk(tmp_path):
    """A disk of four megabytes: a model is larger."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no mount on this machine")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("write", ["save", "push"])
@pytest.mark.parametrize("before", [(), ("model.json",)], ids=["nothing there", "an old one there"])
def test_a_full_disk_is_told_and_nothing_half_written_stays(task, good, small_disk, write, before):
    target = small_disk / "model"
    for name in before:
        target.mkdir()
        (target / name).write_text("old")
    act = partial(save, task, target) if write == "save" else partial(push, str(good), str(target))
    with pytest.raises(GeoPointSegError, match=r"expected room on the disk to write .*model, .*free some"):
        act(overwrite=True)
    assert [path.name for path in small_disk.iterdir()] == ["model"] * bool(before)
    assert [path.name for path in target.glob("*")] == list(before)
    assert all((target / name).read_text() == "old" for name in before)


def test_ctrl_c_while_saving_leaves_nothing(task, tmp_path, monkeypatch):
    def interrupted(self, *_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", interrupted)  # the weights are written by then
    with pytest.raises(KeyboardInterrupt):
        save(task, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


# sharing


def test_pushing_to_a_folder_copies_the_two_files_alone(task, copy, tmp_path, offline, capsys):
    (copy / "notes.txt").write_text("private")
    target = tmp_path / "shared" / "model"
    assert main(["push", str(copy), str(target)]) == 0
    assert capsys.readouterr().out == f"wrote\n  {target}\nnext: geopointseg predict {target} RASTER\n"
    assert sorted(path.name for path in target.iterdir()) == sorted(bundle.FILES)
    assert same(load(target), task)
    assert main(["push", str(copy), str(target)]) == 2
    assert "add --overwrite" in capsys.readouterr().err
    assert main(["push", str(copy), str(target), "--overwrite"]) == 0


def test_a_damaged_model_is_not_shared(copy, tmp_path):
    flip(copy / "weights.safetensors")
    with pytest.raises(GeoPointSegError, match="damaged"):
        push(str(copy), str(tmp_path / "shared"))
    assert not (tmp_path / "shared").exists()


def test_a_checkpoint_is_not_shared(checkpoint, tmp_path):
    with pytest.raises(GeoPointSegError, match=r"expected a model folder, got the file .*model\.ckpt"):
        push(str(checkpoint), str(tmp_path / "shared"))


@pytest.mark.parametrize("address", ["hf://name", "hf://a/b/c", "hf:/a/b", "hf://a/b@", "hf://a/../b", "hf://../b@v1"])
def test_an_address_that_is_none_is_refused(good, offline, address):
    for act in (lambda: load(address), lambda: push(str(good), address)):
        with pytest.raises(GeoPointSegError, match=r"expected hf://organisation/name|check the name"):
            act()


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the hub's HTTP interface as fetching and publishing needs, for one repository: nobody/land."""

    files: dict[str, bytes] = {}  # noqa: RUF012
    asked: list[str] = []  # noqa: RUF012

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.asked.append(f"{self.command} {self.path}")
        name = self.path.rsplit("/", 1)[-1]
        tag = {"ETag": f'"{name}"', "X-Repo-Commit": "a" * 40}
        if self.path.startswith("/nobody/land/resolve/") and name in self.files:
            self.answer(self.files[name], tag)
        elif self.path.startswith("/api/models/nobody/land/tree/"):
            listed = [{"type": "file", "path": name, "size": len(d), "oid": name} for name, d in self.files.items()]
            self.answer(json.dumps(listed).encode())
        elif self.path.startswith("/api/models/nobody/land"):
            listed = [{"rfilename": name} for name in self.files]
            self.answer(json.dumps({"id": "nobody/land", "sha": "a" * 40, "siblings": listed}).encode())
        else:
            self.answer(b"{}", {"X-Error-Code": "RepoNotFound"}, 404)

    def do_POST(self):
        self.asked.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers["Content-Length"]))
        result = {}
        if self.path == "/api/repos/create":
            given = json.loads(body)  # the hub's library says it in one way or the other, by its version
            private = given.get("private") is True or given.get("visibility") == "private"
            self.asked.append("a private one" if private else "a public one")
            result = {"url": "/nobody/land", "name": "nobody/land"}
        elif "/preupload/" in self.path:
            names = [one["path"] for one in json.loads(body)["files"]]
            result = {"files": [{"path": n, "uploadMode": "regular", "shouldIgnore": False} for n in names]}
        elif "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            result = {"commitOid": "a" * 40, "commitUrl": "/nobody/land/commit/a", "success": True}
        self.answer(json.dumps(result).encode())

    def answer(self, body, headers=(), status=200):
        self.send_response(status)
        for key, value in {"Content-Type": "application/json", **dict(headers)}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def hub(tmp_path):
    """A hub on this machine, and a way to run Python that takes it for the real one."""
    Hub.files, Hub.asked = {}, []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    setting = {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(tmp_path / "home")}
    setting |= {"HF_TOKEN": "hf_of_no_account", "PYTHONPATH": str(Path(bundle.__file__).parents[2])}

    def python(code):  # the hub's library reads its settings when it is imported: hence a fresh interpreter
        command = [sys.executable, "-c", code]
        return subprocess.run(command, env=os.environ | setting, capture_output=True, text=True, check=False)

    yield python
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_a_model_goes_to_the_hub_and_comes_back(hub, copy, task):
    (copy / "notes.txt").write_text("private")
    done = hub(f"""if True:
        from pathlib import Path
        from geopointseg.cli import main
        from geopointseg.learning.bundle import load, push
        assert main(["push", {str(copy)!r}, "hf://nobody/land"]) == 0
        assert load("hf://nobody/land@main").classes.names == {CLASSES.names!r}
        push("hf://nobody/land", {str(copy.parent / "back")!r})
    """)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "wrote\n  hf://nobody/land\nnext: geopointseg predict hf://nobody/land RASTER\n" in done.stdout
    assert sorted(Hub.files) == sorted(bundle.FILES)
    assert "a private one" in Hub.asked
    assert all((copy / name).read_bytes() == Hub.files[name] for name in bundle.FILES)
    assert same(load(copy.parent / "back"), task)


@pytest.mark.slow
def test_a_model_that_is_not_on_the_hub_is_told_in_one_line(hub):
    done = hub("import sys; from geopointseg.cli import main; sys.exit(main(['predict', 'hf://nobody/sea', 'a.tif']))")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert re.search("expected to fetch hf://nobody/sea, got RepositoryNotFoundError .*: check the name, the", line)
