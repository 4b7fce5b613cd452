"""Source files of data sets: fetched once, verified, kept in one folder, usable offline.

Sources in order: the folder itself, the files that come with the project, the mirrors, the official addresses. A
file counts only when its size and sha256 are those of a known form (`data/data_set.py`). Two processes never fetch the
same file at once.
"""

import os
import shutil
import tarfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

import requests
import urllib3

from workflow_scripts.data.data_set import DataSet, Form, SourceFile
from workflow_scripts.data.mirrors import mirror_problem
from workflow_scripts.runtime.durable import move_durably
from workflow_scripts.runtime.locks import try_lock
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.tables.files import sha256_of

TRIES = 5
POLL_SECONDS = 0.2  # between two looks at a lock that another process holds
BACK_OFF_SECONDS = 1.0  # before the second try; doubled before each further one
TIMEOUT_SECONDS = (10, 60)  # to connect, and between two pieces of an answer
PIECE = 1 << 16  # bytes; as much may be lost when a connection breaks
MEGABYTE = 1e6
BUNDLED = Path(__file__).parent / "bundled"
"""A folder for each data set whose files come with the project."""
CHECKOUT = Form("checkout.tar", None, None, "packed from a local checkout")


@dataclass(frozen=True)
class Access:
    """Where files may come from, and the folder they are kept in. It decides no byte of a result."""

    folder: Path = Path("data/sources")
    mirrors: tuple[str, ...] = ()
    offline: bool = False
    own: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    """by name, where pictures of one's own lie and how they are read: the fields of `own.source.Source`"""


class FetchError(ValueError):
    """A file that cannot be had; the message is one sentence: what was tried and where to put the file."""


class _Rejected(Exception):
    """One source does not give the file; the message is the reason."""


class _ConnectionLost(Exception):
    """A connection that broke or a server that was busy; another try may help."""


def fetch(data_set: DataSet, access: Access, progress: Progress) -> dict[str, Path]:
    """Every source file of a data set, by key, verified. Raises FetchError for the first that cannot be had."""
    for mirror in access.mirrors:
        problem = mirror_problem(mirror)
        if problem is not None:
            raise FetchError(problem)
    return {file.key: _Fetcher(data_set, file, access, progress).path() for file in data_set.files}


