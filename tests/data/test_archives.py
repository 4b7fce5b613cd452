"""Archives are read member by member, and refused when a member could leave its folder."""

import gzip
import io
import tarfile

import pytest

from workflow_scripts.data import archives
from workflow_scripts.data.archives import members, unpacked


def archive(path, *entries, mode="w:gz"):
    """A tar of (name, content) or of tarfile.TarInfo."""
    with tarfile.open(path, mode) as tar:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                tar.addfile(entry)
            else:
                info = tarfile.TarInfo(entry[0])
                info.size = len(entry[1])
                tar.addfile(info, io.BytesIO(entry[1]))
    return path


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_wanted_members_alone(tmp_path, mode):
    path = archive(tmp_path / "a.tar", ("top/a", b"one"), ("top/b", b"two"), ("top/c", b""), mode=mode)
    assert dict(members(path, lambda name: name != "top/b")) == {"top/a": b"one", "top/c": b""}


@pytest.mark.parametrize(
    "bad",
    [
        ("../outside", b"x"),
        ("top/../../outside", b"x"),
        ("/etc/outside", b"x"),
        special("link", tarfile.SYMTYPE, "/etc/passwd"),
        special("hard", tarfile.LNKTYPE, "top/a"),
        special("device", tarfile.CHRTYPE),
        special("pipe", tarfile.FIFOTYPE),
    ],
)
def test_dangerous_member_is_refused_wanted_or_not(tmp_path, bad):
    path = archive(tmp_path / "a.tar.gz", ("top/a", b"one"), bad)
    with pytest.raises(ValueError, match=r"a\.tar\.gz: the member "):
        list(members(path, lambda name: name == "top/a"))
    assert [file.name for file in tmp_path.iterdir()] == ["a.tar.gz"]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_archive_cut_short_anywhere(tmp_path, mode):
    whole = archive(tmp_path / "a.tar", *((f"top/{n}", bytes([n]) * 300) for n in range(5)), mode=mode).read_bytes()
    path = tmp_path / "cut.tar"
    step = 53 if mode == "w" else 1
    for length in range(0, len(whole) - (10_240 - 5 * 1024 if mode == "w" else 0), step):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"cut\.tar: this archive is damaged or cut short"):
            list(members(path, lambda name: True))


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_archive_that_unpacks_to_too_much(tmp_path, monkeypatch, mode):
    path = archive(tmp_path / "a.tar", ("top/a", bytes(50_000)), mode=mode)
    monkeypatch.setattr(archives, "MOST_BYTES", 20_000)
    with pytest.raises(ValueError, match=r"a\.tar: it unpacks to more than 20000 bytes"):
        list(members(path, lambda name: False))


def test_unpacked(tmp_path):
    (tmp_path / "a").write_bytes(b"plain")
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"packed"))
    assert (unpacked(tmp_path / "a"), unpacked(tmp_path / "a.gz")) == (b"plain", b"packed")


@pytest.mark.parametrize("content", [gzip.compress(b"packed" * 1000)[:-9], b"no gzip file"])
def test_damaged_gzip(tmp_path, content):
    (tmp_path / "a.gz").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.gz: this gzip file is damaged or cut short"):
        unpacked(tmp_path / "a.gz")
