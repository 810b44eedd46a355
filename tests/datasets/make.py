"""Tiny copies of the public data sets, in exactly the layout they are published in, with made-up content.

    python tests/datasets/make.py potsdam FOLDER

Nothing here uses geopointseg: what its readers make of these files is checked against the class ids that each function returns, by
the name that the raster gets. Content is seeded; a class shows in the image by its brightness, so that a network can learn it.
"""

import sys
import tarfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning

IGNORED = 255
ISPRS = [(255, 255, 255), (0, 0, 255), (0, 255, 255), (0, 255, 0), (255, 255, 0), (255, 0, 0)]
POTSDAM = {
    "train": "2_10 2_11 2_12 3_10 3_11 3_12 4_10 4_11 4_12 5_10 5_11 5_12 6_10 6_11 6_12 6_7 6_8 6_9 7_10 7_11 7_12 7_7 7_8 7_9",
    "test": "5_15 6_15 6_13 3_13 4_14 6_14 5_14 2_13 4_15 2_14 5_13 4_13 3_14 7_13",
}
VAIHINGEN = [
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    10,
    11,
    12,
    13,
    14,
    15,
    16,
    17,
    20,
    21,
    22,
    23,
    24,
    26,
    27,
    28,
    29,
    30,
    31,
    32,
    33,
    34,
    35,
    37,
    38,
]
PATTERNS = [
    "double_plant",
    "drydown",
    "endrow",
    "nutrient_deficiency",
    "planter_skip",
    "water",
    "waterway",
    "weed_cluster",
]
DUBAI = [(0x3C, 0x10, 0x98), (0x84, 0x29, 0xF6), (0x6E, 0xC1, 0xE4), (0xFE, 0xDD, 0x3A), (0xE2, 0xA9, 0x29)]


