"""Run one step as a job: the one wrapper that every rule calls.

    python -m workflow_scripts.run --root FOLDER --log FOLDER/logs/NAME.log --job IDENTITY
        --input KEY PATH ... --output KEY PATH ... [--access JSON]

It holds the job's lock, runs the step in a scratch folder, moves the outputs into place when all are complete, and
writes the job's record, FOLDER/records/NAME.json. Every attempt, also one that was killed, leaves its trace in
FOLDER/attempts/NAME.jsonl. A job computes with one thread, so that no number depends on the machine's load.
"""

import argparse
import importlib
import json
import os
import shutil
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from workflow_scripts.provenance.code_digest import combined
from workflow_scripts.provenance.identity import Identity, parse_identity, step_code
from workflow_scripts.provenance.links import keep_earlier, link_inputs, note_outputs
from workflow_scripts.provenance.record import (
    VERSION,
    canonical_bytes,
    file_facts,
    git_state,
    machine,
    now,
    sealed,
    software,
    write_atomically,
)
from workflow_scripts.runtime.progress import Console

Paths = dict[str, list[Path]]
THREADS = 1


class JobError(Exception):
    """A job that cannot be done; its text is one sentence for the person who started it."""


def main(arguments: list[str] | None = None) -> int:
    """Run the job the command line describes; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        identity = parse_identity(options.job)
    except ValueError as error:
        parser.error(f"--job: {error}")
    if not options.log.is_relative_to(options.root / "logs"):
        parser.error(f"--log: {options.log} is not in {options.root / 'logs'}, below which its path names the job")
    name = options.log.relative_to(options.root / "logs").as_posix().removesuffix(".log")
    options.log.parent.mkdir(parents=True, exist_ok=True)
    inputs, outputs = _named(options.input), _named(options.output)
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(THREADS)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS sums in an order of its own
    with options.log.open("a") as log:
        progress = Console(name, log)
        print(f"{now()} {identity.step} {options.job}", file=log, flush=True)
        try:
            _run(identity, inputs, outputs, options.access, options.root, name, progress)
        except Exception as error:
            traceback.print_exc(file=log)
            told = str(error) if isinstance(error, JobError | ValueError | OSError) else repr(error)
            reason = " ".join(told.split())
            print(f"{name} failed: {reason} (log: {options.log})", file=sys.stderr, flush=True)
            return 1
    return 0


def _run(
    identity: Identity,
    inputs: Paths,
    outputs: Paths,
    access: dict[str, Any] | None,
    root: Path,
    name: str,
    progress: Console,
) -> None:
    from filelock import FileLock, Timeout

    code = step_code(identity.step, identity.modules)
    if combined(code) != identity.code:
        waiver = root / "waivers" / f"{name}.json"
        if waiver.exists():
            raise JobError(f"its result is kept by a waiver, but an input changed; delete {waiver} to make it anew")
        raise JobError("the code of this step changed after the workflow was started; start the workflow again")
    missing = [path for paths in inputs.values() for path in paths if not path.exists()]
    if missing:
        raise JobError(f"the input {missing[0]} does not exist")

    locks = root / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    lock = FileLock(locks / f"{name.replace('/', '.')}.lock")
    try:
        held = lock.acquire(blocking=False)
    except Timeout:
        progress.say("another process makes the same outputs; waiting for it to end")
        held = lock.acquire()
    with held:
        attempts = root / "attempts" / f"{name}.jsonl"
        attempt = _begin(attempts, machine())
        scratch = root / ".scratch" / name
        shutil.rmtree(scratch, ignore_errors=True)
        started, clock = now(), time.monotonic()
        try:
            inputs_before = link_inputs(file_facts(inputs), inputs, root)
            made = _scratch_paths(outputs, scratch)
            step = importlib.import_module(f"workflow_scripts.steps.{identity.step}")
            device = _prepare_torch()
            settings = identity.settings if access is None else {**identity.settings, "access": access}
            sources = step.run(settings, inputs, made, progress)
            unmade = [path.name for paths in made.values() for path in paths if not path.exists()]
            if unmade:
                raise JobError(f"the step did not write {unmade[0]}")
            file = root / "records" / f"{name}.json"
            keep_earlier(file, root)
            _move(made, outputs)
            record = {
                "version": VERSION,
                "root": root.as_posix(),
                "job": name,
                "step": identity.step,
                "settings": identity.settings,
                "code": identity.code,
                "modules": code,
                "chosen_modules": list(identity.modules),
                "arguments": {"inputs": _plain(inputs), "outputs": _plain(outputs)},
                "inputs": inputs_before + [{**source, "record": None} for source in file_facts(sources or {})],
                "outputs": file_facts(outputs),
                "software": software(),
                "machine": machine(),
                "device": device,
                "threads": THREADS,
                "seed": identity.settings.get("seed"),
                "git": git_state(),
                "attempt": attempt,
                "started": started,
                "ended": now(),
                "seconds": round(time.monotonic() - clock, 3),
            }
            write_atomically(file, canonical_bytes(sealed(record)))
            note_outputs(outputs, root, name)
        except BaseException as error:
            _append(attempts, {"attempt": attempt, "ended": now(), "failed": type(error).__name__})
            raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        _append(attempts, {"attempt": attempt, "ended": now(), "failed": None})


def _prepare_torch() -> dict[str, Any] | None:
    """Make torch repeatable and state the device and what makes it so, where the step has loaded torch at all."""
    if "torch" not in sys.modules:
        return None
    import torch

    asked = "workflow_scripts.runtime.device" in sys.modules  # a step that can use a GPU has its device from there
    from workflow_scripts.runtime.device import compute_device, device_facts, make_deterministic

    make_deterministic(THREADS)
    flags = {
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
    }
    return {**device_facts(compute_device() if asked else torch.device("cpu")), **flags}


def _begin(attempts: Path, where: dict[str, Any]) -> int:
    """Note that an attempt starts, so that a killed job leaves its trace; returns its number, from 1."""
    earlier = attempts.read_text().count('"started"') if attempts.exists() else 0
    _append(attempts, {"attempt": earlier + 1, "started": now(), "host": where["host"], "job": where["scheduler_job"]})
    return earlier + 1


def _append(path: Path, entry: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(entry, sort_keys=True) + "\n")


def _scratch_paths(outputs: Paths, scratch: Path) -> Paths:
    """A path in the scratch folder for every output, with the same file name, each in a folder of its own."""
    made: Paths = {}
    for name, paths in outputs.items():
        made[name] = [scratch / name / str(number) / path.name for number, path in enumerate(paths)]
        for path in made[name]:
            path.parent.mkdir(parents=True, exist_ok=True)
    return made


def _move(made: Paths, outputs: Paths) -> None:
    """Put finished outputs into place, each by one rename."""
    for name, paths in outputs.items():
        for source, target in zip(made[name], paths, strict=True):
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_dir():
                shutil.rmtree(target)
            os.replace(source, target)


def _plain(paths: Paths) -> dict[str, list[str]]:
    return {key: [path.as_posix() for path in group] for key, group in paths.items()}


def _named(groups: list[list[str]]) -> Paths:
    named: Paths = {}
    for name, *paths in groups:
        named.setdefault(name, []).extend(Path(path) for path in paths)
    return named


def _parser() -> argparse.ArgumentParser:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        prog="python -m workflow_scripts.run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--job", required=True, metavar="IDENTITY", help="step, settings and code digest, as JSON")
    parser.add_argument("--input", nargs="+", action="append", default=[], metavar=("KEY", "PATH"))
    parser.add_argument("--output", nargs="+", action="append", default=[], metavar=("KEY", "PATH"))
    parser.add_argument(
        "--access",
        type=json.loads,
        metavar="JSON",
        help="where data files may come from; handed to the step, no part of the identity because it decides no byte",
    )
    parser.add_argument(
        "--log", type=Path, required=True, metavar="FILE", help="what the step says; its place names the job"
    )
    parser.add_argument("--root", type=Path, required=True, help="the results folder the job belongs to")
    return parser


if __name__ == "__main__":
    sys.exit(main())
