"""The search logs of ConfigurableOptimizer: a small made-up log, and the real ones where they are at hand."""

from pathlib import Path

import numpy as np
import pytest

from workflow_scripts.cells.confopt_logs import MOST_BYTES, read_confopt_log
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.steps import import_confopt_logs, search_tables
from workflow_scripts.study.cell_settings import StopRule
from workflow_scripts.study.search_spaces import load_space
from workflow_scripts.tables.cell_tables import SEARCHES
from workflow_scripts.tables.files import read_arrays, read_json
from workflow_scripts.tables.genotype import parse_genotype
from workflow_scripts.tables.search_run import read_search_run

REAL = Path(__file__).parents[3] / "shared" / "published" / "confopt-logs"
needs_logs = pytest.mark.skipif(not REAL.is_dir(), reason="the logs of 2024 are not next to this checkout")
S2 = load_space("s2")


def matrix(number, first=0.1, rows=14):
    values = ",\n        ".join(f"[{first:.4f}, {-0.01 * row:.4f}]" for row in range(rows))
    return f"alpha {number} is Parameter containing:\ntensor([{values}], device='cuda:0', requires_grad=True)\n"


def epoch_text(number, alphas=True, epochs=2, **matrices):
    lines = (
        f"[{number:03}-{epochs:03}] Search: Model metrics  : loss=1.5, accuracy@1=40.25%, accuracy@5=88%, time-cost=1\n"
        f"[{number:03}-{epochs:03}] Search: Architecture metrics  : loss=9.9, accuracy@1=1.00%, accuracy@5=88.5%\n"
        f"[{number:03}-{epochs:03}] Evaluation:  : loss=1.25, accuracy@1=45.50%, accuracy@5=92.4%\n"
        "Benchmark Results for cifar10 -> train: 0.0, valid: 0.0, test: 93.4\n"
    )
    return lines + (matrix(0, **matrices) + matrix(1) if alphas else "")


def log_of(tmp_path, text):
    path = tmp_path / "darts_s2_1.log"
    path.write_text("Files already downloaded and verified\n" + text)
    return read_confopt_log(path, "s2", S2, "cifar10", 1)


def test_a_search_in_our_form(tmp_path):
    log = log_of(tmp_path, epoch_text(1, alphas=False) + epoch_text(2))
    history = log.search.history
    assert (
        history["train_error_percent"].tolist() == [59.75] * 2 and history["valid_error_percent"].tolist() == [54.5] * 2
    )
    assert history["train_loss"].tolist() == [1.5] * 2 and history["valid_loss"].tolist() == [1.25] * 2
    assert history["learning_rate"].isna().all() and history["genotype"].isna().tolist() == [True, False]
    assert log.alphas["epoch"].tolist() == [1] and log.alphas["normal"].shape == (1, 14, 2)
    assert log.alphas["normal"][0, 3].tolist() == [0.1, -0.03]
    # All first operations are skip-connections; an edge is the stronger, the smaller its second alpha.
    assert parse_genotype(history["genotype"][1]).normal[-2:] == (("skip_connect", 4), ("skip_connect", 3))
    assert log.search.eigenvalues == [] and log.search.hessians is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it has 0 epochs trained and 0 evaluated"),
        (epoch_text(1), "it has 1 epochs trained and 1 evaluated"),
        (epoch_text(2) + epoch_text(1), "epoch 002 stands where epoch 1 should"),
        (epoch_text(1) + epoch_text(2, alphas=False), "its last epoch has no alphas"),
        (epoch_text(1) + epoch_text(2).replace("accuracy@1=45.50", "accuracy@1=145.50"), "between 0 and 100"),
        (epoch_text(1) + epoch_text(2, rows=13), "the alphas of epoch 2 are not of this space"),
        (epoch_text(1) + epoch_text(2) + matrix(1), "the alphas of epoch 2 are not of this space"),
        (epoch_text(1) + epoch_text(2).replace("0.1000", "nan"), "the alphas of epoch 2 cannot be read"),
        (epoch_text(1) + epoch_text(2)[:-300], "the alphas of epoch 2 cannot be read"),
        ("x" * (MOST_BYTES + 1), "more than any of the published logs"),
    ],
)
def test_a_log_that_is_not_as_published(tmp_path, text, message):
    with pytest.raises(ValueError, match=rf"darts_s2_1\.log: this is not such a log \(.*{message}") as error:
        log_of(tmp_path, text)
    assert "\n" not in str(error.value)


