"""Every command of the README runs, and what it leaves is there; every example of docs/extending.md works."""

import html
import json
import re
from pathlib import Path

import pytest
from loaded_python import run_module
from readme_examples import RUN_BY_CI, blocks, commands, examples, run, small_clone
from workflow.workflow_copy import ROOT, edit

TYPED = [
    command for command in dict.fromkeys(commands()) if command not in RUN_BY_CI and "slurm" not in command.lower()
]
STATUS = {"audit diff": 1}
"""Exit statuses other than 0 that a command is documented to have."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_clone(tmp_path_factory.mktemp("readme") / "clone")


def test_the_commands_are_found_and_ci_runs_the_others() -> None:
    assert len(commands()) > 20
    assert not any(blocks(language) for language in ("bash", "sh", "console")), (
        "commands stand in blocks without a language"
    )
    assert commands()[:2] == ["make demo", "make test"]
    assert set(RUN_BY_CI) <= set((ROOT / ".ci/run").read_text().splitlines())
    assert any("slurm" in command for command in commands()), "run by tests/services/test_slurm.py"


@pytest.mark.parametrize("command", TYPED)
def test_a_command_of_the_readme(tree: Path, command: str) -> None:
    done = run(tree, command)
    expected = next((status for words, status in STATUS.items() if words in command), 0)
    assert done.returncode == expected, done.stdout + done.stderr
    if command == "make run STUDY=demo":
        assert "Nothing to be done" in done.stderr, "make demo has run it"


def test_what_the_commands_left(tree: Path) -> None:
    for file in ("demo/report.html", "demo/provenance.html", "short/report.html", "snakemake-report.html"):
        assert (tree / "results" / file).stat().st_size > 10_000, file
    caption = json.loads((tree / "results/demo/figures/test_error.json").read_text())["caption"]
    assert caption.split(".")[0] in (tree / "results/snakemake-report.html").read_text()
    assert (tree / "crate/ro-crate-metadata.json").exists()


def test_the_commands_of_a_report(tree: Path) -> None:
    text = html.unescape((tree / "results/demo/report.html").read_text())
    typed = [command for command in re.findall(r"<code>([^<\n]*)</code>", text) if " " in command]
    drawing = [command for command in typed if "--force" in command]
    assert len(drawing) == 4
    others = [command for command in typed if command not in drawing]
    assert len(others) == 3
    picture = tree / "results/demo/figures/dominant_eigenvalue.png"
    before, made = picture.read_bytes(), picture.stat().st_mtime_ns
    for command in (drawing[0], *others):
        done = run(tree, command)
        assert done.returncode == 0, done.stdout + done.stderr
    assert picture.stat().st_mtime_ns > made, "drawn again"
    assert picture.read_bytes() == before


def test_a_found_network_predicts(tree: Path) -> None:
    (block,) = [block for block in blocks("python") if "load_found_network" in block]
    (tree / "example.py").write_text(block + "print(tuple(probabilities.shape))\n")
    done = run(tree, "PYTHONPATH=. .venv/bin/python example.py")
    assert done.stdout == "(3, 10)\n", done.stderr


# Adding to it -----------------------------------------------------------------------------------------------------

GATHERING = r"(join_tables/\w+|comparison_table|gather_architectures|space_table|figure_\w+|claims|report)"
ADDED = {
    "workflow_scripts/cells/spaces/pools.yaml": (
        "spaces: [s4]",
        "spaces: [s4, pools]",
        r"\w+[_/]pools_fashion_mnist_8x8(/.*)?",
    ),
    "workflow_scripts/cells/methods/lowest_error.py": (
        "methods: [darts, darts_es]",
        "methods: [darts, darts_es, lowest_error]",
        r"derive_architectures_s4_fashion_mnist_8x8|(group_architectures|evaluation_table)/s4_fashion_mnist_8x8|"
        r"evaluate_genotype/s4_fashion_mnist_8x8/lowest_error/.*",
    ),
    "workflow_scripts/data/sets/inverted_digits.py": (
        "data_sets: [fashion_mnist_8x8]",
        "data_sets: [fashion_mnist_8x8, inverted_digits]",
        r"inverted_digits|\w+[_/]s4_inverted_digits(/.*)?",
    ),
    "figures/size_and_error.py": ("depth_posterior]", "depth_posterior, size_and_error]", None),
}
"""File: what a study says before and after, and the jobs that are new; for a figure only its own and the report."""
SEARCHES = (
    *("workflow_scripts/cells/mixings/fair_darts.py", "workflow_scripts/cells/mixings/darts_minus.py"),
    "workflow_scripts/cells/methods/fair_darts.py",
)
"""Files of kinds of search, which tests/cells/test_edge_mixing.py runs."""
TOGETHER = "\n    - {spaces: [pools], data_sets: [inverted_digits], methods: [lowest_error], l2: [3.0e-4], seeds: [1]}"


@pytest.fixture(scope="module")
def extended(tree: Path) -> Path:
    """The finished demo with the files of all examples added, none of them used."""
    assert set(examples()) == {*ADDED, *SEARCHES}
    for path, content in examples().items():
        (tree / path).write_text(content)
    return tree


def would_run(tree: Path) -> dict[str, str]:
    """The jobs that `make status` says would run, and their states; it and Snakemake must agree."""
    done = run_module(tree, "workflow_scripts.status", "config/demo.yaml", "--all")
    assert done.returncode == 0, done.stderr
    assert "Snakemake would run the same jobs" in done.stdout or "run nothing either" in done.stdout, done.stdout
    return {job: state for state, job in re.findall(r"^  (\w[\w ]*): (\S+)", done.stdout, re.MULTILINE)}


def test_a_new_file_alone_makes_nothing_stale(extended: Path) -> None:
    assert would_run(extended) == {}


@pytest.mark.parametrize("path", ADDED)
def test_one_file_and_one_key_make_nothing_else_stale(extended: Path, path: str) -> None:
    before, after, own = ADDED[path]
    config = extended / "config/demo.yaml"
    kept = config.read_text()
    edit(config, before, after)
    jobs = would_run(extended)
    config.write_text(kept)
    if own is None:
        assert set(jobs) == {f"figure_{Path(path).stem}", "report"}
        return
    assert [job for job in jobs if re.fullmatch(own, job)]
    others = {job: state for job, state in jobs.items() if not re.fullmatch(f"{own}|{GATHERING}", job)}
    # A method has the architectures of its searches read off anew, and those that are there stay the same (below).
    assert set(others.values()) <= ({"may follow"} if "methods" in path else set()), others


def test_the_examples_run_together(extended: Path) -> None:
    config = extended / "config/demo.yaml"
    edit(config, *ADDED["workflow_scripts/cells/methods/lowest_error.py"][:2])
    edit(config, *ADDED["figures/size_and_error.py"][:2])
    edit(config, "seeds: [1]}\n  search:", f"seeds: [1]}}{TOGETHER}\n  search:")
    done = run(extended, "make run STUDY=demo")
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    assert printed.count("jobs done: cell_search/") == 1
    assert printed.count("jobs done: evaluate_genotype/") == 2, (
        "the new method once, the new space on the new data set once"
    )
    results = extended / "results/demo"
    architecture = next((results / "cells/architectures/pools_inverted_digits/lowest_error").glob("*.yaml"))
    assert "lowest error" in architecture.read_text()
    assert "4 trainings" in (results / "figures/size_and_error.json").read_text()
    page = (results / "report.html").read_text()
    for words in ("POOLS", "inverted digits", "lowest error", "Test error against the number of parameters"):
        assert words in page, words