class _Fetcher:
    """The search for one source file."""

    def __init__(self, data_set: DataSet, file: SourceFile, access: Access, progress: Progress) -> None:
        self.data_set, self.file, self.access, self.progress = data_set, file, access, progress
        self.folder = access.folder / data_set.name
        self.refusals: list[str] = []

    def path(self) -> Path:
        """Where the verified file is."""
        try:
            return self._path()
        except OSError as error:  # a full disk, a folder that cannot be written
            name = self.file.forms[0].name
            raise FetchError(f"{self.data_set.name}: {name} could not be kept in {self.folder} ({error})") from None

    def _path(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        # One lock for all files of a data set: two of them may be read from one archive.
        lock_file, said_so = self.folder / ".lock", False
        while (lock := try_lock(lock_file)) is None:
            if not said_so:
                said_so = True
                self.progress.say(f"another process fetches {self.file.forms[0].name}; waiting for it")
            time.sleep(POLL_SECONDS)
        try:
            return self._kept() or self._fetched()
        finally:
            lock.release()

    def _kept(self) -> Path | None:
        """The file if it is there already. Raises FetchError when something else has its name."""
        there = [form for form in self._forms() if (self.folder / form.name).is_file()]
        for form in there:
            if _is(self.folder / form.name, form):
                return self.folder / form.name
        if there:
            path = self.folder / there[0].name
            known = [form for form in there if form.name == there[0].name]
            raise FetchError(
                f"{path} is not the file of that name: its sha256 is {sha256_of(path)} instead of {_sums(known)}; "
                "remove it to have it fetched again"
            )
        return None

    def _forms(self) -> tuple[Form, ...]:
        return (*self.file.forms, CHECKOUT) if self.file.folder else self.file.forms

    def _fetched(self) -> Path:
        bundled = (str(BUNDLED),) if (BUNDLED / self.data_set.name).is_dir() else ()
        for mirror in (*bundled, *self.access.mirrors):
            if _folder_of(mirror):
                found = self._from_folder(mirror)
            else:
                found = self._from_addresses(mirror, self._places(mirror))
            if found:
                return found
        form = self.file.forms[0]
        for address in self.file.addresses:
            found = self._from_addresses(address, [(address, [form])])
            if found:
                return found
        raise FetchError(self._failure(form))

    def _from_folder(self, mirror: str) -> Path | None:
        folder = _folder_of(mirror)
        assert folder is not None
        if not folder.is_dir():
            self.refusals.append(f"{mirror}: there is no such folder")
            return None
        for form, path in self._candidates(folder):
            if not path.is_file():
                continue
            if _is(path, form):
                self.progress.say(f"{form.name} from {path}")
                target = self.folder / form.name
                partial = self._partial(form)
                shutil.copyfile(path, partial)
                return self._keep(partial, target, form)
            self.refusals.append(f"{path}: sha256 {sha256_of(path)} instead of {form.sha256}")
        if self.file.folder:
            checkout = folder / self.file.folder
            if checkout.is_dir() and not checkout.is_symlink():
                return self._packed(folder)
        self.refusals.append(f"{mirror}: it does not hold the file")
        return None

    def _candidates(self, folder: Path) -> Iterator[tuple[Form, Path]]:
        for form in self.file.forms:
            yield form, folder / self.data_set.name / form.name
            yield form, folder / form.name

    def _packed(self, checkout: Path) -> Path:
        """A checkout's folder as a tar whose bytes depend on the files alone; links are left out."""
        assert self.file.folder is not None
        partial = self._partial(CHECKOUT)
        files = sorted(_files(checkout / self.file.folder))
        with tarfile.open(partial, "w", format=tarfile.PAX_FORMAT) as archive:
            for path in files:
                entry = tarfile.TarInfo(f"checkout/{path.relative_to(checkout).as_posix()}")
                entry.size = path.stat().st_size
                with path.open("rb") as content:
                    archive.addfile(entry, content)
        self.progress.say(f"{len(files)} files packed from the checkout {checkout}")
        return self._keep(partial, self.folder / CHECKOUT.name, CHECKOUT)

    def _places(self, mirror: str) -> Iterator[tuple[str, list[Form]]]:
        """The addresses at which a mirror may hold the file, and the forms that have that name."""
        for name in dict.fromkeys(form.name for form in self.file.forms):
            forms = [form for form in self.file.forms if form.name == name]
            for place in (f"{self.data_set.name}/{name}", name):
                yield f"{mirror.rstrip('/')}/{place}", forms

    # downloads -----------------------------------------------------------------------------------------------------

    def _from_addresses(self, source: str, places: Iterable[tuple[str, list[Form]]]) -> Path | None:
        """The file from one server, or None with the reason noted. One that does not work is asked no further."""
        if self.access.offline:
            self.refusals.append(f"{source}: data.offline forbids the network")
            return None
        for address, forms in places:
            try:
                return self._downloaded(address, forms)
            except _Rejected as error:
                self.refusals.append(f"{address}: {error}")
            except _ConnectionLost as error:
                self.refusals.append(f"{address}: {error}, {TRIES} times")
                return None
        return None

    def _downloaded(self, address: str, forms: list[Form]) -> Path:
        partial = self._partial(forms[0])
        self.progress.say(f"{forms[0].name} from {address}")
        resumed = self._transfer(address, partial, forms)
        found = next((form for form in forms if _is(partial, form)), None)
        if found is None and resumed:  # the part from before may have been of another file
            partial.unlink()
            self._transfer(address, partial, forms)
            found = next((form for form in forms if _is(partial, form)), None)
        if found is None:
            limit, size = _limit(forms), partial.stat().st_size
            wrong = f"wrong checksum: sha256 {sha256_of(partial)} instead of {_sums(forms)}"
            partial.unlink()
            raise _Rejected(f"it is longer than the {limit} bytes it should have" if limit and size > limit else wrong)
        return self._keep(partial, self.folder / found.name, found)

    def _transfer(self, address: str, partial: Path, forms: list[Form]) -> bool:
        """Bring the bytes to `partial`, in several tries if need be; whether it went on from bytes that were there."""
        whole = any(form.sha256 is None for form in forms)  # without a checksum two halves could be of two files
        resumed = False
        for attempt in range(1, TRIES + 1):
            if whole:
                partial.unlink(missing_ok=True)
            resumed = resumed or partial.exists()
            try:
                self._receive(address, partial, _limit(forms))
                return resumed
            except (_ConnectionLost, requests.ConnectionError, requests.Timeout) as error:
                reason = str(error) if isinstance(error, _ConnectionLost) else f"no connection ({type(error).__name__})"
            except requests.RequestException as error:
                raise _Rejected(type(error).__name__) from None
            if attempt < TRIES:
                wait = BACK_OFF_SECONDS * 2 ** (attempt - 1)
                self.progress.say(f"{reason}; trying again in {wait:g} s")
                time.sleep(wait)
        raise _ConnectionLost(reason)

    def _receive(self, address: str, partial: Path, limit: int | None) -> None:
        """One request for what is still missing."""
        have = partial.stat().st_size if partial.exists() else 0
        if limit is not None and have >= limit:
            return  # complete already, or wrong: the checksum decides
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with requests.get(address, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as answer:
            if answer.status_code == 429 or answer.status_code >= 500:
                raise _ConnectionLost(f"the server answered {answer.status_code}")
            if answer.status_code == 416:
                partial.unlink(missing_ok=True)
                raise _ConnectionLost("the server has no such part")
            if answer.status_code not in (200, 206):
                raise _Rejected(f"the server answered {answer.status_code}")
            going_on = answer.status_code == 206
            if going_on and not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                partial.unlink(missing_ok=True)
                raise _ConnectionLost("the server sent another part than the one asked for")
            have = have if going_on else 0
            length = answer.headers.get("Content-Length")
            total = have + int(length) if length and length.isdecimal() else limit
            with partial.open("ab" if going_on else "wb") as file:
                have = self._write(answer, file, have, total, limit)
        megabytes = round(have / MEGABYTE)
        if total is None or have >= total:
            self.progress.advance(megabytes, megabytes, f"MB of {partial.name[1:].removesuffix('.partial')}")
        if total is not None and have < total and not (limit and have > limit):
            raise _ConnectionLost(f"the connection ended after {have} of {total} bytes")

    def _write(self, answer: requests.Response, file: BinaryIO, have: int, total: int | None, limit: int | None) -> int:
        """The bytes as sent: some servers label a .gz file as an encoding, which must not be undone."""
        shown = time.monotonic()
        try:
            for piece in answer.raw.stream(PIECE, decode_content=False):
                file.write(piece)
                have += len(piece)
                if limit is not None and have > limit:
                    break
                if total and time.monotonic() - shown > 1:
                    shown = time.monotonic()
                    self.progress.advance(round(have / MEGABYTE), round(total / MEGABYTE) + 1, "MB")
        except urllib3.exceptions.HTTPError:
            raise _ConnectionLost(f"the connection broke after {have} bytes") from None
        return have

    # ---------------------------------------------------------------------------------------------------------------

    def _partial(self, form: Form) -> Path:
        return self.folder / f".{form.name}.partial"

    def _keep(self, partial: Path, target: Path, form: Form) -> Path:
        """Move a verified file to its name."""
        if form.sha256 is None:
            self.progress.say(f"no checksum of {form.name} has been published; recorded is sha256 {sha256_of(partial)}")
        move_durably(partial, target)
        return target

    def _failure(self, form: Form) -> str:
        facts = [f"{form.bytes} bytes" if form.bytes else "", f"sha256 {form.sha256}" if form.sha256 else ""]
        known = f" ({', '.join(fact for fact in facts if fact)})" if any(facts) else ""
        tried = "; ".join(self.refusals) or "it has no official address and no mirror is named"
        return (
            f"{self.data_set.name}: {form.name} could not be fetched ({tried}); put it at "
            f"{self.folder / form.name}{known}, or name a folder or mirror that holds it under data.mirrors"
        )


def _is(path: Path, form: Form) -> bool:
    """Whether a file is of a form, as far as that is known."""
    if form.bytes is not None and path.stat().st_size != form.bytes:
        return False
    return form.sha256 is None or sha256_of(path) == form.sha256


def _limit(forms: list[Form]) -> int | None:
    """The most bytes that a file of these forms can have, if that is known."""
    sizes = [form.bytes for form in forms if form.bytes is not None]
    return max(sizes) if len(sizes) == len(forms) else None


def _sums(forms: list[Form]) -> str:
    return " or ".join(str(form.sha256) for form in forms)


def _files(folder: Path) -> Iterator[Path]:
    """The regular files below a folder; links are neither followed nor named."""
    for path, _, names in os.walk(folder):
        yield from (file for name in names if not (file := Path(path) / name).is_symlink() and file.is_file())


def _folder_of(mirror: str) -> Path | None:
    """The folder that a mirror names, or None when it is on the network."""
    parts = urlsplit(mirror)
    if parts.scheme in ("http", "https"):
        return None
    return Path(unquote(parts.path)) if parts.scheme == "file" else Path(mirror).expanduser()
