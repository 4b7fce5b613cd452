"""A copy of the workflow to run and to edit, and Snakemake started on it the way a person does."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import torch
import yaml
from loaded_python import run_module

from workflow_scripts.cells.search import run_search
from workflow_scripts.data.image_batches import Part
from workflow_scripts.depth import compiled
from workflow_scripts.depth.run_setup import build as build_model
from workflow_scripts.depth.run_setup import load
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.study.cell_grids import searches
from workflow_scripts.study.cell_job_settings import search_job
from workflow_scripts.study.depth_settings import DepthRun
from workflow_scripts.study.study import Study

ROOT = Path(__file__).parents[2]
TINY = Path(__file__).with_name("tiny.yaml")
PARTS = ("Snakefile", "rules", "workflow_scripts", "figures", "config", "envs", "profiles")
COMPILED = ("workflow_scripts/cells/__pycache__", "workflow_scripts/depth/__pycache__")
RUN = {
    "model": "ldn",
    "max_depth": 1,
    "data": {"points": 100},
    "training": {"epochs": 1},
    "data_seed": 1,
    "weight_seed": 1,
}
PROGRAM = Path(sys.executable).with_name("snakemake")


def copy_workflow(folder: Path) -> Path:
    """The workflow without results, plus the study `config/tiny.yaml` and the loops that are compiled already."""
    folder.mkdir(parents=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(
                source, folder / part, ignore=shutil.ignore_patterns("__pycache__", "local.yaml", "*-rehearsal.yaml")
            )
        else:
            shutil.copy2(source, folder / part)
    shutil.copy2(TINY, folder / "config" / "tiny.yaml")
    for loops in COMPILED:
        if (ROOT / loops).exists():
            shutil.copytree(ROOT / loops, folder / loops, ignore=shutil.ignore_patterns("*.pyc", "*.lock", ".*"))
    return folder


def compile_loops() -> None:
    """Compile, in this checkout, the loops that the searches of the tiny study run."""
    run = DepthRun.model_validate(RUN)
    data = load(run)
    compiled.train(build_model(run), data.train, data.test, run.training, torch.Generator())
    cells = Study.model_validate(yaml.safe_load(TINY.read_text())).cells
    assert cells is not None
    job = search_job(cells, next(iter(searches(cells))))
    images = torch.randint(0, 256, (40, 1, 8, 8), generator=torch.Generator(), dtype=torch.uint8)
    run_search(job, Part(images, torch.arange(40) % 10, job.images), Silent(), torch.device("cpu"))


def snakemake(tree: Path, *arguments: str, study: str = "tiny") -> subprocess.CompletedProcess[str]:
    """Run Snakemake with the local profile; its output and exit status."""
    options = ("--profile", "profiles/local", "--configfile", f"config/{study}.yaml")
    return run_module(tree, "snakemake", *arguments, *options)


def build(tree: Path, *arguments: str) -> str:
    """Run to the end; Snakemake's output. Fails the test where the run failed."""
    done = snakemake(tree, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def planned(tree: Path, *arguments: str) -> dict[str, int]:
    """How many jobs of each rule a dry run would start; empty when nothing is to be done."""
    output = build(tree, "--dry-run", *arguments)
    table = output.rsplit("Job stats:", 1)[-1].split("\n\n")[0] if "Job stats:" in output else ""
    counts = {name: int(count) for name, count in re.findall(r"^(\w+)\s+(\d+)$", table, re.MULTILINE)}
    counts.pop("total", None)
    if not counts:
        assert "Nothing to be done" in output, output
    return counts


def edit(path: Path, old: str, new: str) -> None:
    """Replace text that must be there."""
    text = path.read_text()
    assert old in text, f"{path} does not hold {old!r}"
    path.write_text(text.replace(old, new))


def one_depth_network(study: Path) -> None:
    """Leave one network of the depth search of a copy of `tiny.yaml`."""
    edit(study, "max_depths: [2, 3]", "max_depths: [2]")
    study.write_text(re.sub(r"^    deterministic_depth: .*\n", "", study.read_text(), flags=re.MULTILINE))


def results(tree: Path, *patterns: str) -> dict[str, bytes]:
    """The bytes of result files by path."""
    folder = tree / "results" / "tiny"
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for pattern in patterns
        for path in sorted(folder.glob(pattern))
        if path.is_file()
    }
