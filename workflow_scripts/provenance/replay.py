"""Running a recorded job again, from its recorded settings and inputs, to see whether it writes the same bytes."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from workflow_scripts.data.own.facts import FOLDER as OWN
from workflow_scripts.data.own.facts import noted_sources
from workflow_scripts.provenance.differences import differences, module_changes
from workflow_scripts.provenance.environment import machine, software
from workflow_scripts.provenance.hashing import behind_link, sha256_of_recorded
from workflow_scripts.provenance.identity import combined, step_code, text_of
from workflow_scripts.provenance.ledger import Entry, Ledger
from workflow_scripts.provenance.record import MARK, read_record
from workflow_scripts.runtime.folders import LOGS, RECORDS
from workflow_scripts.runtime.module_code import ROOT, module_path
from workflow_scripts.runtime.untrusted_files import found_below
from workflow_scripts.study.study import STUDY_NAME

AGAIN = "again"
"""The results folder of the job that runs again, in the scratch folder."""
FETCHING = ("fetch_data", "own_data", "import_published_logs", "import_confopt_logs", "published_evaluations")
"""The steps that read source files of their own."""


class ReplayError(Exception):
    """A job that cannot be run again; its text is one sentence."""


@dataclass
class Replay:
    """What came of running a job again: the files that are the same bytes, those that differ, and other conditions."""

    job: str
    same: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)


def replay(ledger: Ledger, entry: Entry, scratch: Path) -> Replay:
    """Run a recorded job again below `scratch` and compare its outputs. Raises ReplayError where it cannot run.

    Inputs are used only with the content that is recorded. The code is the one at hand; where it is not the recorded
    one, the conditions say so, along with other versions and another machine.
    """
    record = entry.record
    if ledger.base is None:
        raise ReplayError(f"{ledger.folder}: a job runs again only where the workflow made it, at {ledger.root}")
    in_place = (ledger.jobs if record.root == ledger.root else ledger.data).get(record.job) is entry
    if re.fullmatch(f"data|results/{STUDY_NAME}", record.root) is None or not in_place:
        raise ReplayError(f"{entry.file}: this record is not in its place, so its job is not run")
    if module_path(f"workflow_scripts.steps.{record.step}") is None:
        raise ReplayError(f"{record.job}: the code at hand has no step {record.step}")
    _check_inputs(ledger, entry)
    code = step_code(record.step, record.chosen_modules)
    identity = replace(record.identity, code=combined(code))
    arguments = ["--root", AGAIN, "--log", f"{AGAIN}/{LOGS}/{record.job}.log", "--job", text_of(identity), "--anew"]
    for key, paths in record.arguments.inputs.items():
        arguments += ["--input", key, *paths] if paths else []
    for key, paths in record.arguments.outputs.items():
        arguments += ["--output", key, *(f"{AGAIN}{path.removeprefix(record.root)}" for path in paths)]
    if record.step in FETCHING:  # from copies of the source files that are there already
        sources = str((ledger.base / "data/sources").resolve())
        own = noted_sources(ledger.base / OWN)
        arguments += ["--access", json.dumps({"mirrors": [sources], "offline": True, "own": own})]
    if record.device is not None and record.device.get("kind") == "cuda":
        arguments += ["--gpu", "1"]
    # The scratch folder looks like the one the workflow runs in, with links to what the job was given to read.
    for part in {path.split("/")[0] for path in record.given}:
        if part != AGAIN and (ledger.base / part).is_dir():
            (scratch / part).symlink_to((ledger.base / part).resolve())
    # -P: no module is taken from the folder it runs in, where the results of a stranger are linked.
    command = [sys.executable, "-P", "-m", "workflow_scripts.run", "--within", str(scratch), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=scratch, env=environment, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        why = (done.stderr.strip().splitlines() or ["killed"])[-1]
        raise ReplayError(f"{record.job} could not be run again: {why}")
    again = read_record(scratch / AGAIN / RECORDS / f"{record.job}.json")
    found = {output.path: output.sha256 for output in again.outputs}
    result = Replay(record.job, conditions=list(_conditions(entry, code)))
    for output in record.outputs:
        is_same = found.get(f"{AGAIN}{output.path.removeprefix(record.root)}") == output.sha256
        (result.same if is_same else result.different).append(output.path)
    return result


def _check_inputs(ledger: Ledger, entry: Entry) -> None:
    """Refuse a job unless all that it would read are regular files, recorded, and as they were when it read them."""
    record = entry.record
    recorded = {read.path: read for read in record.inputs if record.was_given(read.path)}
    for path in record.given:
        for name, fault in _files_of(ledger, path):
            if fault is None and name not in recorded and PurePosixPath(name).name != MARK:
                fault = "its record does not say what that was"
            if fault is not None:
                raise ReplayError(f"{record.job} cannot be run again from its input {name}: {fault}")
    places = {path: place for path in recorded if (place := ledger.location(path)) is not None}
    found = sha256_of_recorded({place: recorded[path].bytes for path, place in places.items()}, ledger.folder)
    for path, place in places.items():
        if found[place] != recorded[path].sha256:
            state = "is not what it was when the job read it" if place.exists() else "is not there"
            raise ReplayError(f"{record.job} cannot be run again: its input {path} {state}")


def _files_of(ledger: Ledger, path: str) -> Iterator[tuple[str, str | None]]:
    """Every file of an input, as records name it, with why it cannot be read; links are read among data sets only."""
    place = ledger.location(path)
    if place is None:
        return
    if behind_link(place, ledger.folder):
        yield path, "it is a link, or lies behind one"
        return
    of_results = place.is_relative_to(ledger.folder)
    top = place if of_results else Path(os.path.realpath(place))
    for found in found_below(top):
        name = (PurePosixPath(path) / found.path.relative_to(top).as_posix()).as_posix()
        yield name, None if not of_results and found.path.is_file() else found.fault


def _conditions(entry: Entry, code: dict[str, str]) -> Iterator[str]:
    """What is not as it was when the job ran first."""
    record, here, now = entry.record, software(), machine()
    yield from module_changes(record.modules, code)
    yield from (f"version of {line}" for line in differences(record.software.packages, here["packages"]))
    yield from differences({"python": record.software.python}, {"python": here["python"]})
    then = record.machine.model_dump(include={"processor", "system", "gpu_driver"})
    yield from (f"machine: {line}" for line in differences(then, {key: now[key] for key in then}))
