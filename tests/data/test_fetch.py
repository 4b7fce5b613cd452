"""Fetching over a real local HTTP server: resumed, retried, verified, once, and never without leave."""

import gzip
import hashlib
import subprocess
import sys
import tarfile
from pathlib import Path

import data_server
import numpy as np
import pytest
from recorded_progress import RecordedProgress

from workflow_scripts.data import fetch as fetching
from workflow_scripts.data.data_set import DataSet, Form, SourceFile
from workflow_scripts.data.fetch import Access, FetchError, fetch
from workflow_scripts.runtime.progress import Silent

ROOT = Path(__file__).parents[2]
CONTENT = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SIZE = len(CONTENT)


@pytest.fixture
def server():
    with data_server.serving() as running:
        running.files["official/file.bin"] = CONTENT
        yield running


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(fetching, "BACK_OFF_SECONDS", 0.01)


def made_up(address, size=SIZE, sha256=SHA256, folder=None, name="made_up"):
    form = Form("file.bin", size, sha256, "this test")
    return DataSet(name, "made up", "nobody", "none", (SourceFile("file", (address,), (form,), folder),))


def fetched(server, tmp_path, *mirrors, progress=None, offline=False, **changes):
    data_set = made_up(server.url("official/file.bin"), **changes)
    access = Access(tmp_path / "kept", tuple(str(mirror) for mirror in mirrors), offline)
    return fetch(data_set, access, progress or Silent())["file"]


def kept(tmp_path):
    """Every file in the folder but the locks."""
    return sorted(path.name for path in (tmp_path / "kept" / "made_up").iterdir() if not path.name.endswith(".lock"))


def test_good_download_once(server, tmp_path):
    path = fetched(server, tmp_path)
    assert path == tmp_path / "kept" / "made_up" / "file.bin"
    assert path.read_bytes() == CONTENT
    assert fetched(server, tmp_path) == path
    assert server.requests == [("official/file.bin", None)]
    assert kept(tmp_path) == ["file.bin"]


def test_download_that_breaks_at_half_is_resumed(server, tmp_path):
    server.plans["official/file.bin"] = ["half"]
    assert fetched(server, tmp_path).read_bytes() == CONTENT
    _, second = server.requests
    resumed_at = int(second[1].removeprefix("bytes=").rstrip("-"))
    assert 150_000 - fetching.PIECE < resumed_at <= 150_000
    assert server.sent == len(CONTENT) + 150_000 - resumed_at  # all but the piece that broke comes once


def test_what_a_killed_process_left_is_resumed(server, tmp_path):
    folder = tmp_path / "kept" / "made_up"
    folder.mkdir(parents=True)
    (folder / ".file.bin.partial").write_bytes(CONTENT[:1000])
    assert fetched(server, tmp_path).read_bytes() == CONTENT
    assert server.requests == [("official/file.bin", "bytes=1000-")]


@pytest.mark.parametrize("left", [b"x" * 1000, b"x" * len(CONTENT), b"x" * 400_000])
def test_wrong_bytes_left_by_another_process_are_fetched_anew(server, tmp_path, left):
    folder = tmp_path / "kept" / "made_up"
    folder.mkdir(parents=True)
    (folder / ".file.bin.partial").write_bytes(left)
    assert fetched(server, tmp_path).read_bytes() == CONTENT
    assert server.requests[-1] == ("official/file.bin", None)


def test_server_without_ranges(server, tmp_path):
    server.ranges = False
    server.plans["official/file.bin"] = ["half"]
    assert fetched(server, tmp_path).read_bytes() == CONTENT


def test_wrong_checksum_keeps_nothing(server, tmp_path):
    with pytest.raises(FetchError, match=r"made_up: file\.bin could not be fetched .*wrong checksum: sha256 ") as error:
        fetched(server, tmp_path, sha256="0" * 64)
    assert SHA256 in str(error.value) and "0" * 64 in str(error.value)
    assert kept(tmp_path) == []


def test_longer_than_it_should_be(server, tmp_path):
    with pytest.raises(FetchError, match="it is longer than the 1000 bytes it should have"):
        fetched(server, tmp_path, size=1000)
    assert not (tmp_path / "kept" / "made_up" / "file.bin").exists()


def test_server_errors_then_success(server, tmp_path):
    server.plans["official/file.bin"] = [503, 429]
    progress = RecordedProgress()
    assert fetched(server, tmp_path, progress=progress).read_bytes() == CONTENT
    assert len(server.requests) == 3
    assert [line for line in progress.lines if "trying again in" in line]


def test_server_that_stays_broken(server, tmp_path):
    server.plans["official/file.bin"] = [500] * 20
    with pytest.raises(FetchError, match="the server answered 500, 5 times") as error:
        fetched(server, tmp_path)
    place = tmp_path / "kept" / "made_up" / "file.bin"
    assert f"put it at {place} ({len(CONTENT)} bytes, sha256 {SHA256})" in str(error.value)
    assert len(server.requests) == fetching.TRIES


