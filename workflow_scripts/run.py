"""Run one step as a job: the one wrapper that every rule calls.

    python -m workflow_scripts.run --root FOLDER --log FOLDER/logs/NAME.log --job IDENTITY
        --input KEY PATH ... --output KEY PATH ... [--access JSON] [--gpu N] [--anew] [--within FOLDER]

It holds the job's lock, runs the step in a scratch folder, moves the outputs into place when all are complete, and
writes the job's record, FOLDER/records/NAME.json. Outputs of a finished job that are missing are put back from
FOLDER/.kept instead, unless --anew is given. Every attempt, also one that was killed, leaves its trace in
FOLDER/attempts/NAME.jsonl. A job computes with one thread, so that no number depends on the machine's load, and on the
processor unless it was given a GPU.
"""

import gc

from workflow_scripts.runtime.signals import TRY_AGAIN, end, end_on_signals, ignore_signals, raise_on_signals

if __name__ == "__main__":
    end_on_signals()  # before the other modules load, which takes longer than anything else that a short job does
    gc.disable()  # until they are loaded: they stay, and to look for garbage among them takes a fifth of that time

import argparse
import hashlib
import importlib
import json
import os
import shutil
import sys
import time
import traceback
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from workflow_scripts.provenance.attempts import append, begin
from workflow_scripts.provenance.environment import git_state, machine, software
from workflow_scripts.provenance.identity import Identity, combined, parse_identity, step_code, text_of
from workflow_scripts.provenance.kept_outputs import (
    keep,
    put_back,
    put_back_sentence,
    remove_outdated,
    require_same_training,
    same_job,
)
from workflow_scripts.provenance.links import keep_earlier, link_inputs, note_outputs
from workflow_scripts.provenance.record import Mismatch, file_facts, new_record, now
from workflow_scripts.runtime.command_line import documented_parser, print_lines
from workflow_scripts.runtime.confined import confine, require_inside
from workflow_scripts.runtime.device_lease import VISIBLE, device_lease, named_devices
from workflow_scripts.runtime.durable import move_durably, write_durably
from workflow_scripts.runtime.failures import JobError, Stopped, foreseen, sentence
from workflow_scripts.runtime.folders import (
    ATTEMPTS,
    CHECKPOINTS,
    INPUT_RECORDS,
    KEPT,
    LOGS,
    PRODUCERS,
    RECORDS,
    SCRATCH,
    WAIVERS,
)
from workflow_scripts.runtime.job_lock import job_lock, lock_file
from workflow_scripts.runtime.progress import Console, warnings_shown
from workflow_scripts.runtime.writable_paths import check_places
from workflow_scripts.study.module_literals import keeps_checkpoint, uses_gpu
from workflow_scripts.tables.files import sha256_of

if TYPE_CHECKING:
    from workflow_scripts.runtime.checkpoint import FileCheckpoint

Paths = dict[str, list[Path]]
THREADS = 1


