"""The table of trainings: what two methods or searches trained alike counts once."""

import json

from workflow_scripts.runtime.progress import Silent
from workflow_scripts.steps import evaluation_table
from workflow_scripts.tables.architectures import write_architectures
from workflow_scripts.tables.cell_tables import EVALUATIONS
from workflow_scripts.tables.genotype import Genotype

SKIPS, NOISE = (Genotype(cell := ((name, 0), (name, 1)) * 4, cell) for name in ("skip_connect", "noise"))
ARCHITECTURE = {"space": "s2", "data_set": "digits", "search": "darts", "l2": 3e-4, "drop_path": 0.0, "seed": 1}
DERIVED = {"outcome": "found", "epoch_reason": "last", "valid_error_percent": 1.0, "selection_error_percent": None}
DERIVED |= {"settings_sha256": "0" * 64, "outputs_sha256": "1" * 64}


def table(folder, trainings):
    """The table of trainings, each of a method, a run, an architecture (or None), a seed and a number of epochs."""
    outcomes, found = [], {}
    for number, (method, run, genotype, seed, _) in enumerate(trainings):
        text = None if genotype is None else genotype.text()
        trained = ARCHITECTURE | {"method": method, "run": run, "epoch": 1, "genotype_text": text}
        structure = None if genotype is None else genotype.structure()
        found[method, run] = trained | DERIVED | {"genotype": structure}
        outcomes.append(folder / f"{number}.json")
        outcome = "search diverged" if genotype is None else "finished"
        outcomes[-1].write_text(json.dumps({"outcome": outcome, "seed": seed, "architecture": trained}))
    write_architectures(folder / "architectures.yaml", list(found.values()))
    inputs = {"outcome": outcomes, "architectures": [folder / "architectures.yaml"]}
    settings, written = {"epochs": [training[-1] for training in trainings]}, folder / "evaluations.csv"
    evaluation_table.run(settings, inputs, {"evaluations": [written]}, Silent())
    return EVALUATIONS.read(written)


def test_what_methods_and_searches_trained_alike_counts_once_at_the_first(tmp_path):
    trainings = [
        ("darts_es", "one", SKIPS, 1, 6),
        ("darts", "one", SKIPS, 1, 6),
        ("darts", "other", SKIPS, 1, 6),
        ("r_darts_l2", "seed-1", NOISE, 1, 6),
    ]
    same = table(tmp_path, trainings)["same_as"]
    assert same.fillna("").to_list() == ["darts/one", "", "darts/one", ""]


def test_another_seed_length_or_no_architecture_is_not_the_same(tmp_path):
    trainings = [
        ("darts", "one", SKIPS, 1, 6),
        ("darts_es", "one", SKIPS, 2, 6),
        ("darts_es", "two", SKIPS, 1, 7),
        ("darts", "three", None, 1, 6),
        ("darts_es", "three", None, 1, 6),
    ]
    assert table(tmp_path, trainings)["same_as"].isna().all()