def test_server_that_is_not_there(tmp_path):
    data_set = made_up("http://127.0.0.1:9/file.bin")
    with pytest.raises(FetchError, match=r"no connection \(ConnectionError\), 5 times"):
        fetch(data_set, Access(tmp_path), Silent())


def test_mirror_before_official_address(server, tmp_path):
    server.files["mirror/file.bin"] = CONTENT
    assert fetched(server, tmp_path, server.url("mirror")).read_bytes() == CONTENT
    assert [path for path, _ in server.requests] == ["mirror/made_up/file.bin", "mirror/file.bin"]


def test_mirror_without_the_file_or_with_another(server, tmp_path):
    server.files["mirror/file.bin"] = b"another"
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file.bin").write_bytes(b"another")  # as MNIST and Fashion-MNIST share names
    mirrors = (tmp_path / "nowhere", tmp_path / "folder", server.url("empty"), server.url("mirror"))
    assert fetched(server, tmp_path, *mirrors).read_bytes() == CONTENT
    assert server.requests[-1] == ("official/file.bin", None)


@pytest.mark.parametrize("form", ["{}", "file://{}"])
@pytest.mark.parametrize("place", ["file.bin", "made_up/file.bin"])
def test_local_folder_needs_no_network(server, tmp_path, form, place):
    source = tmp_path / "folder" / place
    source.parent.mkdir(parents=True)
    source.write_bytes(CONTENT)
    path = fetched(server, tmp_path, form.format(tmp_path / "folder"), offline=True)
    assert path.read_bytes() == CONTENT and source.read_bytes() == CONTENT
    assert server.requests == []


def test_offline_with_the_file_absent_and_present(server, tmp_path):
    with pytest.raises(FetchError, match=r"data\.offline forbids the network") as error:
        fetched(server, tmp_path, server.url("mirror"), offline=True)
    place = tmp_path / "kept" / "made_up" / "file.bin"
    assert str(place) in str(error.value)
    place.write_bytes(CONTENT)
    assert fetched(server, tmp_path, offline=True) == place
    assert server.requests == []


def test_a_wrong_file_in_the_place_is_named_and_left(server, tmp_path):
    place = tmp_path / "kept" / "made_up" / "file.bin"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"mine")
    with pytest.raises(FetchError, match="is not the file of that name") as error:
        fetched(server, tmp_path)
    assert "remove it" in str(error.value)
    assert place.read_bytes() == b"mine" and server.requests == []


def test_without_a_published_checksum_the_one_found_is_told_and_nothing_is_resumed(server, tmp_path):
    server.plans["official/file.bin"] = ["half"]
    progress = RecordedProgress()
    assert fetched(server, tmp_path, size=None, sha256=None, progress=progress).read_bytes() == CONTENT
    assert server.requests == [("official/file.bin", None)] * 2
    assert [line for line in progress.lines if SHA256 in line]


def test_address_with_a_password_is_refused_and_not_shown(server, tmp_path):
    with pytest.raises(FetchError, match=r"~/\.netrc") as error:
        fetched(server, tmp_path, "https://me:secret@example.org/")
    assert "secret" not in str(error.value)


PROCESS = """
import sys
from pathlib import Path
sys.path[:0] = [{root!r}]
from workflow_scripts.data.data_set import DataSet, Form, SourceFile
from workflow_scripts.data.fetch import Access, fetch
from workflow_scripts.runtime.progress import Silent
form = Form("file.bin", {size}, {sha256!r}, "this test")
data_set = DataSet("made_up", "", "", "", (SourceFile("file", ({url!r},), (form,)),))
print(fetch(data_set, Access(Path({folder!r})), Silent())["file"])
"""


def test_two_processes_at_once_download_once(server, tmp_path):
    server.delay = 1.0
    code = PROCESS.format(
        root=str(ROOT), size=len(CONTENT), sha256=SHA256, url=server.url("official/file.bin"), folder=str(tmp_path)
    )
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=60)[0].strip() for process in both] == [str(tmp_path / "made_up/file.bin")] * 2
    assert len(server.requests) == 1


def test_checkout_is_packed_the_same_each_time_and_without_links(server, tmp_path):
    checkout = tmp_path / "checkout"
    (checkout / "logs" / "deep").mkdir(parents=True)
    (checkout / "logs" / "deep" / "a.txt").write_text("one")
    (checkout / "logs" / "b.txt").write_text("two")
    (checkout / "secret.txt").write_text("not in the folder")
    (checkout / "logs" / "link").symlink_to(checkout / "secret.txt")
    first = fetched(server, tmp_path, checkout, folder="logs")
    with tarfile.open(first) as archive:
        assert archive.getnames() == ["checkout/logs/b.txt", "checkout/logs/deep/a.txt"]
    bytes_before = first.read_bytes()
    first.unlink()
    (checkout / "logs" / "b.txt").touch()
    assert fetched(server, tmp_path, checkout, folder="logs").read_bytes() == bytes_before
    assert fetched(server, tmp_path, folder="logs") == first  # it is there now
    assert server.requests == []