def main(arguments: list[str] | None = None) -> int:
    """Run the job the command line describes; returns the exit status. Afterwards SIGINT and SIGTERM do nothing."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        identity = parse_identity(options.job)
    except ValueError as error:
        parser.error(f"--job: {error}")
    if not options.log.is_relative_to(options.root / LOGS):
        parser.error(f"--log: {options.log} is not in {options.root / 'logs'}, below which its path names the job")
    name = options.log.relative_to(options.root / LOGS).as_posix().removesuffix(".log")
    inputs, outputs = _named(options.input), _named(options.output)
    if options.within is not None:
        confine(options.within)
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(THREADS)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS sums in an order of its own
    log = None
    try:
        raise_on_signals()
        written = [
            options.log,
            *_own_files(options.root, name),
            *(path for paths in outputs.values() for path in paths),
        ]
        check_places(options.root, written)
        if options.within is not None:
            require_inside(options.within, written)
        options.log.parent.mkdir(parents=True, exist_ok=True)
        log = options.log.open("a")
        print(f"{now()} {identity.step} {options.job}", file=log, flush=True)
        progress = Console(name, log)
        with warnings_shown(progress):
            _run(
                *(identity, inputs, outputs, options.access, options.root, name),
                gpus=options.gpu,
                anew=options.anew,
                progress=progress,
            )
        ignore_signals()
    except (Exception, Stopped) as error:
        ignore_signals()
        _report_failure(error, name, log)
        return TRY_AGAIN if isinstance(error, Stopped) else 1
    finally:
        if log is not None:
            with suppress(OSError):
                log.close()
    return 0


def _own_files(root: Path, name: str) -> list[Path]:
    """The files and folders, besides log and outputs, that the wrapper writes for a job."""
    folders = [root / folder / name for folder in (SCRATCH, KEPT)]
    files = [_record(root, name), _trace(root, name), lock_file(root, name), _checkpoint_file(root, name)]
    return [*folders, *files, root / PRODUCERS, root / INPUT_RECORDS]


def _record(root: Path, name: str) -> Path:
    return root / RECORDS / f"{name}.json"


def _trace(root: Path, name: str) -> Path:
    return root / ATTEMPTS / f"{name}.jsonl"


def _checkpoint_file(root: Path, name: str) -> Path:
    return root / CHECKPOINTS / f"{name}.pt"


def _report_failure(error: BaseException, name: str, log: TextIO | None) -> None:
    """Say why a job failed, in one sentence on the console; the log, where it could be opened, says more."""
    if log is not None:
        with suppress(OSError):  # the disk may be full
            if foreseen(error) is None:
                print_lines(*"".join(traceback.format_exception(error)).splitlines(), file=log)
            print_lines(f"{now()} failed: {sentence(error)}", file=log)
    place = "" if log is None else f" (log: {log.name})"
    print_lines(f"{name} failed: {sentence(error)}{place}", file=sys.stderr)


def _run(
    identity: Identity,
    inputs: Paths,
    outputs: Paths,
    access: dict[str, Any] | None,
    root: Path,
    name: str,
    *,
    gpus: int,
    anew: bool,
    progress: Console,
) -> None:
    missing = [path for paths in inputs.values() for path in paths if not path.exists()]
    if missing:
        raise JobError(f"the input {missing[0]} does not exist")

    with job_lock(lock_file(root, name), progress.say) as waited, ExitStack() as stack:
        if waited and _is_done(identity, inputs, _record(root, name)):
            progress.say("the other process made them, from the same settings, code and inputs; nothing is left to do")
            return
        attempts, scratch = _trace(root, name), root / SCRATCH / name
        started, clock = now(), time.monotonic()
        attempt = begin(attempts, machine())
        try:
            shutil.rmtree(scratch, ignore_errors=True)
            read = file_facts(inputs)
            if not anew:
                try:
                    files = put_back(identity, inputs, read, outputs, root, name)
                except Mismatch as why:
                    print(f"no earlier result is put back, because {why}", file=progress.log, flush=True)
                    files = []
                if files:
                    progress.say(put_back_sentence(files, root))
                    append(attempts, {"attempt": attempt, "ended": now(), "failed": None, "put_back": len(files)})
                    return
            code = _code(identity, root / WAIVERS / f"{name}.json")
            try:
                inputs_before = link_inputs(read, inputs, root)
                require_same_training(identity, inputs, root)
            except Mismatch as why:
                raise JobError(str(why)) from None
            made = _scratch_paths(outputs, scratch)
            can_use_gpu = uses_gpu(identity.step)
            stack.enter_context(device_lease(progress.say, gpus if can_use_gpu else 0))
            step = importlib.import_module(f"workflow_scripts.steps.{identity.step}")
            device = _prepare_torch(can_use_gpu)
            gc.freeze()
            gc.enable()
            settings = identity.settings if access is None else {**identity.settings, "access": access}
            checkpoint = _checkpoint(identity, inputs_before, device, _checkpoint_file(root, name), progress)
            resumable = {"checkpoint": checkpoint} if checkpoint is not None else {}
            sources = step.run(settings, inputs, made, progress, **resumable)
            unmade = [path.name for paths in made.values() for path in paths if not path.exists()]
            if unmade:
                raise JobError(f"the step did not write {unmade[0]}")
            file = _record(root, name)
            keep_earlier(file, root)
            _move(made, outputs)
            written = file_facts(outputs)
            remove_outdated(root, name, written)
            record = new_record(
                identity,
                code,
                root.as_posix(),
                name,
                inputs=inputs,
                outputs=outputs,
                read=inputs_before + [{**source, "record": None} for source in file_facts(sources or {})],
                written=written,
                software=software(),
                machine=machine(),
                git=git_state(),
                device=device,
                threads=THREADS,
                attempt=attempt,
                started=started,
                ended=now(),
                seconds=round(time.monotonic() - clock, 3),
            )
            write_durably(file, record)
            note_outputs(outputs, root, name)
            try:
                keep(root, name, written)
            except OSError as error:  # the result itself is whole
                progress.say(f"its outputs are not kept in {root / KEPT}: {sentence(error)}")
            if checkpoint is not None:
                checkpoint.clear()
        except BaseException as error:
            ended = {"attempt": attempt, "ended": now(), "failed": type(error).__name__, "reason": sentence(error)}
            with suppress(OSError):
                append(attempts, ended)
            raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        append(attempts, {"attempt": attempt, "ended": now(), "failed": None})


def _is_done(identity: Identity, inputs: Paths, file: Path) -> bool:
    """Whether a job's result is there, made from these settings, this code and these inputs, and unaltered."""
    try:
        record = same_job(identity, inputs, file_facts(inputs), file)
    except (OSError, Mismatch):
        return False
    written = ((Path(each.path), each.sha256) for each in record.outputs)
    return all(path.is_file() and sha256_of(path) == sha256 for path, sha256 in written)


