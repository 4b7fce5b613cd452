"""Files that are whole or not there, also after a loss of power.

A file is written under a temporary name, brought to the disk (fsync), and renamed; then its folder is brought to the
disk, too. Without the first fsync a file can be there, after a loss of power, with blocks of zeros in it.
"""

import errno
import os
from pathlib import Path

from workflow_scripts.runtime.untrusted_files import found_below

UNABLE = {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF}
"""What file systems answer that cannot bring a folder to the disk."""


def write_durably(path: Path, content: bytes) -> None:
    """Write a file that a loss of power leaves as it was before or whole. Raises OSError."""
    _write(path, content, durable=True)
    sync_folder(path.parent)


def write_quickly(path: Path, content: bytes) -> None:
    """Write a file that a killed process leaves as it was before or whole; for what is made anew where it is damaged.

    Raises OSError.
    """
    _write(path, content, durable=False)


def move_durably(source: Path, target: Path) -> None:
    """Rename a file, or a folder with all that is in it, once its content is on the disk. Raises OSError."""
    folders = {source} if source.is_dir() else set()
    for found in found_below(source):
        if found.fault is None:
            with found.path.open("rb") as file:
                os.fsync(file.fileno())
        folders.update(each for each in found.path.parents if each.is_relative_to(source))
    for folder in folders:
        sync_folder(folder)
    os.replace(source, target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk, where its file system can."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in UNABLE:
            raise
    finally:
        os.close(number)


def _write(path: Path, content: bytes, durable: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)  # of a killed process of the same number; or a link, which is not to be followed
    try:
        with temporary.open("xb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
