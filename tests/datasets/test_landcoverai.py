"""LandCover.ai: the official split, that of LSSQPS, whole orthophotos in their place, and the tiles of split.py."""

from itertools import chain

import make
import numpy as np
import pytest
import rasterio

from geopointseg.cli import main
from geopointseg.datasets import landcoverai, landcoverai_tiles
from geopointseg.datasets.find import by_stem
from geopointseg.datasets.prepare import prepare, write_pairs
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window
from geopointseg.raster import open_raster

TILE = 8


def test_the_official_lists_have_their_lengths(copy_of):
    root, _ = copy_of("landcoverai")
    lists = {split: landcoverai.read_split(root, split) for split in ("train", "val", "test")}
    assert {split: len(names) for split, names in lists.items()} == {"train": 7470, "val": 1602, "test": 1602}
    tiles = landcoverai.cut_tiles(landcoverai.orthophotos(root), tile=TILE)
    assert len(landcoverai.orthophotos(root)) == 41
    assert sorted(chain(*lists.values())) == sorted(tiles)  # each tile once: 10,674


def test_a_changed_list_is_refused(copy_of, tmp_path):
    names = landcoverai.read_split(copy_of("landcoverai")[0], "test")
    (tmp_path / "test.txt").write_text("\n".join(names[:-1]))
    with pytest.raises(GeoPointSegError, match=r"expected the 1602 tiles of the official split in .* got 1601"):
        landcoverai.read_split(tmp_path, "test")
    with pytest.raises(GeoPointSegError, match=r"expected the list train\.txt"):
        landcoverai.read_split(tmp_path, "train")


def test_tiles_are_numbered_as_split_py_numbers_them(copy_of):
    root, _ = copy_of("landcoverai")
    images = dict(list(landcoverai.orthophotos(root).items())[:1])
    (name,) = images
    height, width = open_raster(images[name][0]).grid.shape
    expected, number = {}, 0
    for y in range(0, height, TILE):
        for x in range(0, width, TILE):
            if y + TILE <= height and x + TILE <= width:
                expected[f"{name}_{number}"] = (name, Window(y, x, TILE, TILE))
            number += 1  # those at the edges count, too
    assert width % TILE  # else this would not tell
    assert landcoverai.cut_tiles(images, tile=TILE) == expected


def test_whole_orthophotos_hold_the_truth_of_their_split_alone(copy_of, tmp_path):
    root, truth = copy_of("landcoverai")
    seen = {name: np.zeros(ids.shape, int) for name, ids in truth.items()}
    for split in ("train", "val", "test"):
        chosen = set(landcoverai.read_split(root, split))
        pairs = landcoverai.pairs(root, split, tile=TILE)[:4]
        report = write_pairs(pairs, landcoverai.CLASSES, tmp_path / split / "i", tmp_path / split / "t")
        assert sum(report.pixels) == sum(
            TILE**2 for tile in chosen if tile.rpartition("_")[0] in {p.name for p in pairs}
        )
        for pair, path in zip(pairs, report.truth, strict=True):
            with rasterio.open(path) as source, rasterio.open(pair.image) as image:
                ids = source.read(1)
                assert (source.crs, source.transform) == (image.crs, image.transform)
            kept = ids != 255
            np.testing.assert_array_equal(ids[kept], truth[pair.name][kept])
            seen[pair.name] += kept
            first = f"{pair.name}_0"
            assert kept[:TILE, :TILE].all() == (first in chosen)
    for pair in pairs:
        assert seen[pair.name].max() == 1  # no pixel is in two splits


def test_all_takes_the_edges_too(copy_of, tmp_path):
    root, truth = copy_of("landcoverai")
    pairs = landcoverai.pairs(root, "all")[:1]
    (path,) = write_pairs(pairs, landcoverai.CLASSES, tmp_path / "i", tmp_path / "t").truth
    with rasterio.open(path) as source:
        np.testing.assert_array_equal(source.read(1), truth[pairs[0].name])


def test_the_split_of_lssqps_is_seeded_and_cut_at_60_and_80(copy_of):
    images = landcoverai.orthophotos(copy_of("landcoverai")[0])
    parts = {split: landcoverai.seeded_split(images, split, tile=TILE) for split in ("train", "val", "test")}
    assert {split: len(names) for split, names in parts.items()} == {"train": 6404, "val": 2134, "test": 2136}
    names = sorted(landcoverai.cut_tiles(images, tile=TILE))
    assert sorted(chain(*parts.values())) == names
    state = np.random.RandomState(100)
    state.shuffle(names)
    assert parts["train"] == names[:6404]