def imported(tmp_path, monkeypatch, space, search="confopt", seeds=(9001, 9002, 9003), l2=3e-4):
    monkeypatch.chdir(tmp_path)
    folders = [tmp_path / search / f"{space}-{seed}" for seed in seeds]
    outputs = {kind: [folder / file for folder in folders] for kind, file in import_confopt_logs.FILES.items()}
    outputs |= {"alphas": [folder / "alphas.npz" for folder in folders], "report": [tmp_path / "import.json"]}
    runs = [{"l2": l2, "drop_path": 0.0, "seed": seed} for seed in seeds]
    access = {"mirrors": [str(REAL)], "offline": True}
    settings = {"search": search, "space": space, "candidates": load_space(space), "data_set": "cifar10", "runs": runs}
    read = import_confopt_logs.run(settings | {"access": access}, {}, outputs, Silent())
    return folders, read


@pytest.mark.parametrize(("space", "changes"), [("s1", {}), ("s2", {"seeds": (1,)}), ("s4", {"l2": 0.1})])
def test_a_search_that_they_do_not_hold(tmp_path, monkeypatch, space, changes):
    with pytest.raises(ValueError, match=r"^these logs hold no search of .*; they are of s2 and s4 on cifar10"):
        imported(tmp_path, monkeypatch, space, **changes)


@needs_logs
@pytest.mark.parametrize(
    ("space", "operation", "counts"),
    [("s2", "skip_connect", [[0, 0, 1], [3, 4, 4], [5, 5, 7]]), ("s4", "noise", [[0, 0, 0], [0, 0, 0], [4, 4, 6]])],
)
def test_what_takes_over_in_the_real_searches(tmp_path, monkeypatch, space, operation, counts):
    """In the normal cell of plain DARTS after epochs 10, 25 and 50."""
    folders, read = imported(tmp_path, monkeypatch, space)
    assert [path.name for path in read["source"]] == [f"darts_{space}_{seed}.log" for seed in (9001, 9002, 9003)]
    texts = [read_search_run(folder).history["genotype"] for folder in folders]
    found = [[parse_genotype(text[epoch]).count(operation) for text in texts] for epoch in (9, 24, 49)]
    assert found == counts
    for folder in folders:
        assert read_arrays(folder / "alphas.npz")["normal"].shape == (50, 14, 2)


@needs_logs
def test_real_searches_of_lora_darts(tmp_path, monkeypatch):
    folders, _ = imported(tmp_path, monkeypatch, "s4", "confopt_lora")
    for folder in folders:
        alphas = read_arrays(folder / "alphas.npz")
        assert alphas["reduce"].shape == (40, 14, 2) and np.array_equal(alphas["epoch"], np.arange(10, 50))
        run = read_search_run(folder)
        assert len(run.history) == 50 and run.history["genotype"].notna().sum() == 40
    assert "stop rule cannot be tried" in read_json(tmp_path / "import.json")["without"]
    outputs = {name: [tmp_path / f"{name}.csv"] for name in ("searches", "search_epochs", "curvature", "spectra")}
    histories = {"history": [folder / "history.csv" for folder in folders]}
    search_tables.run({"stop": StopRule().model_dump()}, histories, outputs, Silent())
    searches = SEARCHES.read(outputs["searches"][0])
    assert searches["stop_epoch"].isna().all() and searches["epochs"].tolist() == [50] * 3
