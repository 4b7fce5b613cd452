"""A GPU for each job on one machine: devices are lent by kernel locks, which any death frees.

Snakemake's `resources: gpu` only counts; it hands out no device. Here a job that was given one takes a lock before it
touches CUDA, and sees that device alone; a job that was given none sees none. All processes of a user on the machine
share the locks, so two runs of Snakemake do not clash.

Under a scheduler, which has already chosen, nothing is lent. Elsewhere the devices are those of `NAS_DEVICES`, else of
`CUDA_VISIBLE_DEVICES` (numbers or names as CUDA takes them, with commas between), else all that there are.
`NAS_JOBS_PER_DEVICE` jobs share a device, where its memory allows; one, where it is not set.
"""

import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

from filelock import FileLock

from workflow_scripts.runtime.locks import try_lock
from workflow_scripts.runtime.scheduler_dialects import scheduler_name

POLL_SECONDS = 0.2
DEVICE = re.compile(r"0|[1-9]\d*|(GPU|MIG)-\S+")
"""A device's number, or its name as `nvidia-smi -L` lists it."""
VISIBLE = "CUDA_VISIBLE_DEVICES"
LEASES = Path(tempfile.gettempdir()) / f"gpu-leases-{os.getuid()}"
"""The locks on this machine's devices, for all that its user runs."""


@contextmanager
def device_lease(say: Callable[[str], None], given: int, folder: Path | None = None) -> Iterator[str | None]:
    """Lend a device for as long as the context lasts, and make it the only one this process sees.

    `given` is the number of devices that the job may use: with none, the process sees none. Yields the device, or None
    where the scheduler has chosen or there is none. Waits while all are taken. Raises ValueError for settings that are
    none, and JobError where the locks' file system has none. `folder` holds the locks; one per user of the machine
    where it is not given.
    """
    if given == 0:
        with _visible(""):
            yield None
        return
    devices = devices_to_lend(os.environ)
    if not devices:
        yield None
        return
    share = _jobs_per_device(os.environ)
    folder = folder or LEASES
    folder.mkdir(parents=True, exist_ok=True)
    # Slot by slot, so that jobs are spread over all devices before two share one.
    slots = [(device, folder / f"{_file_name(device)}.{slot}.lock") for slot in range(share) for device in devices]
    lock, device = _take(slots, say)
    try:
        with _visible(device):
            yield device
    finally:
        lock.release()


@contextmanager
def _visible(devices: str) -> Iterator[None]:
    """Make these devices the only ones that this process sees, if it has not touched CUDA yet."""
    before = os.environ.get(VISIBLE)
    os.environ[VISIBLE] = devices
    try:
        yield
    finally:
        if before is None:
            del os.environ[VISIBLE]
        else:
            os.environ[VISIBLE] = before


def named_devices(text: str) -> list[str]:
    """The devices of a list as CUDA reads it: what follows a negative number, or a name that is none, is not seen.

    `-1` and `NoDevFiles`, which a scheduler writes for a job without a device, so name none.
    """
    names = [name.strip() for name in text.split(",")]
    return list(takewhile(lambda name: not re.fullmatch(r"-\d+|NoDevFiles|", name), names))


def devices_to_lend(environment: Mapping[str, str], dev: Path = Path("/dev")) -> list[str]:
    """The devices jobs are given from; none under a scheduler, whose choice is kept. Raises ValueError."""
    if scheduler_name(environment) is not None:
        return []
    for variable in ("NAS_DEVICES", VISIBLE):
        if variable in environment:
            return _unambiguous(named_devices(environment[variable]), f"{variable}={environment[variable]}")
    return sorted(
        (match[1] for path in dev.glob("nvidia*") if (match := re.fullmatch(r"nvidia(\d+)", path.name))), key=int
    )


def _unambiguous(devices: list[str], given: str) -> list[str]:
    """The devices, where each is named once, in one way. CUDA sees no device in a list with one twice, and by a number
    and a name two jobs could be lent the same one. Raises ValueError."""
    for device in devices:
        if not DEVICE.fullmatch(device):
            raise ValueError(
                f"{given}: {device} is no device; give numbers such as 0,1 or names such as GPU-...,MIG-..."
            )
        if devices.count(device) > 1:
            raise ValueError(f"{given} names {device} twice; name it once, NAS_JOBS_PER_DEVICE lets jobs share it")
    if len({device.isdecimal() for device in devices}) > 1:
        raise ValueError(f"{given} has numbers and names, which could be of one device; give numbers or names alone")
    return devices


def _take(slots: list[tuple[str, Path]], say: Callable[[str], None]) -> tuple[FileLock, str]:
    waiting = False
    while True:
        for device, file in slots:
            lock = try_lock(file)
            if lock is not None:
                return lock, device
        if not waiting:
            waiting = True
            say("all devices are taken; waiting for one")
        time.sleep(POLL_SECONDS)


def _jobs_per_device(environment: Mapping[str, str]) -> int:
    text = environment.get("NAS_JOBS_PER_DEVICE", "1")
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"NAS_JOBS_PER_DEVICE is {text!r}; it must be a whole number from 1")
    return int(text)


def _file_name(device: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "_", device)
