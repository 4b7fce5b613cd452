"""Reading archives whose checksum has been verified, without ever unpacking them to disk."""

import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

DAMAGED = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile)


def members(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Name and content of the wanted regular files of a tar, plain or gzip, in one pass.

    Every member passed is checked, wanted or not. A bad one may come late, so what was read is to be trusted only
    after the last. Raises ValueError for an absolute path, a `..`, a link or a device, and for a damaged archive.
    """
    try:
        with tarfile.open(path, "r|*") as archive:
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
    except DAMAGED as error:
        raise ValueError(f"{path}: this archive is damaged or cut short ({error})") from None


def unpacked(path: Path) -> bytes:
    """The content of a gzip file, or the bytes of any other. Raises ValueError when the gzip file is damaged."""
    content = path.read_bytes()
    if path.suffix != ".gz":
        return content
    try:
        return gzip.decompress(content)
    except DAMAGED as error:
        raise ValueError(f"{path}: this gzip file is damaged or cut short ({error})") from None
