"""One file from a server that breaks off, knows no ranges, lies or is gone."""

import hashlib
import io
import re
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from server import serving

from geopointseg.datasets import archive, fetch
from geopointseg.datasets.dataset import RemoteFile
from geopointseg.errors import GeoPointSegError

BODY = np.random.default_rng(7).bytes(300_000)
MD5 = f"md5:{hashlib.md5(BODY).hexdigest()}"


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setattr(fetch, "PAUSE", 0)
    monkeypatch.setattr(fetch, "CHUNK", 4096)
    with serving() as one:
        one.files["/a.zip"] = BODY
        yield one


def remote(site, checksum=MD5, size=0):
    return RemoteFile(f"{site.url}/a.zip", checksum, size)


@pytest.mark.parametrize("seed", range(4))
def test_a_break_at_a_random_byte_is_gone_on_with_in_the_same_call(site, tmp_path, seed):
    site.cuts = np.random.default_rng(seed).integers(1, 100_000, 3).tolist()
    cut = np.cumsum(site.cuts).tolist()
    path = fetch.fetch(remote(site), tmp_path)
    assert path.read_bytes() == BODY
    assert len(site.seen) == 4
    begun = [int(text[6:-1]) for text in site.seen[1:]]
    assert all(0 < at <= end for at, end in zip(begun, cut, strict=True))  # never from the beginning again
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_break_is_gone_on_with_in_the_next_call(site, tmp_path):
    cut = int(np.random.default_rng(3).integers(1, len(BODY)))
    site.cuts = [cut, 0]
    with pytest.raises(
        GeoPointSegError, match=r"the connection broke 1 times.*what came is kept, run the command again"
    ):
        fetch.fetch(remote(site), tmp_path, tries=1)
    assert not (tmp_path / "a.zip").exists()
    had = (tmp_path / ".a.zip.part").stat().st_size
    assert 0 < had <= cut
    assert fetch.fetch(remote(site), tmp_path).read_bytes() == BODY
    assert site.seen[-1] == f"bytes={had}-"
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_a_server_without_ranges_sends_all_again(site, tmp_path):
    site.ranges, site.cuts = False, [120_000]
    assert fetch.fetch(remote(site), tmp_path).read_bytes() == BODY
    assert len(site.seen) == 2


def test_another_file_under_the_address_is_not_appended(site, tmp_path):
    site.cuts = [120_000, 0]
    with pytest.raises(GeoPointSegError):
        fetch.fetch(remote(site), tmp_path, tries=1)
    site.tag, site.files["/a.zip"], site.cuts = '"2"', BODY[::-1], []
    assert fetch.fetch(remote(site, f"md5:{hashlib.md5(BODY[::-1]).hexdigest()}"), tmp_path).read_bytes() == BODY[::-1]


def test_a_part_that_was_whole_needs_no_byte_more(site, tmp_path):
    (tmp_path / ".a.zip.part").write_bytes(BODY)
    assert fetch.fetch(remote(site), tmp_path).read_bytes() == BODY
    assert site.seen == [f"bytes={len(BODY)}-"]


def test_a_wrong_checksum_leaves_nothing(site, tmp_path):
    site.files["/a.zip"] = BODY[:-1] + bytes([BODY[-1] ^ 1])
    with pytest.raises(
        GeoPointSegError, match=rf"expected a.zip with the MD5 {MD5[4:]}, got [0-9a-f]{{32}}.*it was removed"
    ):
        fetch.fetch(remote(site), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_file_that_lies_there_is_checked_and_kept(site, tmp_path):
    (tmp_path / "a.zip").write_bytes(BODY)
    fetch.fetch(remote(site), tmp_path)
    assert not site.seen
    (tmp_path / "a.zip").write_bytes(b"other")
    with pytest.raises(GeoPointSegError, match=r"remove it and fetch it again"):
        fetch.fetch(remote(site), tmp_path)
    assert (tmp_path / "a.zip").exists()  # it is the user's


def test_a_missing_file_is_not_asked_for_again(site, tmp_path):
    del site.files["/a.zip"]
    with pytest.raises(GeoPointSegError, match=r"the server answers 404 Not Found; nothing came.*put it at"):
        fetch.fetch(remote(site), tmp_path)
    assert len(site.seen) == 1
    assert not list(tmp_path.iterdir())


def test_a_server_in_trouble_is_asked_again(site, tmp_path):
    site.status = 503
    with pytest.raises(GeoPointSegError, match=r"broke 3 times"):
        fetch.fetch(remote(site), tmp_path, tries=3)
    assert len(site.seen) == 3


def test_no_server_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "PAUSE", 0)
    with serving() as gone:
        pass
    with pytest.raises(GeoPointSegError, match=r"broke 2 times \(Connection refused\); nothing came"):
        fetch.fetch(remote(gone), tmp_path, tries=2)


def test_progress_is_shown_on_a_terminal_and_nowhere_else(site, tmp_path, monkeypatch, capsys):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    fetch.fetch(remote(site), tmp_path / "quiet")
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(fetch, "tqdm", partial(fetch.tqdm, file=screen, mininterval=0))
    site.cuts = [100_000]
    fetch.fetch(remote(site), tmp_path / "shown")
    assert re.search(r"a.zip: +\d+%.*300k", screen.getvalue())
    assert "100%" in screen.getvalue()


@pytest.mark.parametrize(("size", "asked"), [(10_000_000, 0), (0, 1)])
def test_no_room_is_told_before_anything_is_written(site, tmp_path, monkeypatch, size, asked):
    monkeypatch.setattr(archive.shutil, "disk_usage", lambda _: SimpleNamespace(free=200_000))
    with pytest.raises(
        GeoPointSegError, match=r"expected (10.0|0.3) MB of room on the disk .* to fetch a.zip, got 0.2 MB"
    ):
        fetch.fetch(remote(site, size=size), tmp_path)
    assert len(site.seen) == asked  # where the size is known, the server is not even asked
    assert not list(tmp_path.iterdir())
