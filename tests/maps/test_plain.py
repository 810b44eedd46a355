"""Plain images become masks of the same size in the colours of the classes, however many and however large."""

import numpy as np
import pytest
from PIL import Image

from geopointseg.cli import main
from geopointseg.errors import GeoPointSegError
from geopointseg.learning.backends import Predictor, with_torch
from geopointseg.maps import plain
from geopointseg.maps.plain import colour_masks, find_images


class Folder:
    """Images, and a model that sees the class itself in the first band and counts how often it is asked."""

    def __init__(self, path, copyist, classes, monkeypatch):
        self.path, self.out, self.asked = path / "images", path / "masks", []
        self.path.mkdir()
        copyist.hparams = {
            "card": {
                "bands": [1, 2, 3],
                "dtype": "uint8",
                "nodata": None,
                "classes": classes.records(),
                "pixel_size": [1, 1],
            }
        }

        def ask(pixels):
            self.asked.append(pixels.shape)
            return with_torch(copyist)(pixels)

        monkeypatch.setattr(plain, "load", lambda _: copyist)
        monkeypatch.setattr(plain, "predictor", lambda *_: Predictor(ask, classes, "torch", "32-true", "a test"))

    def add(self, name, height, width, *, alpha=None, seed=0):
        ids = np.random.default_rng(seed).integers(5, size=(height, width), dtype=np.uint8)
        bands = [ids, 9 * np.ones_like(ids), np.zeros_like(ids), *([] if alpha is None else [alpha])]
        Image.fromarray(np.stack(bands, axis=-1)).save(self.path / name)
        return ids

    def masks(self, **options):
        return colour_masks("model", [str(self.path)], out=self.out, **options)

    def mask(self, name):
        with Image.open(self.out / name) as image:
            assert image.mode == "P"
            return np.asarray(image), np.asarray(image.convert("RGBA"))


@pytest.fixture
def folder(tmp_path, copyist, classes, monkeypatch):
    return Folder(tmp_path, copyist, classes, monkeypatch)


def test_masks_have_the_size_and_the_classes_of_the_images_and_their_colours(folder, classes):
    sizes = {"a.png": (40, 60), "b.tif": (7, 5), "c.PNG": (600, 530)}  # the third larger than a window
    truth = {name: folder.add(name, *size, seed=i) for i, (name, size) in enumerate(sizes.items())}
    report = folder.masks()
    assert [file.name for file in report.files] == ["a_mask.png", "b_mask.png", "c_mask.png", "legend.png"]
    assert sorted(file.name for file in folder.out.iterdir()) == [file.name for file in report.files]
    for name, ids in truth.items():
        found, colours = folder.mask(f"{name[0]}_mask.png")
        np.testing.assert_array_equal(found, ids)
        np.testing.assert_array_equal(colours[..., :3], np.array(classes.rgb(), np.uint8)[ids])
        assert (colours[..., 3] == 255).all()


def test_small_images_of_one_size_are_classified_together(folder):
    truth = [folder.add(f"{i}.png", 30, 20, seed=i) for i in range(5)]
    folder.add("z.png", 31, 20)
    folder.masks(batch_size=4)
    assert folder.asked == [(4, 3, 30, 20), (1, 3, 30, 20), (1, 3, 31, 20)]
    for i, ids in enumerate(truth):
        np.testing.assert_array_equal(folder.mask(f"{i}_mask.png")[0], ids)


def test_what_is_transparent_in_the_image_is_so_in_the_mask(folder):
    alpha = np.full((20, 30), 255, np.uint8)
    alpha[5:9] = 0
    ids = folder.add("a.png", 20, 30, alpha=alpha)
    folder.masks()
    found, colours = folder.mask("a_mask.png")
    np.testing.assert_array_equal(found, np.where(alpha == 0, 255, ids))
    np.testing.assert_array_equal(colours[..., 3], alpha)


def test_jpegs_are_read_too_and_nothing_else(folder):
    folder.add("a.jpg", 16, 16)
    folder.add("b.JPEG", 16, 16)
    (folder.path / "notes.txt").write_text("no image")
    folder.add(".hidden.png", 16, 16)
    assert [path.name for path in find_images([str(folder.path)])] == ["a.jpg", "b.JPEG"]
    assert [path.name for path in find_images([str(folder.path / "*.jpg"), str(folder.path)])] == ["a.jpg", "b.JPEG"]
    folder.masks()
    assert folder.mask("b_mask.png")[0].shape == (16, 16)


def test_a_wide_image_is_never_held_as_a_whole(folder):
    folder.add("a.tif", 520, 1500)
    folder.masks(batch_size=2)
    assert {shape[1:] for shape in folder.asked} == {(3, 512, 512)}
    assert max(shape[0] for shape in folder.asked) == 2


def test_what_cannot_be_is_told(folder, tmp_path):
    with pytest.raises(GeoPointSegError, match="matches none"):
        folder.masks()
    folder.add("a.png", 16, 16)
    folder.add("a.tif", 16, 16)
    with pytest.raises(GeoPointSegError, match=r"different names, got two of a_mask\.png"):
        folder.masks()
    (folder.path / "a.tif").unlink()
    folder.masks()
    with pytest.raises(GeoPointSegError, match="add --overwrite"):
        folder.masks()
    folder.masks(overwrite=True)
    with pytest.raises(GeoPointSegError, match="numbers of colours"):
        colour_masks("model", [str(folder.out / "a_mask.png")], out=tmp_path)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder.path / "grey.png")
    with pytest.raises(GeoPointSegError, match=r"expected the bands \[1, 2, 3\]"):
        folder.masks(overwrite=True)
    (folder.path / "grey.png").write_text("no image")
    with pytest.raises(GeoPointSegError, match="an image that GDAL reads"):
        folder.masks(overwrite=True)


def test_a_damaged_image_leaves_no_half_mask(folder):
    folder.add("a.tif", 600, 600)
    data = (folder.path / "a.tif").read_bytes()
    (folder.path / "a.tif").write_bytes(data[: len(data) // 2])
    with pytest.raises(GeoPointSegError):
        folder.masks(allow=("values",))
    assert not list(folder.out.iterdir())


def test_the_command_names_its_files_and_what_computed_them(folder, capsys):
    folder.add("a.png", 16, 16)
    assert main(["colour-masks", "model", str(folder.path), "--out", str(folder.out)]) == 0
    wrote = f"wrote\n  {folder.out / 'a_mask.png'}\n  {folder.out / 'legend.png'}\n"
    assert capsys.readouterr().out == f"computed by torch in float32: a test\n{wrote}"
