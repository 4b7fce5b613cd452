"""Functions that numba compiles, kept on disk in files that are whole or made anew.

numba itself trusts what it finds on disk: of a file that lost its end it dies, and of one with other bytes in it it may
run them. Here each compiled function is a file with a digest, in the folder where numba would keep it. numba also sees
no change outside the function's own file. Here a function is compiled again where any module of ours that its module
imports has changed, because functions, constants and intrinsics of theirs are part of it.
"""

import gc
import hashlib
import logging
import pickle
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core import config
from numba.core.caching import FunctionCache
from numba.core.compiler_lock import global_compiler_lock
from numba.core.serialize import dumps

from workflow_scripts.runtime.durable import write_quickly
from workflow_scripts.runtime.locks import lock_if_possible
from workflow_scripts.runtime.module_code import file_digests

Function = TypeVar("Function", bound=Callable[..., Any])

FAST = frozenset({"contract", "arcp", "nsz"})
"""What the compiler may do to floating-point arithmetic, of what would be faster.

It may not reorder sums: how it would depends on whether a function is compiled or loaded from disk, and so would every
number. Not-a-number and infinity keep their meaning.
"""
DIGEST_BYTES = 32
WAIT_SECONDS = 300.0
"""for another process that compiles the same; it takes seconds, so this one hangs, and is waited for no longer"""
_logger = logging.getLogger(__name__)


def compiled(function: Function, makes_arrays: bool = True) -> Function:
    """Compile at the first call for each kind of arguments, and keep the result on disk if that can be written.

    A function that makes no arrays need not count the references to them, and compiles faster.
    """
    options: Any = {"_nrt": makes_arrays}
    dispatcher: Any = numba.njit(function, error_model="numpy", fastmath=set(FAST), **options)
    try:
        cache = _Cache(function)
    except RuntimeError:  # of numba: it knows no folder that can be written
        _logger.warning(
            "%s is compiled in every process; set NUMBA_CACHE_DIR to a folder to keep it", function.__qualname__
        )
        return dispatcher
    compile_or_load = dispatcher.compile

    @global_compiler_lock  # before the lock of the file, in every thread
    def compile_once(signature: Any) -> Any:
        with cache.sole_compiler(signature, dispatcher.targetctx), _without_garbage_collection():
            return compile_or_load(signature)

    dispatcher._cache, dispatcher.compile = cache, compile_once
    return dispatcher


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Pause Python's garbage collector, and let it pass over what there is so far, which is mostly modules.

    It would look again and again through all that numba keeps while it compiles, and takes a tenth of that time.
    """
    was_on = gc.isenabled()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def inlined(function: Function) -> Function:
    """Compile as a part of compiled functions that call it, which alone are kept on disk; Python cannot call it.

    It makes no arrays.
    """
    options: Any = {"_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return numba.njit(function, error_model="numpy", fastmath=set(FAST), **options)  # type: ignore[return-value]


class _Cache(FunctionCache):
    """numba's own, but for the files, and that of several processes one compiles for all."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        stamp = (numba.__version__, file_digests(Path(function.__code__.co_filename), function.__module__))
        self._cache_file: _Files = _Files(Path(self._cache_path), self._impl.filename_base, stamp)  # type: ignore[assignment]

    def sole_compiler(self, signature: Any, target: Any) -> AbstractContextManager[bool | None]:
        """A lock that a process holds which must compile for this kind of arguments; none where that is on disk."""
        target.refresh()
        key = self._index_key(signature, target.codegen())
        if self._cache_file.is_kept(key):
            return nullcontext()
        _say_that_it_takes_time()
        return lock_if_possible(self._cache_file.lock(key), WAIT_SECONDS)


@cache  # once in a process
def _say_that_it_takes_time() -> None:
    _logger.info("loops are compiled first, for this processor and kind of network; later jobs find them on disk")


class _Files:
    """A file for each kind of arguments and of processor: what it was compiled from, a digest, and the machine code.

    What checks the bounds of arrays, for tests, is in files of its own.
    """

    def __init__(self, folder: Path, name: str, stamp: object) -> None:
        self.folder, self.name, self.stamp = folder, name, stamp

    def is_kept(self, key: Any) -> bool:
        """Whether there is a file under numba's key that was compiled from this source."""
        path, source = self._at(key)
        try:
            with path.open("rb") as file:
                return file.read(DIGEST_BYTES) == source
        except OSError:
            return False

    def lock(self, key: Any) -> Path:
        """The file to lock while this one is made."""
        return self._at(key)[0].with_suffix(".lock")

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
        checks = config.BOUNDSCHECK  # type: ignore[attr-defined]
        kind = _digest(repr((arguments, processor, constants, checks)).encode()).hex()[:16]
        return self.folder / f"{self.name}.{kind}.nbc", _digest(repr((self.stamp, code)).encode())


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