def blobs(rng, height, width, classes, ignored=0.0):
    """(height, width) ids: a coarse random board, enlarged, so that every class has areas; a share of its cells ignored."""
    step = max(4, min(height, width) // 5)
    rows, cols = -(-height // step), -(-width // step)
    board = rng.permutation(np.arange(rows * cols) % classes).reshape(rows, cols)
    board[rng.random(board.shape) < ignored] = IGNORED
    return np.kron(board, np.ones((step, step), int))[:height, :width].astype(np.uint8)


def picture(rng, ids, bands=3, top=255):
    """(bands, height, width): as bright as the class, with noise; ignored pixels are dark."""
    level = np.where(ids == IGNORED, 0.05, (ids + 1.0) / 10)
    noise = rng.normal(0, 0.01, (bands, *ids.shape))
    return np.clip((level * np.linspace(0.6, 1.0, bands)[:, None, None] + noise) * top, 1, top)


def drawn(ids, colors, ignored=(0, 0, 0)):
    """(3, height, width) uint8 in the colours of the classes."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(colors)] = colors
    table[IGNORED] = ignored
    return table[ids].transpose(2, 0, 1)


def tif(path, array, **profile):
    """Write a GeoTIFF, with a place if it is given one."""
    array = np.atleast_3d(array) if array.ndim == 3 else array[None]
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "count": len(array), "height": array.shape[1], "width": array.shape[2]} | profile
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", dtype=array.dtype, **profile) as target:
            target.write(array)


def pil(path, array, **options):
    """Write (bands, height, width) or (height, width) as an image of Pillow's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array if array.ndim == 2 else np.ascontiguousarray(array.transpose(1, 2, 0))).save(path, **options)


def world_file(path, pixel, west, north):
    """Write a .tfw: it names the centre of the first pixel."""
    numbers = (pixel, 0, 0, -pixel, west + pixel / 2, north - pixel / 2)
    path.with_suffix(".tfw").write_text("\n".join(f"{n:.10f}" for n in numbers) + "\n")


def landcoverai_sizes(tile):
    """41 sizes whose tiles are 10,674 together, and which no tile fits whole: 14 of 9 × 29 tiles and 27 of 10 × 26."""
    edge = tile // 2
    return [(9 * tile + edge, 29 * tile + edge) if i < 14 else (10 * tile + edge, 26 * tile) for i in range(41)]


def make_landcoverai(root, *, tile=8, seed=0):
    """images/, masks/, split.py and the three lists; tiles of `tile` pixels. Returns the ids by orthophoto."""
    rng = np.random.default_rng(seed)
    truth, names = {}, []
    for i, (height, width) in enumerate(landcoverai_sizes(tile)):
        name = f"{'M' if i % 2 else 'N'}-33-{i:02}-D-c-4-2"
        ids = blobs(rng, height, width, 5)
        pixel = 0.25 if i < 33 else 0.5
        place = {"crs": "EPSG:2180", "transform": Affine(pixel, 0, 300_000 + 5000.0 * i, 0, -pixel, 500_000)}
        tif(root / "images" / f"{name}.tif", picture(rng, ids).astype(np.uint8), **place)
        tif(root / "masks" / f"{name}.tif", ids, **place)
        truth[name] = ids
        number = 0
        for row in range(0, height, tile):
            for col in range(0, width, tile):
                if row + tile <= height and col + tile <= width:
                    names.append(f"{name}_{number}")
                number += 1
    order = rng.permutation(names)
    cuts = {"train": order[:7470], "val": order[7470:9072], "test": order[9072:]}
    for split, part in cuts.items():
        (root / f"{split}.txt").write_text("\n".join(part) + "\n")
    (root / "split.py").write_text("# cuts images and masks into tiles\n")
    return truth


def make_potsdam(root, *, size=64, tiles=None, seed=0, imagery=("RGB", "IRRG", "RGBIR")):
    """The folders that the archives unpack to, with a world file for each ortho image. Returns the ids by raster."""
    rng = np.random.default_rng(seed)
    truth = {}
    for tile in tiles or [*POTSDAM["train"].split(), *POTSDAM["test"].split()]:
        row, col = map(int, tile.split("_"))
        ids = blobs(rng, size, size, 6)
        image = picture(rng, ids, 4).astype(np.uint8)
        west, north = 366_676.0 + 300 * col, 5_808_400.0 - 300 * row
        for kind, folder, bands in (
            ("RGB", "2_Ortho_RGB", [0, 1, 2]),
            ("IRRG", "3_Ortho_IRRG", [3, 0, 1]),
            ("RGBIR", "4_Ortho_RGBIR", range(4)),
        ):
            if kind in imagery:
                path = root / folder / f"top_potsdam_{tile}_{kind}.tif"
                tif(path, image[list(bands)])
                world_file(path, 0.05, west, north)
        colors = drawn(ids, ISPRS)
        if tile == "6_7":
            colors = np.where(
                (colors == np.array([255, 255, 0])[:, None, None]).all(0),
                np.array([252, 255, 0])[:, None, None],
                colors,
            )
        if tile == "4_12":
            colors = np.abs(colors.astype(int) - rng.integers(0, 40, colors.shape))
        tif(root / "5_Labels_all" / f"top_potsdam_{tile}_label.tif", colors.astype(np.uint8))
        eroded = ids.copy()
        edge = (np.diff(ids, axis=0, prepend=ids[:1]) != 0) | (np.diff(ids, axis=1, prepend=ids[:, :1]) != 0)
        eroded[edge] = IGNORED
        tif(root / "5_Labels_all_noBoundary" / f"top_potsdam_{tile}_label_noBoundary.tif", drawn(eroded, ISPRS))
        heights = (ids * 30).astype(np.uint8)[:, : size - (tile == "3_13")]  # one of them lacks a column
        pil(
            root / "1_DSM_normalisation" / f"dsm_potsdam_{row:02}_{col:02}_normalized_lastools.jpg",
            heights,
            quality=100,
        )
        truth[f"potsdam_{tile}"] = ids
        truth[f"potsdam_{tile}/eroded"] = eroded
    return truth


def make_potsdam_patches(root, *, size=30, ids=(0, 1, 2099, 2100, 2399), seed=0):
    """Image_{id}.tif and Label_{id}.tif without a place. Returns the ids by raster."""
    rng = np.random.default_rng(seed)
    truth = {}
    for number in ids:
        labels = blobs(rng, size, size, 6, 0.1)
        tif(root / "Images" / f"Image_{number}.tif", picture(rng, labels).astype(np.uint8))
        tif(root / "Labels" / f"Label_{number}.tif", drawn(labels, ISPRS))
        truth[f"patch_{number:04}"] = labels
    return truth


def make_vaihingen(root, *, seed=0):
    """top/ and the complete truth beside it, the eroded one, and FESTA's lines by one annotator. Returns the ids by raster."""
    rng = np.random.default_rng(seed)
    truth = {}
    for area in VAIHINGEN:
        height, width = 40 + area % 3, 30 + area % 5
        ids = blobs(rng, height, width, 6)
        path = root / "top" / f"top_mosaic_09cm_area{area}.tif"
        tif(path, picture(rng, ids).astype(np.uint8))
        world_file(path, 0.09, 496_000.0 + 400 * area, 5_419_500.0)
        tif(
            root / "ISPRS_semantic_labeling_Vaihingen_ground_truth_COMPLETE" / f"top_mosaic_09cm_area{area}.tif",
            drawn(ids, ISPRS),
        )
        eroded = np.where(rng.random(ids.shape) < 0.2, IGNORED, ids).astype(np.uint8)
        folder = root / "ISPRS_semantic_labeling_Vaihingen_ground_truth_eroded_COMPLETE"
        tif(folder / f"top_mosaic_09cm_area{area}_noBoundary.tif", drawn(eroded, ISPRS))
        if area in (1, 3, 5, 7, 13, 17, 21, 23, 26, 32, 37):
            sparse = np.where(rng.random(ids.shape) < 0.05, ids, IGNORED).astype(np.uint8)
            pil(root / "line" / "an1" / f"mask_top_mosaic_09cm_area{area}.png", drawn(sparse, ISPRS))
            truth[f"vaihingen_{area}/line/an1"] = sparse
        truth |= {f"vaihingen_{area}": ids, f"vaihingen_{area}/eroded": eroded}
    return truth


def make_deepglobe(root, *, seed=0):
    """train/, valid/ and test/ as Kaggle has them. Returns the ids by raster."""
    rng = np.random.default_rng(seed)
    colors = [(0, 255, 255), (255, 255, 0), (255, 0, 255), (0, 255, 0), (0, 0, 255), (255, 255, 255)]
    truth = {}
    for number in (855, 6399, 119):
        ids = blobs(rng, 48, 48, 6, 0.1)
        pil(root / "train" / f"{number}_sat.jpg", picture(rng, ids).astype(np.uint8))
        impure = np.abs(drawn(ids, colors).astype(int) - rng.integers(0, 9, (3, 48, 48)))
        pil(root / "train" / f"{number}_mask.png", impure.astype(np.uint8))
        truth[f"deepglobe_{number}"] = ids
    for folder in ("valid", "test"):
        pil(root / folder / "101573_sat.jpg", picture(rng, ids).astype(np.uint8))
    (root / "class_dict.csv").write_text("name,r,g,b\nurban_land,0,255,255\n")
    return truth


def make_agriculture_vision(root, *, seed=0):
    """Agriculture-Vision-2021/{train,val,test}. Returns the ids by raster."""
    rng = np.random.default_rng(seed)
    truth = {}
    base = root / "Agriculture-Vision-2021"
    for split, fields in (("train", ("1AD76MIZN", "XF6FPLB2I")), ("val", ("3MM4BQ1QY",)), ("test", ("ZZ11",))):
        for name in [
            f"{field}_{x}-{y}-{x + 32}-{y + 32}" for field in fields for x, y in ((0, 0), (32, 0), (6774, 3675))
        ]:
            ids = blobs(rng, 32, 32, 9)
            image = picture(rng, ids, 4).astype(np.uint8)
            pil(base / split / "images" / "rgb" / f"{name}.jpg", image[:3])
            pil(base / split / "images" / "nir" / f"{name}.jpg", image[3])
            known = [np.where(rng.random(ids.shape) < 0.9, 255, 0).astype(np.uint8) for _ in range(2)]
            pil(base / split / "boundaries" / f"{name}.png", known[0])
            pil(base / split / "masks" / f"{name}.png", known[1])
            if split != "test":
                for number, pattern in enumerate(PATTERNS, 1):
                    layer = np.where(ids == number, 255, 0).astype(np.uint8)
                    layer[0] = 255 if pattern in ("drydown", "weed_cluster") else layer[0]  # patterns may overlap
                    pil(base / split / "labels" / pattern / f"{name}.png", layer)
                pil(base / split / "labels" / "storm_damage" / f"{name}.png", np.zeros((32, 32), np.uint8))
                expected = ids.copy()
                expected[0] = 8
                truth[name] = np.where((known[0] == 0) | (known[1] == 0), IGNORED, expected)
    return truth


def make_gid(root, *, seed=0):
    """Large-scale Classification_5classes. Returns the ids by raster."""
    rng = np.random.default_rng(seed)
    colors = [(255, 0, 0), (0, 255, 0), (0, 255, 255), (255, 255, 0), (0, 0, 255)]
    base = root / "Large-scale Classification_5classes"
    truth = {}
    for number in (564539, 575925, 647767, 1064454, 1119060):
        name = f"GF2_PMS1__L1A000{number:07}-MSS1"
        ids = blobs(rng, 36, 34, 5, 0.2)
        image = picture(rng, ids, 4).astype(np.uint8)
        tif(base / "image_RGB" / f"{name}.tif", image[1:])
        tif(base / "image_NirRGB" / f"{name}.tif", image)
        tif(base / "label_5classes" / f"{name}_label.tif", drawn(ids, colors))
        truth[name] = ids
    return truth


def make_zurich(root, *, seed=0):
    """images_tif/ in 16 bits with a place and groundtruth/ in colours. Returns the ids by raster."""
    rng = np.random.default_rng(seed)
    colors = [
        (0, 0, 0),
        (100, 100, 100),
        (0, 125, 0),
        (0, 255, 0),
        (150, 80, 0),
        (0, 0, 150),
        (255, 255, 0),
        (150, 150, 255),
    ]
    truth = {}
    for number in range(1, 21):
        ids = blobs(rng, 30 + number, 28, 8, 0.2)
        place = {"crs": "EPSG:32632", "transform": Affine(0.6155, 0, 463_000.0 + 1000 * number, 0, -0.6155, 5_248_000)}
        tif(root / "images_tif" / f"zh{number}.tif", picture(rng, ids, 4, 3102).astype(np.uint16), **place)
        tif(root / "groundtruth" / f"zh{number}_GT.tif", drawn(ids, colors, (255, 255, 255)))
        truth[f"zh{number}"] = ids
    return truth


def make_flair(root, *, seed=0):
    """Domains and zones with img/ and msk/. Returns the ids by raster."""
    rng = np.random.default_rng(seed)
    truth = {}
    for i, (domain, zone) in enumerate(
        [("D004_2021", "Z1_NN"), ("D004_2021", "Z12_UF"), ("D091_2021", "Z1_AA"), ("D012_2019", "Z10_UU")]
    ):
        codes = blobs(rng, 32, 32, 20)  # 0 and 19 are unlabelled
        part = "test" if domain == "D012_2019" else "train"
        place = {"crs": "EPSG:2154", "transform": Affine(0.2, 0, 700_000.0 + 100 * i, 0, -0.2, 6_600_000)}
        folder = root / part / domain / zone
        tif(folder / "img" / f"IMG_{62613 + i:06}.tif", picture(rng, codes, 5).astype(np.uint8), **place)
        tif(folder / "msk" / f"MSK_{62613 + i:06}.tif", codes, **place)
        truth[f"IMG_{62613 + i:06}"] = np.where((codes == 0) | (codes == 19), IGNORED, codes - 1).astype(np.uint8)
    return truth


def make_dubai(root, *, tiles=range(1, 9), seed=0):
    """Tile N/images and masks, as published, with the grey of the unlabelled. Returns the ids by raster."""
    rng = np.random.default_rng(seed)
    truth = {}
    for tile in tiles:
        for part in range(1, 10):
            ids = blobs(rng, 24 + tile, 30, 5, 0.1)
            base = root / "Semantic segmentation dataset" / f"Tile {tile}"
            pil(base / "images" / f"image_part_{part:03}.jpg", picture(rng, ids).astype(np.uint8))
            pil(base / "masks" / f"image_part_{part:03}.png", drawn(ids, DUBAI, (0x9B, 0x9B, 0x9B)))
            truth[f"tile{tile}_{part:03}"] = ids
    (root / "Semantic segmentation dataset" / "classes.json").write_text("{}")
    return truth


def make_pets(root, *, seed=0):
    """images/, annotations/trimaps/ and the lists, with their full lengths; a few photographs lie there. Returns the ids by raster."""
    rng = np.random.default_rng(seed)
    truth = {}
    photographs = {"trainval": ("Abyssinian_1", "beagle_116", "Egyptian_Mau_14", "grey_1"), "test": ("Sphynx_9",)}
    for split, count in (("trainval", 3680), ("test", 3669)):
        names = [
            *photographs[split],
            *(f"yorkshire_terrier_{split}{i}" for i in range(count - len(photographs[split]))),
        ]
        folder = root / "annotations"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{split}.txt").write_text("".join(f"{name} 1 1 1\n" for name in names))
        for name in photographs[split]:
            trimap = blobs(rng, 40, 44, 3) + 1
            image = Image.fromarray(picture(rng, trimap).astype(np.uint8).transpose(1, 2, 0).copy())
            kind = {"Egyptian_Mau_14": "GIF", "beagle_116": "PNG"}.get(name, "JPEG")  # whatever their names say
            image = image.convert("L") if name == "grey_1" else image.quantize(16) if kind == "GIF" else image
            (root / "images").mkdir(exist_ok=True)
            image.save(root / "images" / f"{name}.jpg", format=kind)
            pil(folder / "trimaps" / f"{name}.png", trimap)
            (folder / "trimaps" / f"._{name}.png").write_bytes(b"\0")  # the archive has such, of a Mac
            truth[name] = np.array([IGNORED, 0, 1, IGNORED], np.uint8)[trimap]
    return truth


def make_lssqps(root, *, seed=0):
    """Dataset/{Train,Val,Test}/{Images,Target}. Returns the ids by raster."""
    rng = np.random.default_rng(seed)
    truth = {}
    for part, count in (("Train", 3), ("Val", 1), ("Test", 1)):
        for number in range(count):
            values = blobs(rng, 45, 45, 5)
            name = f"N-33-{part}_{number}"
            pil(root / "Dataset" / part / "Images" / f"{name}.jpg", picture(rng, values).astype(np.uint8))
            pil(root / "Dataset" / part / "Target" / f"{name}.png", values)
            truth[name] = np.where(values == 0, IGNORED, values - 1).astype(np.uint8)
    return truth


MAKERS = {
    name.removeprefix("make_").replace("_", "-"): make
    for name, make in list(globals().items())
    if name.startswith("make_")
}


def archive(folder, out):
    """Pack what lies in a folder as .zip or .tar.gz."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if out.name.endswith(".zip"):
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
            for path in files:
                target.write(path, path.relative_to(folder))
    else:
        with tarfile.open(out, "w:gz") as target:
            for path in files:
                target.add(path, path.relative_to(folder).as_posix())
    return out


if __name__ == "__main__":
    MAKERS[sys.argv[1]](Path(sys.argv[2]))
