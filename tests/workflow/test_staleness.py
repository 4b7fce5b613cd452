"""What reruns after which change, and what does not: on a whole tiny study, through Snakemake itself."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from contributing_examples import example
from workflow.workflow_copy import ROOT, build, copy_workflow, edit, planned, results, snakemake

FIGURES = {"figure_dominant_eigenvalue", "figure_found_cells", "figure_test_error"}


@pytest.fixture
def tree(finished: Path) -> Iterator[Path]:
    """The finished tree; edited files are put back after the test."""
    kept = {path: (path.read_bytes(), path.stat()) for path in _sources(finished)}
    yield finished
    for path, (content, status) in kept.items():
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _sources(tree: Path) -> list[Path]:
    folders = ("workflow_scripts", "figures", "config", "rules")
    return [
        path for folder in folders for path in (tree / folder).rglob("*") if path.is_file() and path.suffix != ".pyc"
    ]


def test_results_are_complete(tree: Path) -> None:
    found = results(tree, "*", "figures/*", "tables/*.csv", "records/**/*.json")
    assert {"architectures.yaml", "claims.json", "report.html"} <= set(found)
    assert {f"figures/{name}.{kind}" for name in ("test_error", "depth_posterior") for kind in ("pdf", "png")} <= set(
        found
    )
    assert sum(name.startswith("records/evaluate_genotype/") for name in found) == 4
    assert not [path for path in (tree / "results" / "tiny" / ".scratch").rglob("*") if path.is_file()]


def test_what_changes_no_number_reruns_nothing(tree: Path) -> None:
    module = tree / "workflow_scripts" / "cells" / "supernet.py"
    edit(module, "class Supernet(CellNetwork):", "# a remark\n\n\nclass Supernet(CellNetwork):")
    edit(module, '"""The genotype of the largest weights that the alphas lead to."""', '"""Reworded."""')
    edit(module, "self.nodes = nodes\n        self.stem", "self.nodes = (nodes)\n        self.stem")
    config = tree / "config" / "tiny.yaml"
    edit(config, "study: tiny", "# a remark\nstudy:   tiny")
    edit(config, "l2: [3.0e-4, 6.0e-2]", "l2: [0.0003, 0.06]")
    for file, old, new in (
        ("run.py", "def main(", "CHANGED = 1\n\n\ndef main("),
        ("runtime/progress.py", "every_seconds: float = 5.0", "every_seconds: float = 7.0"),
        ("provenance/record.py", "VERSION = 2", "VERSION = 3"),
        ("study/cell_settings.py", "passes over the training images", "reworded"),
    ):
        edit(tree / "workflow_scripts" / file, old, new)
    (tree / "workflow_scripts" / "cells" / "genotype_training.py").touch()
    for path in (tree / "results" / "tiny" / "cells").rglob("history.csv"):
        path.touch()
    assert planned(tree) == {}


def test_a_figure_module_redraws_that_figure_only(tree: Path) -> None:
    edit(tree / "figures" / "test_error.py", 'TITLE = "', 'TITLE = "Changed: ')
    assert set(planned(tree)) == {"figure_test_error", "report", "all"}


def test_a_claim_that_is_changed_or_added_is_judged_and_reported_and_nothing_else_runs(tree: Path) -> None:
    edit(tree / "workflow_scripts" / "claims" / "darts_es_better.py", "least=0", "least=1")
    assert set(planned(tree)) == {"claims", "report", "all"}
    new = tree / "workflow_scripts" / "claims" / "early_cells_are_larger.py"
    new.write_text(example("workflow_scripts/claims/early_cells_are_larger.py"))
    edit(tree / "workflow_scripts" / "claims" / "darts_es_better.py", "least=1", "least=0")
    assert set(planned(tree)) == {"claims", "report", "all"}
    new.unlink()
    assert planned(tree) == {}


def test_the_shared_style_redraws_every_figure_and_nothing_else(tree: Path) -> None:
    edit(tree / "figures" / "style.py", "\nimport ", "\nCHANGED = 1\nimport ")
    assert set(planned(tree)) == FIGURES | {"figure_depth_posterior", "report", "all"}


def test_the_supernet_reruns_searches_and_what_follows(tree: Path) -> None:
    edit(tree / "workflow_scripts" / "cells" / "supernet.py", "1e-3 * torch.randn", "2e-3 * torch.randn")
    plan = planned(tree)
    assert plan["cell_search"] == 2
    assert {"derive_architectures_s4_digits", "search_tables", "claims"} | FIGURES <= set(plan)
    assert not {"fetch_data", "depth_search", "depth_tables", "figure_depth_posterior"} & set(plan)


def test_the_depth_networks_rerun_the_depth_search_only(tree: Path) -> None:
    edit(tree / "workflow_scripts" / "depth" / "posterior.py", "\nimport ", "\nCHANGED = 1\nimport ")
    plan = planned(tree)
    assert plan["depth_search"] == 2
    assert plan["claims"] == 1
    assert not {"cell_search", "evaluate_genotype", "figure_test_error"} & set(plan)


def test_two_settings_swapped_rerun(tree: Path) -> None:
    config = tree / "config" / "tiny.yaml"
    kept = "\n    steps_per_epoch: 2\n    batch_size: "
    edit(config, f"epochs: 6{kept}8", f"epochs: 8{kept}6")
    assert planned(tree)["cell_search"] == 2


def test_new_content_with_an_old_time_reruns(tree: Path) -> None:
    module = tree / "workflow_scripts" / "cells" / "genotype_training.py"
    edit(module, "loss.backward()", "(2 * loss).backward()")
    os.utime(module, (0, 0))
    plan = planned(tree)
    assert plan["evaluate_genotype"] == 4
    assert "cell_search" not in plan


def test_a_copy_of_the_folder_reruns_nothing(tree: Path, tmp_path: Path) -> None:
    subprocess.run(["cp", "-a", str(tree), str(tmp_path / "copy")], check=True)
    assert planned(tmp_path / "copy") == {}


def test_a_new_stop_rule_trains_only_architectures_that_changed(finished: Path, tmp_path: Path) -> None:
    subprocess.run(["cp", "-a", str(finished), str(tmp_path / "copy")], check=True)
    tree = tmp_path / "copy"
    before = results(tree, "cells/architectures/**/*.yaml")
    edit(tree / "config" / "tiny.yaml", "start: 0", "start: 900")
    output = build(tree)
    after = results(tree, "cells/architectures/**/*.yaml")
    changed = [name for name in after if "/darts" in name and after[name] != before[name]]
    assert changed, "the tiny study's rule must stop a search, or this shows nothing"
    assert output.count("jobs done: cell_search/") == 0
    assert output.count("jobs done: derive_architectures_s4_digits") == 1
    assert output.count("jobs done: evaluate_genotype/") == len(changed)
    assert not any("/darts/" in name for name in changed)
    assert planned(tree) == {}


def test_one_more_seed_keeps_every_finished_training(finished: Path, tmp_path: Path) -> None:
    subprocess.run(["cp", "-a", str(finished), str(tmp_path / "copy")], check=True)
    tree = tmp_path / "copy"
    another = "\n    - {spaces: [s4], data_sets: [digits], methods: [darts, darts_es], l2: [3.0e-4], seeds: [2]}"
    edit(tree / "config" / "tiny.yaml", "seeds: [1]}\n  search:", f"seeds: [1]}}{another}\n  search:")
    output = build(tree, "results/tiny/tables/evaluations.csv")
    assert output.count("jobs done: cell_search/") == 1
    assert output.count("jobs done: evaluate_genotype/") == 2


def test_a_fresh_study_runs_up_to_one_rule_and_for_one_file(finished: Path, tmp_path: Path) -> None:
    tree = copy_workflow(tmp_path / "fresh")
    shutil.copytree(finished / "data", tree / "data")
    assert planned(tree, "--until", "cell_search") == {"cell_search": 2}
    output = build(tree, "results/tiny/tables/search_spaces.csv")
    assert "Provenance: results/tiny/provenance.html" in output
    assert "Report: " not in output


def test_figures_are_drawn_from_the_runs_that_are_there(finished: Path, tmp_path: Path) -> None:
    subprocess.run(["cp", "-a", str(finished), str(tmp_path / "copy")], check=True)
    tree = tmp_path / "copy"
    shutil.rmtree(tree / "results/tiny/cells/searches/s4_digits/darts/l2-0.06_drop-0_seed-1")
    shutil.rmtree(tree / "results/tiny/cells/evaluations/s4_digits/darts_es/l2-0.0003_drop-0_seed-1")
    edit(tree / "workflow_scripts/cells/genotype_training.py", "loss.backward()", "(2 * loss).backward()")
    done = snakemake(tree, "figures", "--config", "figures_only=true")
    assert done.returncode == 0, done.stderr
    assert "missing: search results/tiny/cells/searches/s4_digits/darts/l2-0.06_drop-0_seed-1" in done.stderr
    assert "missing: training results/tiny/cells/evaluations/s4_digits/darts_es/l2-0.0003" in done.stderr
    assert "stale: evaluate_genotype/s4_digits/darts/l2-0.0003_drop-0_seed-1/seed-1" in done.stderr
    assert "code of workflow_scripts.cells.genotype_training" in done.stderr
    output = done.stdout + done.stderr
    assert "jobs done: cell_search/" not in output
    assert "jobs done: evaluate_genotype/" not in output
    assert "jobs done: figure_dominant_eigenvalue" in output
    assert (tree / "results/tiny/records/figure_dominant_eigenvalue.json").exists()
    searches = (tree / "results/tiny/tables/searches.csv").read_text()
    assert "l2-0.0003" in searches
    assert "l2-0.06" not in searches


def test_a_failing_job_is_one_sentence_and_keeps_the_rest(finished: Path, tmp_path: Path) -> None:
    subprocess.run(["cp", "-a", str(finished), str(tmp_path / "copy")], check=True)
    tree = tmp_path / "copy"
    table = tree / "results/tiny/tables/depth_runs.csv"
    table.write_text("not,a,table\n1,2,3\n")
    for figure in ("depth_posterior", "test_error"):
        edit(tree / "figures" / f"{figure}.py", 'TITLE = "', 'TITLE = "Changed: ')
    done = snakemake(tree, "figures")
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "figure_depth_posterior failed:" in line]
    assert done.returncode != 0
    assert len(lines) == 1
    assert "its input results/tiny/tables/depth_runs.csv is not what its job wrote; remove it, and start" in lines[0]
    assert b"Changed" in (tree / "results/tiny/figures/test_error.json").read_bytes(), "other figures are drawn"


def test_a_run_that_fails_before_the_study_has_results_says_where_to_look(tmp_path: Path) -> None:
    tree = copy_workflow(tmp_path / "tree")
    edit(tree / "workflow_scripts/data/sets/digits.py", "TRAIN_IMAGES = 1000", "TRAIN_IMAGES = 2000")
    done = snakemake(tree, "--until", "fetch_data")
    assert done.returncode != 0
    output = done.stdout + done.stderr
    assert "digits failed: " in output
    assert "Failed:\nno job left a trace in results/tiny; the lines above say why\n" in output


def test_the_repository_has_no_default_profile() -> None:
    assert not (ROOT / "profiles" / "default").exists(), "its keys would override every other profile's"
