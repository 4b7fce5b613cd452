"""Reading archives, member by member, without ever unpacking them to disk."""

import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

GZIP = b"\x1f\x8b"
XZ = b"\xfd7zXZ\x00"
END_BYTES = 1024  # of zeros, two blocks
MOST_BYTES = 1 << 30
"""That an archive may unpack to; the largest, of CIFAR, has 184 megabytes. Not every archive has a known checksum."""
DAMAGED = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError)


class _Bounded(io.BufferedIOBase):
    """A stream that no more than `MOST_BYTES` are read from."""

    def __init__(self, path: Path, file: io.BufferedIOBase | BinaryIO) -> None:
        self.path, self.file, self.left = path, file, MOST_BYTES

    def read(self, count: int | None = -1) -> bytes:
        """Up to `count` bytes. Raises ValueError where they are more than the stream may have."""
        content = self.file.read(-1 if count is None else count)
        self.left -= len(content)
        if self.left < 0:
            raise ValueError(f"{self.path}: it unpacks to more than {MOST_BYTES} bytes, more than any archive here")
        return content


def members(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Name and content of the wanted regular files of a tar, plain, gzip or xz, in one pass.

    Every member passed is checked, wanted or not. A bad one may come late, so what was read is to be trusted only
    after the last. Raises ValueError for an absolute path, a `..`, a link or a device, for a damaged archive, and for
    one that unpacks to more than `MOST_BYTES`.
    """
    try:
        with path.open("rb") as file:
            begin = file.read(len(XZ))
            file.seek(0)
            packed = begin.startswith(GZIP) or begin == XZ
            stream = _Bounded(path, _unpacking(file, begin) if packed else file)
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for member in archive:
                    name = PurePosixPath(member.name)
                    if name.is_absolute() or ".." in name.parts:
                        raise ValueError(f"{path}: the member {member.name} would leave the archive's own folder")
                    if not (member.isfile() or member.isdir()):
                        raise ValueError(f"{path}: the member {member.name} is a link or a device, no file")
                    if member.isfile() and wanted(member.name):
                        content = archive.extractfile(member)
                        assert content is not None
                        yield member.name, content.read()
            # tarfile takes a header cut short for the end of the archive, so the end is looked at here
            if packed:
                while stream.read(1 << 20):
                    pass
            elif not _has_end(path):
                raise EOFError("its end is missing")
    except DAMAGED as error:
        raise ValueError(f"{path}: this archive is damaged or cut short ({error})") from None


def _unpacking(file: BinaryIO, begin: bytes) -> BinaryIO | gzip.GzipFile | lzma.LZMAFile:
    return lzma.LZMAFile(file) if begin == XZ else gzip.GzipFile(fileobj=file)


def _has_end(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - END_BYTES))
        return file.read() == bytes(END_BYTES)


def unpacked(path: Path) -> bytes:
    """The content of a gzip file, or the bytes of any other. Raises ValueError when the gzip file is damaged."""
    content = path.read_bytes()
    if path.suffix != ".gz":
        return content
    try:
        return gzip.decompress(content)
    except DAMAGED as error:
        raise ValueError(f"{path}: this gzip file is damaged or cut short ({error})") from None
