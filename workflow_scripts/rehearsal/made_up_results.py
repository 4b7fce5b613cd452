"""A results folder of any size with made-up content and true records: what the audit is measured and tried on."""

import hashlib
from collections.abc import Mapping
from contextlib import chdir
from pathlib import Path
from typing import Any

from workflow_scripts.provenance.environment import machine, software
from workflow_scripts.provenance.identity import Identity, combined, step_code
from workflow_scripts.provenance.links import keep_earlier, link_inputs, note_outputs
from workflow_scripts.provenance.record import file_facts, new_record
from workflow_scripts.runtime.durable import write_durably
from workflow_scripts.runtime.folders import RECORDS

GROUPS = ("s1_cifar10", "s2_cifar10", "s3_cifar10", "s4_cifar10")
SEARCH_FILES = ("settings.json", "history.csv", "curvature.npz", "alphas.npz", "discarded.csv", "outcome.json")
TABLES = ("searches", "curvature", "evaluations")
ROOT = Path("results") / "made_up"


def make_results(base: Path, searches: int, total_bytes: int = 0) -> Path:
    """Write `searches` searches with a training each, and all that follows, below `base`; returns the results folder.

    Two jobs a search and a dozen more; `total_bytes` are spread over the trainings' weights. The same arguments make
    the same bytes, but for the machine's facts in the records.
    """
    base.mkdir(parents=True, exist_ok=True)
    with chdir(base):
        _make(searches, total_bytes)
    return base / ROOT


def _make(searches: int, total_bytes: int) -> None:
    writer = Writer()
    writer.job(
        "data", "cifar10", "fetch_data", {"module": "workflow_scripts.data.sets.cifar10"}, {}, ["data/cifar10.npz"]
    )
    root = ROOT.as_posix()
    weights = total_bytes // max(searches, 1)
    derived: dict[str, list[str]] = {group: [] for group in GROUPS}
    trained: dict[str, list[str]] = {group: [] for group in GROUPS}
    for number in range(searches):
        group, run = GROUPS[number % len(GROUPS)], f"l2-0.0003_drop-0_seed-{number // len(GROUPS) + 1}"
        folder = f"{root}/cells/searches/{group}/darts/{run}"
        files = [f"{folder}/{file}" for file in SEARCH_FILES]
        settings = {"space": group[:2], "l2": 3e-4, "drop_path": 0.0, "seed": number // len(GROUPS) + 1}
        name = f"cell_search/{group}/darts/{run}"
        writer.job(root, name, "cell_search", settings, {"data": ["data/cifar10.npz"]}, files)
        derived[group].append(f"{root}/cells/architectures/{group}/darts/{run}.yaml")
    for group, architectures in derived.items():
        runs = [Path(path).stem for path in architectures]
        histories = [f"{root}/cells/searches/{group}/darts/{run}/history.csv" for run in runs]
        inputs = {"history": histories}
        writer.job(root, f"derive_architectures_{group}", "derive_architectures", {"stop": {}}, inputs, architectures)
        for run, architecture in zip(runs, architectures, strict=True):
            folder = f"{root}/cells/evaluations/{group}/darts/{run}/seed-1"
            files = [f"{folder}/{file}" for file in ("history.csv", "weights.pt", "outcome.json")]
            inputs = {"data": ["data/cifar10.npz"], "architecture": [architecture]}
            name = f"evaluate_genotype/{group}/darts/{run}/seed-1"
            writer.job(root, name, "evaluate_genotype", {"seed": 1}, inputs, files, {files[1]: weights})
            trained[group].append(files[2])
        searched, evaluated = ([f"{root}/tables/{group}/{table}.csv"] for table in ("searches", "evaluations"))
        writer.job(root, f"search_tables/{group}", "search_tables", {"stop": {}}, {"history": histories}, searched)
        writer.job(root, f"evaluation_table/{group}", "evaluation_table", {}, {"outcome": trained[group]}, evaluated)
    for table, figure in (("searches", "dominant_eigenvalue"), ("evaluations", "test_error")):
        parts, joined = [f"{root}/tables/{group}/{table}.csv" for group in GROUPS], f"{root}/tables/{table}.csv"
        writer.job(root, f"join_tables/{table}", "join_tables", {"table": table}, {"part": parts}, [joined])
        files = [f"{root}/figures/{figure}.{end}" for end in ("pdf", "png", "json")]
        chosen = [f"figures.{figure}"]
        writer.job(root, f"figure_{figure}", "figure", {"figure": figure}, {"tables": [joined]}, files, chosen=chosen)
    drawn = [f"{root}/figures/{figure}.png" for figure in ("dominant_eigenvalue", "test_error")]
    writer.job(root, "report", "report", {"study": "made_up"}, {"png": drawn}, [f"{root}/report.html"])


class Writer:
    """Writes outputs and records as jobs would, one after another, with the code as it is; paths are from here."""

    def __init__(self) -> None:
        git = {"commit": None, "dirty": None}
        self.conditions = {"software": software(), "machine": machine(), "device": None, "threads": 1, "git": git}
        self.time = 0

    def job(
        self,
        root: str,
        name: str,
        step: str,
        settings: Mapping[str, Any],
        inputs: Mapping[str, list[str]],
        outputs: list[str],
        sizes: Mapping[str, int] | None = None,
        chosen: list[str] | None = None,
    ) -> None:
        """Write one job's outputs, each with content that its path and its inputs decide, and its record."""
        read = link_inputs(file_facts(_paths(inputs)), _paths(inputs), Path(root))
        for output in outputs:
            seed = hashlib.sha256("".join([output, *(each["sha256"] for each in read)]).encode()).hexdigest()
            write_durably(Path(output), _content(seed, (sizes or {}).get(output, 0)))
        code = step_code(step, chosen or [])
        self.time += 1
        time = f"2026-01-01T{self.time // 3600 % 24:02}:{self.time // 60 % 60:02}:{self.time % 60:02}+00:00"
        file = Path(root) / RECORDS / f"{name}.json"
        keep_earlier(file, Path(root))
        files = _paths({"files": outputs})
        record = new_record(
            Identity(step, dict(settings), tuple(chosen or []), combined(code)),
            code,
            root,
            name,
            inputs=_paths(inputs),
            outputs=files,
            read=read,
            written=file_facts(files),
            **self.conditions,
            attempt=1,
            started=time,
            ended=time,
            seconds=1.0,
        )
        write_durably(file, record)
        note_outputs(files, Path(root), name)


def _paths(named: Mapping[str, list[str]]) -> dict[str, list[Path]]:
    return {key: [Path(path) for path in paths] for key, paths in named.items()}


def _content(seed: str, size: int) -> bytes:
    """A line of text that the seed decides, followed by bytes up to `size`."""
    line = f"made up from {seed}\n".encode()
    return line + hashlib.shake_256(line).digest(max(0, size - len(line)))
