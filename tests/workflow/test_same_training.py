"""An architecture that several methods take is trained once, through Snakemake itself; the others take its outputs."""

import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from loaded_python import run_module
from workflow.workflow_copy import build, edit, planned, snakemake

TRAININGS = Path("results/tiny/cells/evaluations/s4_digits")
TABLE = "results/tiny/tables/evaluations.csv"
FILES = ("history.csv", "weights.pt", "outcome.json")


@pytest.fixture
def tree(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished tree, one file per test."""
    subprocess.run(["cp", "-a", str(finished), str(tmp_path / "copy")], check=True)
    return tmp_path / "copy"


def records(tree: Path) -> dict[str, dict]:
    """The records of the trainings by their folder."""
    files = (tree / "results/tiny/records/evaluate_genotype/s4_digits").rglob("*.json")
    found = [json.loads(file.read_text()) for file in files]
    return {Path(each["arguments"]["outputs"]["outcome"][0]).parent.as_posix(): each for each in found}


def copies(tree: Path) -> dict[str, list[str]]:
    """The trainings that were taken: from which files."""
    given = {place: each["arguments"]["inputs"].get("same_training") for place, each in records(tree).items()}
    return {place: files for place, files in given.items() if files}


def first_of(tree: Path) -> str:
    """The training that others took."""
    firsts = {str(Path(files[0]).parent) for files in copies(tree).values()}
    assert len(firsts) == 1, "methods must share an architecture in the tiny study, or this shows nothing"
    return firsts.pop()


def contents(tree: Path) -> dict[str, bytes]:
    files = (file for file in (tree / TRAININGS).rglob("*") if file.is_file())
    return {file.relative_to(tree).as_posix(): file.read_bytes() for file in files}


def audit(tree: Path, *arguments: str) -> str:
    done = run_module(tree, "workflow_scripts.audit", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_others_take_the_training_that_the_table_counts(tree: Path) -> None:
    table = pd.read_csv(tree / TABLE)
    others = table[table["same_as"].notna()]
    assert len(others) > 0
    assert copies(tree) == {
        f"{TRAININGS}/{row['method']}/{row['run']}/seed-1": [
            f"{TRAININGS}/{row['same_as']}/seed-1/{file}" for file in FILES
        ]
        for _, row in others.iterrows()
    }


def test_a_training_that_is_there_holds_when_the_first_one_leaves_the_study(tree: Path) -> None:
    before, made = contents(tree), records(tree)
    assert "l2-0.0003" in first_of(tree)
    assert [place for place in copies(tree) if "l2-0.06" in place]
    edit(tree / "config/tiny.yaml", "l2: [3.0e-4, 6.0e-2]", "l2: [6.0e-2]")
    build(tree, TABLE)
    assert contents(tree) == before
    assert records(tree) == made
    assert planned(tree, TABLE) == {}


def test_a_waived_training_is_not_taken_and_takes_none(tree: Path) -> None:
    first, before = first_of(tree), contents(tree)
    edit(tree / "config/tiny.yaml", "evaluation: {epochs: 1", "evaluation: {epochs: 2")
    audit(tree, "waive", first, "--reason", "long enough")
    build(tree, TABLE)
    epochs = {place: len(pd.read_csv(tree / place / "history.csv")) for place in records(tree)}
    assert {place for place, count in epochs.items() if count == 1} == {first}
    assert set(epochs.values()) == {1, 2}
    assert all(Path(files[0]).parent.as_posix() != first for files in copies(tree).values())
    assert {name: content for name, content in contents(tree).items() if name.startswith(f"{first}/")} == {
        name: content for name, content in before.items() if name.startswith(f"{first}/")
    }


def test_waivers_of_all_trainings_keep_them_also_those_that_were_taken(tree: Path) -> None:
    before, made = contents(tree), records(tree)
    edit(tree / "config/tiny.yaml", "evaluation: {epochs: 1", "evaluation: {epochs: 2")
    audit(tree, "waive", str(TRAININGS), "--reason", "long enough")
    build(tree, TABLE)
    assert contents(tree) == before
    assert records(tree) == made


def test_an_altered_training_is_not_taken(tree: Path) -> None:
    first, before = first_of(tree), contents(tree)
    weights = tree / first / "weights.pt"
    content = weights.read_bytes()
    weights.unlink()  # a hard link to what is kept
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    done = snakemake(tree, TABLE)
    assert done.returncode != 0
    message = f"its input {first}/weights.pt is not what its job wrote; remove it, and start again"
    assert message in done.stdout + done.stderr
    weights.unlink()
    build(tree, *before)
    assert contents(tree) == before


def test_an_unreadable_file_of_architectures_is_named(tree: Path) -> None:
    edit(tree / "results/tiny/cells/architectures/s4_digits.yaml", "version: 2", "version: [")
    done = snakemake(tree, TABLE)
    assert done.returncode != 0
    assert "s4_digits.yaml: not a readable architecture file" in done.stdout + done.stderr
    assert "remove it, and start again" in done.stdout + done.stderr