def _code(identity: Identity, waiver: Path) -> dict[str, str]:
    """The digests of the modules that the step runs. Raises JobError where they are not those of the identity."""
    code = step_code(identity.step, identity.modules)
    if combined(code) == identity.code:
        return code
    if waiver.exists():
        raise JobError(f"its result is kept by a waiver, but an input changed; delete {waiver} to make it anew")
    raise JobError("the code of this step changed after the workflow was started; start the workflow again")


def _checkpoint(
    identity: Identity, inputs: list[dict[str, Any]], device: dict[str, Any] | None, file: Path, progress: Console
) -> "FileCheckpoint | None":
    """The checkpoint of a job whose step keeps one, good for these settings, code, inputs, versions and device only."""
    if not keeps_checkpoint(identity.step):
        return None
    from workflow_scripts.runtime.checkpoint import FileCheckpoint

    read = [[fact["path"], fact["sha256"]] for fact in inputs]
    hardware = [machine()["processor"], *((device["kind"], device["name"]) if device else ())]
    key = json.dumps([text_of(identity), read, software(), hardware], sort_keys=True)
    return FileCheckpoint(file, hashlib.sha256(key.encode()).hexdigest(), progress)


def _prepare_torch(can_use_gpu: bool) -> dict[str, Any] | None:
    """Make torch repeatable and state the device and what makes it so, where the step has loaded torch at all."""
    if "torch" not in sys.modules:
        return None
    import torch

    from workflow_scripts.runtime.device import compute_device, device_facts, make_deterministic

    make_deterministic(THREADS)
    visible = os.environ.get(VISIBLE)
    if can_use_gpu and named_devices(visible or "") and not torch.cuda.is_available():
        raise JobError(f"a GPU was asked for ({VISIBLE}={visible}), but torch sees none; check the driver, or unset it")
    flags = {
        "visible_devices": visible,
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
    }
    return {**device_facts(compute_device() if can_use_gpu else torch.device("cpu")), **flags}


def _scratch_paths(outputs: Paths, scratch: Path) -> Paths:
    """A path in the scratch folder for every output, with the same file name, each in a folder of its own."""
    made: Paths = {}
    for name, paths in outputs.items():
        made[name] = [scratch / name / str(number) / path.name for number, path in enumerate(paths)]
        for path in made[name]:
            path.parent.mkdir(parents=True, exist_ok=True)
    return made


def _move(made: Paths, outputs: Paths) -> None:
    """Put finished outputs into place, each by one rename, once it is on the disk."""
    for name, paths in outputs.items():
        for source, target in zip(made[name], paths, strict=True):
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_dir():
                shutil.rmtree(target)
            move_durably(source, target)


def _named(groups: list[list[str]]) -> Paths:
    named: Paths = {}
    for name, *paths in groups:
        named.setdefault(name, []).extend(Path(path) for path in paths)
    return named


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of devices")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = documented_parser("run", __doc__)
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
        "--gpu",
        type=_count,
        default=0,
        metavar="N",
        help="GPUs the job was given; with none it computes on the processor. No part of the identity",
    )
    parser.add_argument(
        "--anew", action="store_true", help="compute, although the result of the same job is kept and could be put back"
    )
    parser.add_argument("--within", type=Path, metavar="FOLDER", help="refuse to write anywhere else; for audit replay")
    parser.add_argument(
        "--log", type=Path, required=True, metavar="FILE", help="what the step says; its place names the job"
    )
    parser.add_argument("--root", type=Path, required=True, help="the results folder the job belongs to")
    return parser


if __name__ == "__main__":
    end(main())
