"""Reading archives whose checksum has been verified, without ever unpacking them to disk."""

import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

GZIP = b"\x1f\x8b"
END_BYTES = 1024  # of zeros, two blocks
DAMAGED = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile)


def members(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Name and content of the wanted regular files of a tar, plain or gzip, in one pass.

    Every member passed is checked, wanted or not. A bad one may come late, so what was read is to be trusted only
    after the last. Raises ValueError for an absolute path, a `..`, a link or a device, and for a damaged archive.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(2) == GZIP
            file.seek(0)
            stream = gzip.GzipFile(fileobj=file) if packed else file
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
