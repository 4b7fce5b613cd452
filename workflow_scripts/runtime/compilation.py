"""Functions that numba compiles, kept on disk in files that are whole or made anew.

numba itself trusts what it finds on disk: of a file that lost its end it dies, and of one with other bytes in it it may
run them. Here each compiled function is a file with a digest, in the folder where numba would keep it.
"""

import hashlib
import logging
import pickle
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core.caching import FunctionCache
from numba.core.serialize import dumps

from workflow_scripts.runtime.durable import write_quickly

Function = TypeVar("Function", bound=Callable[..., Any])

FAST = frozenset({"contract", "arcp", "nsz"})
"""What the compiler may do to floating-point arithmetic, of what would be faster.

It may not reorder sums: how it would depends on whether a function is compiled or loaded from disk, and so would every
number. Not-a-number and infinity keep their meaning.
"""
DIGEST_BYTES = 32
_logger = logging.getLogger(__name__)


def compiled(function: Function) -> Function:
    """Compile at the first call for each kind of arguments, and keep the result on disk."""
    dispatcher: Any = numba.njit(function, error_model="numpy", fastmath=set(FAST))
    dispatcher._cache = _Cache(function)
    return dispatcher


def inlined(function: Function) -> Function:
    """Compile as a part of compiled functions that call it, which alone are kept on disk; Python cannot call it."""
    options: Any = {"error_model": "numpy", "fastmath": set(FAST), "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return numba.njit(function, **options)  # type: ignore[return-value]


class _Cache(FunctionCache):
    """numba's own, but for the files."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        stamp = (numba.__version__, self._impl.locator.get_source_stamp(), sorted(FAST))
        self._cache_file: _Files = _Files(Path(self._cache_path), self._impl.filename_base, stamp)  # type: ignore[assignment]


class _Files:
    """A file for each kind of arguments and of processor: what it was compiled from, a digest, and the machine code."""

    def __init__(self, folder: Path, name: str, stamp: object) -> None:
        self.folder, self.name, self.stamp = folder, name, stamp

    def load(self, key: Any) -> Any:
        """What is kept under numba's key; None where that is nothing, damaged, or compiled from another source."""
        path, source = self._at(key)
        try:
            with path.open("rb") as file:
                made_from, digest, data = file.read(DIGEST_BYTES), file.read(DIGEST_BYTES), file.read()
        except OSError:
            return None
        if _digest(data) == digest:
            return pickle.loads(data) if made_from == source else None  # noqa: S301 - as numba, of its own folder
        _logger.warning("%s is damaged; it is removed and compiled again", path)
        with suppress(OSError):
            path.unlink()
        return None

    def save(self, key: Any, compiled: Any) -> None:
        """Keep it. Raises OSError."""
        path, source = self._at(key)
        data = dumps(compiled)
        write_quickly(path, source + _digest(data) + data)

    def _at(self, key: Any) -> tuple[Path, bytes]:
        """The file, and the digest of the source; numba's key holds digests of the function's code and constants."""
        arguments, processor, (code, constants) = key
        kind = _digest(repr((arguments, processor, constants)).encode()).hex()[:16]
        return self.folder / f"{self.name}.{kind}.nbc", _digest(repr((self.stamp, code)).encode())


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
