"""The two steps end to end on tiny runs: files, bytes, divergence and tables."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from contributing_examples import with_example

from workflow_scripts.depth.evaluation import evaluate
from workflow_scripts.depth.networks import DepthNetwork, Residual
from workflow_scripts.depth.posterior import LearntPosterior, expected_depth, kl_divergence, optimal_depth
from workflow_scripts.depth.prior import geometric_log_prior
from workflow_scripts.depth.run_setup import build, load
from workflow_scripts.depth.training import DepthModel
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.steps import depth_search, depth_tables
from workflow_scripts.study.depth_settings import Depth, expand, experiment_of
from workflow_scripts.tables.depth_tables import DEPTH_POSTERIORS, DEPTH_RUNS, RUN_HISTORY

ROOT = Path(__file__).parents[2]
STUDY = {
    "experiments": {
        "shape": {
            "models": ["ldn", "ddn"],
            "max_depths": [10, 2],
            "widths": [5],
            "seeds": [1],
            "data": {"points": 200},
            "training": {"epochs": 15},
        },
        "broken": {
            "max_depths": [3],
            "seeds": [1],
            "data": {"points": 200},
            "training": {"epochs": 5, "learning_rate": 1e30},
        },
    },
    "depths_per_job": 16,
}


def search(folder, study=STUDY, progress=None):
    """The group folders of a study, searched."""
    groups = expand(Depth.model_validate(study))
    for group, runs in groups.items():
        settings = {
            "experiment": experiment_of(group),
            "runs": {name: run.model_dump(mode="json") for name, run in runs.items()},
        }
        depth_search.run(settings, {}, {"folder": [folder / group]}, progress or Silent())
    return [folder / group for group in groups]


def tables(folders, out):
    names = ("depth_runs", "depth_posteriors", "depth_calibration")
    outputs = {name: [out / f"{name}.csv"] for name in names}
    depth_tables.run({}, {"folder": folders}, outputs, Silent())
    return DEPTH_RUNS.read(out / "depth_runs.csv"), DEPTH_POSTERIORS.read(out / "depth_posteriors.csv")


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("searched")
    return search(folder)


def run_folder(searched, name):
    (path,) = [folder / name for folder in searched if (folder / name).is_dir()]
    return path


def test_files_of_a_run(searched):
    folder = run_folder(searched, "shape_ldn_D2_width-5_seed-1")
    names = [
        "calibration.csv",
        "depths.csv",
        "history.csv",
        "outcome.json",
        "predictive_map.npz",
        "settings.json",
        "weights.pt",
    ]
    assert sorted(path.name for path in folder.iterdir()) == names
    history = RUN_HISTORY.read(folder / "history.csv")
    assert history["epoch"].tolist() == list(range(15))
    outcome = json.loads((folder / "outcome.json").read_text())
    assert outcome["best_elbo"] == pytest.approx(history["elbo"].max())
    assert outcome["best_epoch"] == history["elbo"].argmax()


def test_results_are_those_of_the_stored_snapshot(searched):
    folder = run_folder(searched, "shape_ldn_D10_width-5_seed-1")
    run = expand(Depth.model_validate(STUDY))["shape_seed-1_spirals_ldn_D0-15_width-5"]["shape_ldn_D10_width-5_seed-1"]
    model = build(run)
    model.load_state_dict(torch.load(folder / "weights.pt", weights_only=True))
    stored = json.loads((folder / "outcome.json").read_text())
    evaluation = evaluate(model, load(run).train, load(run).test)
    summary = evaluation.summary
    assert {name: stored[name] for name in summary} == summary
    with np.load(folder / "predictive_map.npz") as stored_map:
        probability, axis = stored_map["class_1_probability"], stored_map["axis"]
        np.testing.assert_array_equal(stored_map["x_train"], load(run).train[0].numpy())
    row, column = 30, 100  # row is y, column is x
    there = model.predict(torch.tensor([[axis[column], axis[row]]])).exp()
    assert probability.shape == (121, 121)
    assert probability[row, column] == pytest.approx(there[0, 1].item(), abs=1e-5)
    assert 0 <= probability.min() < probability.max() <= 1


class Stated(DepthNetwork):
    """A network whose logits are stated: depth d gives class 0 the probability `right[d]` at every point."""

    def __init__(self, right):
        blocks = [Residual() for _ in right[1:]]
        super().__init__(torch.nn.Identity(), torch.nn.Linear(2, 2, bias=False), blocks)
        self.logits = torch.tensor([[p, 1 - p] for p in right], dtype=torch.float64).log()

    def forward(self, x):
        return self.logits[:, None, :].expand(-1, len(x), -1)


def test_numbers_of_a_run_by_hand():
    """q = 0.1, 0.2, 0.3, 0.4 has d_opt 3 and E[d] 2; every test point is of class 0, every training point too."""
    model = DepthModel(Stated([0.3, 0.6, 0.8, 0.9]), LearntPosterior(geometric_log_prior(3, 0.5), 1e-10).double())
    model.posterior.q_logits.data = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64).log()
    train, test = ((torch.zeros(n, 2), torch.zeros(n, dtype=torch.int64)) for n in (2, 5))
    evaluation = evaluate(model, train, test)
    summary = evaluation.summary
    full, at_two = 0.03 + 0.12 + 0.24 + 0.36, 0.03 + 0.12 + 0.7 * 0.8
    assert (summary["d_opt"], summary["expected_depth"]) == (3, pytest.approx(2))
    assert summary["multiply_adds_deterministic"] == 4
    assert summary["mean_true_class_probability_full"] == pytest.approx(full)
    assert summary["test_log_likelihood_full"] == pytest.approx(math.log(full))
    assert summary["test_log_likelihood_d_opt"] == pytest.approx(math.log(full))
    assert summary["test_log_likelihood_expected"] == pytest.approx(math.log(at_two))
    assert [row["test_error_percent"] for row in evaluation.depths] == [100, 0, 0, 0]
    assert [row["prior"] for row in evaluation.depths] == pytest.approx([8 / 15, 4 / 15, 2 / 15, 1 / 15])
    weights = [8 * 0.3**2, 4 * 0.6**2, 2 * 0.8**2, 0.9**2]  # two training points
    best = [weight / sum(weights) for weight in weights]
    assert [row["optimal_q"] for row in evaluation.depths] == pytest.approx(best)
    assert summary["d_opt_optimal_q"] == 1
    assert summary["expected_depth_optimal_q"] == pytest.approx(best[1] + 2 * best[2] + 3 * best[3])
    assert [row["layer_on_probability"] for row in evaluation.depths] == pytest.approx([1, 0.9, 0.7, 0.4])


def test_the_same_study_gives_the_same_bytes(searched, tmp_path):
    again = search(tmp_path)
    first = {
        path.relative_to(searched[0].parent): path.read_bytes()
        for f in searched
        for path in f.rglob("*")
        if path.is_file()
    }
    second = {path.relative_to(tmp_path): path.read_bytes() for f in again for path in f.rglob("*") if path.is_file()}
    assert len(first) == 4 * 7 + 5
    assert first == second


def test_a_run_does_not_depend_on_the_others_of_its_group(searched, tmp_path):
    alone = search(tmp_path, STUDY | {"depths_per_job": 1})
    for name in ("shape_ddn_D10_width-5_seed-1", "shape_ldn_D2_width-5_seed-1"):
        for path in run_folder(searched, name).iterdir():
            assert path.read_bytes() == (run_folder(alone, name) / path.name).read_bytes()


def test_divergence_is_recorded_and_left_without_numbers(searched, tmp_path):
    folder = run_folder(searched, "broken_ldn_D3_width-20_seed-1")
    outcome = json.loads((folder / "outcome.json").read_text())
    assert outcome["outcome"] == "diverged"
    assert outcome["diverged_epoch"] == outcome["epochs"]
    assert outcome["diverged_step"] == 0
    assert not (folder / "weights.pt").exists()
    runs, posteriors = tables(searched, tmp_path)
    row = runs[runs["run"] == "broken_ldn_D3_width-20_seed-1"].iloc[0]
    assert row["outcome"] == "diverged"
    assert row.isna()[["d_opt", "expected_depth", "test_error_full_percent"]].all()
    assert "broken" not in set(posteriors["experiment"])


def test_logits_beyond_float32_are_computed_in_float64():
    run = next(iter(expand(Depth.model_validate(STUDY)).values()))["shape_ldn_D2_width-5_seed-1"]
    model, data = build(run), load(run)
    with torch.no_grad():
        model.network.head.weight *= 3e38
    assert not torch.isfinite(model.eval().logits(data.test[0])).all()
    summary = evaluate(model, data.train, data.test).summary
    assert -1e40 < summary["test_log_likelihood_full"] < -1e35
    assert summary["test_error_full_percent"] < 100


def test_predictions_that_are_not_finite_are_a_divergence(tmp_path, monkeypatch):
    monkeypatch.setattr(depth_search, "evaluate", _evaluate_broken)
    experiment = STUDY["experiments"]["shape"] | {"models": ["ldn"], "max_depths": [2]}
    (folder,) = search(tmp_path, {"experiments": {"broken": experiment}})
    outcome = json.loads((folder / "broken_ldn_D2_width-5_seed-1" / "outcome.json").read_text())
    assert (outcome["outcome"], outcome["diverged_epoch"]) == ("diverged", outcome["best_epoch"])
    assert outcome["diverged_step"] == 0
    assert not (folder / "broken_ldn_D2_width-5_seed-1" / "weights.pt").exists()


def _evaluate_broken(model, train, test):
    """Evaluation of a network that predicts no number."""
    with torch.no_grad():
        model.network.head.weight.fill_(math.nan)
    return evaluate(model, train, test)


def test_tables_are_sorted_by_value_and_agree_with_each_other(searched, tmp_path):
    runs, posteriors = tables(searched[::-1], tmp_path)
    assert runs["run"].tolist() == [
        "broken_ldn_D3_width-20_seed-1",
        "shape_ddn_D2_width-5_seed-1",
        "shape_ddn_D10_width-5_seed-1",
        "shape_ldn_D2_width-5_seed-1",
        "shape_ldn_D10_width-5_seed-1",
    ]
    assert runs["train_points"].tolist() == [20] * 5
    for _, run in runs[runs["outcome"] == "finished"].iterrows():
        rows = posteriors[posteriors["run"] == run["run"]]
        assert rows["depth"].tolist() == list(range(run["max_depth"] + 1))
        q = torch.tensor(rows["q"].tolist(), dtype=torch.float64)
        assert q.sum().item() == pytest.approx(1)
        assert run["expected_depth"] == pytest.approx(expected_depth(q))
        assert run["d_opt"] == optimal_depth(q)
        assert rows["layer_on_probability"].iloc[0] == 1


def test_a_ddn_reports_its_own_depth_only(searched, tmp_path):
    runs, posteriors = tables(searched, tmp_path)
    run = runs[runs["run"] == "shape_ddn_D2_width-5_seed-1"].iloc[0]
    rows = posteriors[posteriors["run"] == "shape_ddn_D2_width-5_seed-1"]
    assert (run["d_opt"], run["expected_depth"]) == (2, 2.0)
    assert rows["q"].tolist() == [0, 0, 1]
    assert rows["layer_on_probability"].tolist() == [1, 1, 1]
    assert rows["test_error_percent"].isna().tolist() == [True, True, False]
    assert rows["test_error_percent"].iloc[2] == run["test_error_full_percent"] == run["test_error_d_opt_percent"]
    assert rows[["prior", "optimal_q"]].isna().all(axis=None)


def test_another_prior_reaches_the_training_and_the_tables(tmp_path, monkeypatch):
    """The binomial prior that CONTRIBUTING.md shows, in the place of the geometric one."""
    stated = torch.tensor([1, 2, 1], dtype=torch.float64) / 4
    shape = {"max_depths": [2], "widths": [5], "seeds": [1], "data": {"points": 200}, "training": {"epochs": 5}}
    study = {"experiments": {"shape": shape}}
    (geometric,) = search(tmp_path / "geometric", study)
    shown = with_example("workflow_scripts/depth/prior.py", tmp_path).log_prior
    monkeypatch.setattr("workflow_scripts.depth.run_setup.log_prior", shown)
    (binomial,) = search(tmp_path / "binomial", study)
    table, posteriors = tables([binomial], tmp_path)
    assert posteriors["prior"].tolist() == pytest.approx(stated.tolist())
    first, other = (RUN_HISTORY.read(next(folder.rglob("history.csv"))) for folder in (geometric, binomial))
    uniform = torch.full((3,), 1 / 3, dtype=torch.float64)
    kl = kl_divergence(uniform, stated, 1e-10).item() / table["train_points"].iloc[0]
    assert other["kl_per_sample"].iloc[0] == pytest.approx(kl, rel=1e-5)
    assert first["kl_per_sample"].iloc[0] != pytest.approx(kl, rel=1e-2)


def test_an_empty_study_gives_tables_with_headers(tmp_path):
    runs, posteriors = tables([], tmp_path)
    assert len(runs) == len(posteriors) == 0


def test_an_incomplete_run_and_a_double_one_are_named(searched, tmp_path):
    (tmp_path / "group" / "some_run").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"some_run/settings\.json is missing"):
        tables([tmp_path / "group"], tmp_path)
    with pytest.raises(ValueError, match="and again in"):
        tables([searched[0], searched[0]], tmp_path)


def test_progress_reaches_the_total(tmp_path):
    class Heard(Silent):
        def __init__(self):
            self.lines = []

        def advance(self, done, total, note=""):
            self.lines.append((done, total, note))

    heard = Heard()
    search(tmp_path, {"experiments": {"shape": STUDY["experiments"]["shape"] | {"models": ["ddn"]}}}, heard)
    shape = heard.lines
    assert [line[0] for line in shape] == sorted(line[0] for line in shape)
    assert shape[-1][0] == 30
    assert "shape_ddn_D2_width-5_seed-1  finished after 15 epochs" in shape[-1][2]


@pytest.mark.parametrize("module", ["workflow_scripts.steps.depth_tables", "workflow_scripts.study.depth_settings"])
def test_light_modules_do_not_import_torch(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