def leave_part(tmp_path, content):
    folder = tmp_path / "kept" / "made_up"
    folder.mkdir(parents=True)
    (folder / ".file.bin.partial").write_bytes(content)


def test_known_size_without_checksum_is_never_resumed(server, tmp_path):
    leave_part(tmp_path, b"x" * 1000)
    assert fetched(server, tmp_path, sha256=None).read_bytes() == CONTENT
    assert server.requests == [("official/file.bin", None)]


def test_file_that_changed_between_break_and_resume_is_fetched_anew(server, tmp_path):
    server.plans["official/file.bin"] = ["other"]
    assert fetched(server, tmp_path).read_bytes() == CONTENT
    assert [asked is None for _, asked in server.requests] == [True, False, True]


def test_part_that_starts_elsewhere_is_not_appended(server, tmp_path):
    leave_part(tmp_path, CONTENT[:1000])
    server.plans["official/file.bin"] = ["from 0"]
    assert fetched(server, tmp_path).read_bytes() == CONTENT
    assert server.requests == [("official/file.bin", "bytes=1000-"), ("official/file.bin", None)]


def test_file_that_the_server_calls_an_encoding_is_kept_as_sent(server, tmp_path):
    packed = server.files["official/file.bin"] = gzip.compress(CONTENT)
    server.encoding = "gzip"
    sha256 = hashlib.sha256(packed).hexdigest()
    assert fetched(server, tmp_path, size=len(packed), sha256=sha256).read_bytes() == packed


def test_too_long_a_file_leaves_nothing(server, tmp_path):
    with pytest.raises(FetchError, match="longer than the 1000 bytes"):
        fetched(server, tmp_path, size=1000)
    assert kept(tmp_path) == []


def test_mirror_that_does_not_work_is_asked_for_one_name_alone(server, tmp_path):
    server.plans["mirror/made_up/file.bin"] = [500] * 20
    assert fetched(server, tmp_path, server.url("mirror")).read_bytes() == CONTENT
    assert len(server.requests) == fetching.TRIES + 1


@pytest.mark.parametrize(
    "mirror",
    [
        *("ftp://me:secret@example.org/", "http://[me:secret@example.org", "s3://secret/a", "//me:secret@example.org"),
        *("https:me:secret@example.org", "http:/me:secret@example.org", "me:secret@example.org/data"),
    ],
)
def test_mirror_that_can_be_none_is_refused_and_not_shown(server, tmp_path, mirror):
    fetched(server, tmp_path)
    with pytest.raises(FetchError) as error:
        fetched(server, tmp_path, mirror)  # although the file is there already
    assert "secret" not in str(error.value)


def test_full_disk_is_one_sentence(server, tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetching._Fetcher, "_write", full)
    with pytest.raises(FetchError, match=r"made_up: file\.bin could not be kept in .*No space left on device"):
        fetched(server, tmp_path)


def test_right_form_counts_beside_a_wrong_one(server, tmp_path):
    folder = tmp_path / "kept" / "made_up"
    folder.mkdir(parents=True)
    (folder / "a").write_bytes(b"wrong")
    (folder / "file.bin").write_bytes(CONTENT)
    forms = (Form("a", 5, "0" * 64, ""), Form("file.bin", SIZE, SHA256, ""))
    data_set = DataSet("made_up", "", "", "", (SourceFile("file", (), forms),))
    assert fetch(data_set, Access(tmp_path / "kept"), Silent())["file"] == folder / "file.bin"


def test_checkout_whose_folder_is_a_link_is_not_packed(server, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret.txt").write_text("secret")
    (tmp_path / "checkout").mkdir()
    (tmp_path / "checkout" / "logs").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FetchError, match="does not hold the file"):
        fetched(server, tmp_path, tmp_path / "checkout", folder="logs", offline=True)
    assert kept(tmp_path) == []


def test_progress_ends_complete(server, tmp_path):
    class Steps(RecordedProgress):
        steps = ()

        def advance(self, done, total, note=""):
            self.steps = (*self.steps, (done, total))

    steps = Steps()
    server.files["official/file.bin"] = content = bytes(2_000_000)
    fetched(server, tmp_path, progress=steps, size=len(content), sha256=hashlib.sha256(content).hexdigest())
    assert steps.steps[-1] == (2, 2)