def test_cut_tiles_read_back_with_their_place(tmp_path):
    rng = np.random.default_rng(0)
    ids = make.blobs(rng, 40, 56, 5)
    place = {"crs": "EPSG:2180", "transform": make.Affine(0.25, 0, 300_000, 0, -0.25, 500_000)}
    make.tif(tmp_path / "images" / "N-1.tif", make.picture(rng, ids).astype(np.uint8), **place)
    make.tif(tmp_path / "masks" / "N-1.tif", ids, **place)
    report = landcoverai_tiles.cut(tmp_path, tile=16)
    assert str(report) == "6 tiles, each with a mask and a world file"
    assert {path.suffix for path in (tmp_path / "output").iterdir()} == {".jpg", ".png", ".wld"}
    names = by_stem((tmp_path / "output").glob("*.jpg"))
    assert sorted(names) == ["N-1_0", "N-1_1", "N-1_2", "N-1_4", "N-1_5", "N-1_6"]  # 3 and 7 reach beyond the edge
    pairs = landcoverai_tiles.pairs(tmp_path, "all")
    report = write_pairs(pairs, landcoverai.CLASSES, tmp_path / "i", tmp_path / "t")
    for path in report.truth:
        number = int(path.stem.rpartition("_")[2])
        row, col = number // 4 * 16, number % 4 * 16
        with rasterio.open(path) as source:
            np.testing.assert_array_equal(source.read(1), ids[row : row + 16, col : col + 16])
            assert source.crs.to_epsg() == 2180
            assert source.transform.almost_equals(place["transform"] @ make.Affine.translation(col, row))


def test_tiles_are_cut_whole_or_not_at_all(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    ids = make.blobs(rng, 20, 20, 5)
    for folder, array in (("images", make.picture(rng, ids).astype(np.uint8)), ("masks", ids)):
        make.tif(tmp_path / folder / "N-1.tif", array, transform=make.Affine(0.25, 0, 300_000, 0, -0.25, 500_000))
    command, out = ["cut-landcoverai", str(tmp_path), "--tile"], tmp_path / "output"
    for tile, said in (
        ("0", "expected a --tile of 1 pixel or more, got 0"),
        ("512", "expected orthophotos of 512 × 512 pixels or more"),
    ):
        assert main([*command, tile]) == 2
        assert said in capsys.readouterr().err
    one, calls = landcoverai_tiles._cut, []

    def killed(*arguments, **options):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        one(*arguments, **options)

    with monkeypatch.context() as moment:
        moment.setattr(landcoverai_tiles, "_cut", killed)
        assert main([*command, "10"]) == 130
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "masks"]
    capsys.readouterr()
    assert main([*command, "10"]) == 0
    assert f"next: geopointseg prepare landcoverai-tiles {tmp_path}" in capsys.readouterr().out
    assert main([*command, "5"]) == 2
    assert "expected no tiles in" in capsys.readouterr().err
    assert main([*command, "5", "--overwrite"]) == 0
    assert len(list(out.glob("*.jpg"))) == 16
    (out / "notes.txt").touch()
    assert main([*command, "5", "--overwrite"]) == 2
    assert "got notes.txt: move it elsewhere" in capsys.readouterr().err
    assert len(list(out.glob("*.jpg"))) == 16


def test_lists_and_size_of_the_tiles_must_agree(copy_of):
    root, _ = copy_of("landcoverai")
    with pytest.raises(
        GeoPointSegError, match=r"expected the size of the tiles that the lists .* as --tile, got 4: leave it"
    ):
        landcoverai.pairs(root, "train", tile=4)
    assert len(landcoverai.pairs(root, "train", tile=4, scheme="lssqps")) == 41


def test_tiles_of_the_official_script_get_their_place_back(tmp_path):
    rng = np.random.default_rng(1)
    ids = make.blobs(rng, 512, 1030, 5)
    place = {"crs": "EPSG:2180", "transform": make.Affine(0.5, 0, 300_000, 0, -0.5, 500_000)}
    image = make.picture(rng, ids).astype(np.uint8)
    make.tif(tmp_path / "images" / "N-1.tif", image, **place)
    make.tif(tmp_path / "masks" / "N-1.tif", ids, **place)
    for number in (0, 1):  # as OpenCV writes them: no place, masks with three bands
        part = slice(512 * number, 512 * number + 512)
        make.pil(tmp_path / "output" / f"N-1_{number}.jpg", image[:, :, part], quality=95)
        make.pil(tmp_path / "output" / f"N-1_{number}_m.png", np.stack([ids[:, part]] * 3))
    pairs = landcoverai_tiles.pairs(tmp_path, "all")
    report = write_pairs(pairs, landcoverai.CLASSES, tmp_path / "i", tmp_path / "t")
    assert open_raster(report.images[1]).grid.bounds == (300_256, 499_744, 300_512, 500_000)
    with rasterio.open(report.truth[1]) as source:
        np.testing.assert_array_equal(source.read(1), ids[:, 512:1024])


def test_prepare_takes_the_scheme(copy_of, tmp_path):
    root, _ = copy_of("landcoverai")
    one, other = (
        prepare("landcoverai", root, out=tmp_path / scheme, scheme=scheme, first=1) for scheme in ("official", "lssqps")
    )
    # the tiny copy fits into one tile of 512 pixels, the first of its orthophoto
    assert (sum(one.pixels) == 0) == (f"{one.truth[0].stem}_0" not in landcoverai.read_split(root, "train"))
    assert sum(other.pixels) == 0  # no whole tile of 512 pixels, and nothing to shuffle
    with pytest.raises(GeoPointSegError, match=r"expected official or lssqps as --scheme"):
        prepare("landcoverai", root, out=tmp_path / "x", scheme="random")
