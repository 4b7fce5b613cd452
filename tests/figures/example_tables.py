"""Small made-up tables, built through the schemas, that look like what the stages write."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from workflow_scripts.runtime.progress import Silent
from workflow_scripts.steps import comparison_table, space_table
from workflow_scripts.study.search_spaces import load_space
from workflow_scripts.tables.architectures import write_architectures
from workflow_scripts.tables.catalogue import TABLES as SCHEMAS
from workflow_scripts.tables.cell_tables import (
    CURVATURE,
    EVALUATIONS,
    PUBLISHED_EVALUATIONS,
    SEARCH_EPOCHS,
    SEARCHES,
    SPECTRA,
)
from workflow_scripts.tables.depth_tables import DEPTH_CALIBRATION, DEPTH_POSTERIORS, DEPTH_RUNS, DEPTH_SPEED
from workflow_scripts.tables.genotype import Genotype

Tables = dict[str, pd.DataFrame | list[dict]]
EMPTY: Tables = {**{name: table.frame([]) for name, table in SCHEMAS.items()}, "architectures": []}
EPOCHS = 50


@dataclass(frozen=True)
class Cells:
    """What a made-up cell study holds."""

    groups: Sequence[tuple[str, str]] = (("s4", "fashion_mnist"),)
    l2: Sequence[float] = (3e-4, 6e-2)
    drop_path: Sequence[float] = (0.0,)
    seeds: Sequence[int] = (0, 1)
    operations: Sequence[str] = ("sep_conv_3x3", "noise")
    evaluation_seeds: Sequence[int] = (0, 1)
    diverged: Sequence[tuple[float, float, int]] = field(default=())
    diverged_evaluations: bool = False
    search: str = "darts"
    hessian_size: int = 0


@dataclass(frozen=True)
class Depth:
    """What a made-up depth study holds."""

    max_depths: Sequence[int] = (5, 10, 20)
    seeds: Sequence[int] = (0, 1)
    ddn_depths: Sequence[int] = (0, 2, 5, 10, 20)
    points: Sequence[int] = (2000,)
    diverged: Sequence[int] = ()
    data_set: str = "spirals"


def genotype(random: np.random.Generator, operations: Sequence[str], bad: float) -> Genotype:
    """A random cell whose normal part takes the last operation with probability `bad`."""

    def edges(share: float) -> tuple[tuple[str, int], ...]:
        chosen = []
        for node in range(4):
            for source in random.permutation(node + 2)[:2]:
                pick = operations[-1] if random.random() < share else operations[random.integers(len(operations))]
                chosen.append((pick, int(source)))
        return tuple(chosen)

    return Genotype(edges(bad), edges(0.0))


def _architecture(keys: dict, method: str, epoch: int | None, found: Genotype | None) -> dict:
    return {
        **keys,
        "method": method,
        "outcome": "finished" if found else "diverged",
        "epoch": epoch,
        "epoch_reason": "stop_epoch" if found and epoch != EPOCHS - 1 else "last" if found else None,
        "valid_error_percent": 20.0 if found else None,
        "selection_error_percent": None,
        "settings_sha256": "0" * 64,
        "outputs_sha256": "1" * 64,
        "genotype": found.structure() if found else None,
        "genotype_text": found.text() if found else None,
    }


def _untrained(keys: dict, method: str, number: int) -> dict:
    """The row of an architecture that was not found, and so not trained."""
    absent = dict.fromkeys(column.name for column in EVALUATIONS.columns)
    return {**absent, **keys, "method": method, "evaluation_seed": number, "outcome": "search diverged"}


def cells(study: Cells = Cells()) -> Tables:
    """The tables and the architectures of a made-up cell study; errors were published of what DARTS found."""
    searches, epochs, curvature, evaluations, architectures, spectra = [], [], [], [], [], []
    published = []
    for space, data_set in study.groups:
        for l2 in study.l2:
            for drop_path in study.drop_path:
                for seed in study.seeds:
                    random = np.random.default_rng([int(l2 * 1e5), int(drop_path * 10), seed, len(data_set)])
                    keys = {
                        "space": space,
                        "data_set": data_set,
                        "search": study.search,
                        "run": f"l2_{l2:g}-dp_{drop_path:g}-seed_{seed}",
                        "l2": l2,
                        "drop_path": drop_path,
                        "seed": seed,
                    }
                    diverged = (l2, drop_path, seed) in study.diverged
                    last = 17 if diverged else EPOCHS - 1
                    weak = 0.5 / (1 + 200 * l2 + 3 * drop_path)
                    measured = [epoch for epoch in [*range(0, EPOCHS, 2), EPOCHS - 1] if epoch <= last]
                    values = [0.1 + weak * np.exp(epoch / 25) * random.uniform(0.7, 1.2) / 2 for epoch in measured]
                    for place, epoch in enumerate(measured):
                        window = values[max(0, place - 4) : place + 1]
                        known = place >= 2
                        curvature.append(
                            {
                                **keys,
                                "epoch": epoch,
                                "dominant_eigenvalue": values[place],
                                "dominant_eigenvalue_without_decay": values[place] - 1e-3,
                                "moving_average": float(np.mean(window)) if known else None,
                                "moving_average_epoch": epoch - 4 if known else None,
                            }
                        )
                    stopped = not diverged and l2 < 0.01 and drop_path < 0.5
                    stop_epoch = (14 + 2 * seed if stopped else last) if not diverged else None
                    searches.append(
                        {
                            **keys,
                            "outcome": "diverged" if diverged else "finished",
                            "epochs": last + 1,
                            # a search that diverged has the values of its last whole epoch
                            "train_error_percent": 80.0 if diverged else 10.0 + seed,
                            "valid_error_percent": 90.0 if diverged else 20.0 + seed,
                            "stopped": stopped,
                            "stop_epoch": stop_epoch,
                            "final_dominant_eigenvalue": 77.0 if diverged else values[-1],
                            "final_l2": l2,
                            "rollbacks": 0,
                            "discretised_valid_error_percent": None if diverged else 20.0 + seed + 50 * values[-1],
                            "genotype": genotype(random, study.operations, 0.5).text(),
                        }
                    )
                    spectrum = np.sort(values[-1] * np.exp(-np.arange(study.hessian_size) / 4))[::-1]
                    spectra += [
                        {**keys, "epoch": last, "index": index, "eigenvalue": float(value) - 0.01}
                        for index, value in enumerate(spectrum)
                        if not diverged
                    ]
                    for epoch in range(last + 1):
                        epochs.append(
                            {
                                **keys,
                                "epoch": epoch,
                                "l2_now": l2,
                                "train_loss": 2.0 / (epoch + 1),
                                "train_error_percent": 60.0 / (epoch + 1),
                                "valid_loss": 2.5 / (epoch + 1),
                                "valid_error_percent": 65.0 / (epoch + 1),
                                "genotype": genotype(random, study.operations, 0.5).text(),
                            }
                        )
                    if diverged:
                        for method in ("darts", "darts_es"):
                            architectures.append(_architecture(keys, method, None, None))
                            evaluations += [_untrained(keys, method, number) for number in study.evaluation_seeds]
                        continue
                    previous, errors = None, {}
                    for method in ("darts", "darts_es"):
                        late = method == "darts" and stopped
                        own = genotype(random, study.operations, 1.0 if late else 0.2)
                        found = previous = own if stopped or previous is None else previous
                        epoch = last if method == "darts" else stop_epoch
                        architectures.append(_architecture(keys, method, epoch, found))
                        if method == "darts" and (space, data_set) == study.groups[0]:
                            published.append(
                                {
                                    **{name: keys[name] for name in ("space", "data_set", "l2")},
                                    "drop_path": None,
                                    "init_channels": 16 if drop_path else 36,
                                    "layers": 8 if drop_path else 20,
                                    "test_error_percent": None if seed == 1 and late else 3 + seed + 2 * late,
                                    "genotype": found.text(),
                                }
                            )
                        for number in study.evaluation_seeds:
                            bad = study.diverged_evaluations and late and number == study.evaluation_seeds[-1]
                            error = (88 if late else 20) + 2 * random.random()
                            if method == "darts" or stopped:
                                errors[number] = error
                            evaluations.append(
                                {
                                    **keys,
                                    "method": method,
                                    "epoch": epoch,
                                    "evaluation_seed": number,
                                    "evaluation_epochs": 12,
                                    "outcome": "diverged" if bad else "finished",
                                    "test_error_percent": None if bad else errors[number],
                                    "train_error_percent": None if bad else 15.0,
                                    "parameters_millions": 0.021,
                                    "parameters_with_auxiliary_millions": 0.021,
                                    "multiply_adds_millions": 1.5,
                                    "genotype": found.text(),
                                    "same_as": None if method == "darts" or stopped else f"darts/{keys['run']}",
                                }
                            )
    return {
        **EMPTY,
        "searches": SEARCHES.frame(searches),
        "search_epochs": SEARCH_EPOCHS.frame(epochs),
        "curvature": CURVATURE.frame(curvature),
        "spectra": SPECTRA.frame(spectra),
        "evaluations": EVALUATIONS.frame(evaluations),
        "published_evaluations": PUBLISHED_EVALUATIONS.frame(published),
        "architectures": architectures,
    }


def depth(study: Depth = Depth()) -> Tables:
    """The two tables of a made-up depth study."""
    runs, posteriors, calibration, speed = [], [], [], []
    plan = [("ldn", "max_depth", each) for each in study.max_depths]
    plan += [("ddn", "deterministic_depth", each) for each in study.ddn_depths]
    for model, experiment, max_depth in plan:
        for points in study.points:
            for seed in study.seeds:
                random = np.random.default_rng([max_depth, seed, points, model == "ldn"])
                keys = {
                    "experiment": experiment,
                    "run": f"{experiment}-D_{max_depth}-points_{points}-seed_{seed}",
                    "model": model,
                    "data_set": study.data_set,
                    "max_depth": max_depth,
                    "width": 20,
                    "points": points,
                    "train_points": points // 10,
                    "noise": 0.2 if study.data_set == "spirals" else None,
                    "stop_angle_degrees": 720.0 if study.data_set == "spirals" else None,
                    "data_seed": 0,
                    "weight_seed": seed,
                    "closed_form_from": None,
                }
                diverged = model == "ldn" and max_depth in study.diverged
                depths = np.arange(max_depth + 1)
                prior = 0.85 ** (1 + depths)
                prior /= prior.sum()
                centre = min(max_depth, 4 + 0.2 * max_depth)
                q = np.exp(-((depths - centre) ** 2) / (0.1 * max_depth**2 + 2)) * random.uniform(0.8, 1.2, len(depths))
                q = q / q.sum() if model == "ldn" else (depths == max_depth).astype(float)
                best = prior * np.exp(-((depths - centre - 1) ** 2) / 3)
                best /= best.sum()
                likelihood = -0.02 - 0.65 * np.exp(-depths / 2) - 0.0008 * depths * random.uniform(0.5, 1.5)
                d_opt = int(np.argmax(q > 0.95 * q.max()))
                absent = dict.fromkeys([column.name for column in DEPTH_RUNS.columns if column.name not in keys])
                runs.append(
                    {
                        **keys,
                        **absent,
                        "outcome": "diverged" if diverged else "finished",
                        "epochs": 100 if diverged else 8000,
                    }
                    | (
                        {}
                        if diverged
                        else {
                            "best_epoch": 7000,
                            "best_elbo": -12.0,
                            "expected_depth": float(q @ depths),
                            "d_opt": d_opt,
                            "expected_depth_optimal_q": float(best @ depths) if model == "ldn" else None,
                            "d_opt_optimal_q": int(np.argmax(best > 0.95 * best.max())) if model == "ldn" else None,
                            "test_error_full_percent": 1.0 + seed / 10,
                            "test_error_d_opt_percent": 1.1,
                            "test_error_expected_percent": 1.2,
                            "test_log_likelihood_full": float(likelihood[max_depth] if model == "ddn" else -0.03),
                            "test_log_likelihood_d_opt": -0.035,
                            "test_log_likelihood_expected": -0.034,
                            "mean_true_class_probability_full": 0.97,
                            "calibration_error_full": 0.01,
                            "calibration_error_d_opt": 0.02,
                            "multiply_adds_deterministic": 1000 * (1 + max_depth),
                            "multiply_adds_d_opt": 1040 * (1 + d_opt),
                        }
                    )
                )
                for d in [] if diverged else depths:
                    alone = model == "ldn" or d == max_depth
                    posteriors.append(
                        {
                            **keys,
                            "depth": int(d),
                            "prior": prior[d],
                            "q": q[d],
                            "optimal_q": best[d] if model == "ldn" else None,
                            "layer_on_probability": float(q[d:].sum()),
                            "train_log_likelihood": likelihood[d] if alone else None,
                            "test_log_likelihood": likelihood[d] if alone else None,
                            "test_mean_true_class_probability": 0.97 if alone else None,
                            "test_error_percent": 1.0 if alone else None,
                        }
                    )
                if diverged:
                    continue
                for prediction, each in product(("full", "d_opt", "expected"), range(10)):
                    shares = {"mean_confidence": each / 10 + 0.06, "share_right": each / 10 + 0.02 * seed}
                    row = {**keys, "prediction": prediction, "bin": each, "test_points": 20 * each, **shares}
                    calibration.append(row)
                for repeat in range(3) if model == "ldn" else ():
                    times = {"deterministic_milliseconds": 1.0 + max_depth, "d_opt_milliseconds": 1.1 + d_opt + repeat}
                    speed.append({**keys, "d_opt": d_opt, "batch": 64, "device": "cpu", "repeat": repeat, **times})
    return {
        **EMPTY,
        "depth_runs": DEPTH_RUNS.frame(runs),
        "depth_posteriors": DEPTH_POSTERIORS.frame(posteriors),
        "depth_calibration": DEPTH_CALIBRATION.frame(calibration),
        "depth_speed": DEPTH_SPEED.frame(speed),
    }


def all_tables(folder: Path) -> Tables:
    """A study in which every figure has something to draw; tables that steps make are made in `folder`."""
    study = Cells(
        groups=(("s1", "cifar10"), ("s4", "fashion_mnist")),
        drop_path=(0.0, 0.2),
        hessian_size=12,
        diverged=((6e-2, 0.0, 1),),
    )
    tables = cells(study) | {name: table for name, table in depth(Depth()).items() if name.startswith("depth")}
    paths = write(tables, folder)
    published = Path(__file__).parents[2] / "config" / "published_values.csv"
    inputs, outputs = {"evaluations": [paths["evaluations"]], "published": [published]}, [paths["comparison"]]
    comparison_table.run({}, inputs, {"comparison": outputs}, Silent())
    spaces = {"spaces": {name: load_space(name) for name in ("s1", "s4")}}
    space_table.run(spaces, {}, {"search_spaces": [paths["search_spaces"]]}, Silent())
    made = ("comparison", "search_spaces")
    return tables | {name: SCHEMAS[name].read(paths[name]) for name in made}


def write(tables: Tables, folder: Path) -> dict[str, Path]:
    """The tables as the stages lay them out: tables/<name>.csv and architectures.yaml."""
    paths = {name: folder / "tables" / f"{name}.csv" for name in SCHEMAS}
    for name, path in paths.items():
        SCHEMAS[name].write(tables[name], path)
    paths["architectures"] = folder / "architectures.yaml"
    write_architectures(paths["architectures"], tables["architectures"])
    return paths


def frame(tables: Tables, name: str) -> pd.DataFrame:
    """One of the tables that are frames."""
    table = tables[name]
    assert isinstance(table, pd.DataFrame)
    return table


def architectures(tables: Tables) -> list[dict]:
    """The architectures among the tables."""
    found = tables["architectures"]
    assert isinstance(found, list)
    return found
