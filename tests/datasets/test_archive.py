"""Archives are unpacked whole or not at all, and stay in their folder."""

import io
import stat
import tarfile
import zipfile
from types import SimpleNamespace

import make
import numpy as np
import pytest

from geopointseg.datasets import archive
from geopointseg.errors import GeoPointSegError

CLIMBING = [
    "../out.txt",
    "a/../../out.txt",
    "/tmp_out.txt",
    "C:/out.txt",
    "C:\\out.txt",
    "..\\out.txt",
    "\\\\host\\share\\out.txt",
]


def zipped(path, members):
    with zipfile.ZipFile(path, "w") as target:
        for name, content in members:
            info = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo("x")
            if not isinstance(name, zipfile.ZipInfo):
                info.filename = name  # as it is: the constructor would tidy it
            target.writestr(info, content)
    return path


def tarred(path, members):
    with tarfile.open(path, "w:gz") as target:
        for member, content in members:
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            info.size = len(content)
            target.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_an_archive_comes_out_as_it_went_in(tmp_path, name):
    source = tmp_path / "source"
    make.make_potsdam(source, tiles=["2_10"], size=16)
    written = archive.unpack(make.archive(source, tmp_path / name), tmp_path / "out")
    assert sorted(path.relative_to(tmp_path / "out") for path in written) == sorted(
        path.relative_to(source) for path in source.rglob("*") if path.is_file()
    )
    for path in written:
        assert path.read_bytes() == (source / path.relative_to(tmp_path / "out")).read_bytes()


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize("name", CLIMBING)
def test_a_path_that_climbs_out_is_refused(tmp_path, pack, name):
    path = pack(tmp_path / ("a.zip" if pack is zipped else "a.tar.gz"), [("good.txt", b"1"), (name, b"2")])
    (tmp_path / "deep").mkdir()
    with pytest.raises(GeoPointSegError, match=r"a path that leaves the folder.*do not trust this copy"):
        archive.unpack(path, tmp_path / "deep" / "out")
    assert {p.name for p in tmp_path.rglob("*.txt")} <= {"good.txt"}


def test_links_and_devices_are_refused(tmp_path):
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    members = []
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
        info = tarfile.TarInfo("odd")
        info.type, info.linkname = kind, "/etc/passwd"
        members.append(tarred(tmp_path / f"{ord(kind)}.tar.gz", [(info, b"")]))
    for path in (zipped(tmp_path / "a.zip", [(link, "/etc/passwd")]), *members):
        with pytest.raises(GeoPointSegError, match=r"which is a (link|device)"):
            archive.unpack(path, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*"))


def test_a_member_that_comes_twice_is_refused(tmp_path):
    with pytest.raises(GeoPointSegError, match=r"which is there twice"):
        archive.unpack(tarred(tmp_path / "a.tar.gz", [("a", b"1"), ("./a", b"2")]), tmp_path / "out")


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_archive_is_told_of(tmp_path, name, share):
    source = tmp_path / "source"
    source.mkdir()
    for number in range(3):
        (source / f"{number}.bin").write_bytes(np.random.default_rng(number).bytes(30_000))
    whole = make.archive(source, tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(
        GeoPointSegError, match=r"damaged or cut short .*: remove it and fetch it again; nothing was unpacked"
    ):
        archive.unpack(tmp_path / name, tmp_path / "out")


def test_a_flipped_byte_in_a_zip_is_found(tmp_path):
    path = zipped(tmp_path / "a.zip", [("a.bin", np.random.default_rng(0).bytes(50_000))])
    content = bytearray(path.read_bytes())
    content[25_000] ^= 255
    path.write_bytes(content)
    with pytest.raises(GeoPointSegError, match=r"damaged or cut short"):
        archive.unpack(path, tmp_path / "out")


def test_no_room_is_told_before(tmp_path, monkeypatch):
    path = zipped(tmp_path / "a.zip", [("a.bin", bytes(5_000_000))])
    monkeypatch.setattr(archive.shutil, "disk_usage", lambda _: SimpleNamespace(free=200_000))
    with pytest.raises(GeoPointSegError, match=r"expected 5.0 MB of room on the disk .* to unpack a.zip, got 0.2 MB"):
        archive.unpack(path, tmp_path / "out")


def test_an_empty_archive_is_told_of(tmp_path):
    with pytest.raises(GeoPointSegError, match=r"got an empty archive"):
        archive.unpack(zipped(tmp_path / "a.zip", []), tmp_path / "out")
