"""The one on-disk form of a search, and the tables made from it."""

import numpy as np
import pandas as pd
import pytest
from tables.made_up import SETTINGS, example_search, genotype_of, hessians_of, write_search

from workflow_scripts.runtime.progress import Silent
from workflow_scripts.steps import join_tables, search_tables
from workflow_scripts.tables.cell_tables import CURVATURE, SEARCH_EPOCHS, SEARCHES
from workflow_scripts.tables.search_run import FILES, read_search_run

RISING = [1.0] * 11 + [3.0] * 15  # stops at epoch 10, known at epoch 22


def tables_of(histories, folder):
    names = ("searches", "search_epochs", "curvature", "spectra")
    outputs = {name: [folder / f"{name}.csv"] for name in names}
    search_tables.run({"stop": {}}, {"history": histories}, outputs, Silent())
    return [table.read(outputs[table.name][0]) for table in (SEARCHES, SEARCH_EPOCHS, CURVATURE)]


@pytest.mark.parametrize("hessians", [None, hessians_of(26)])
def test_round_trip(hessians, tmp_path):
    run = example_search(eigenvalues=[0.1 + 1 / (3 + i) for i in range(26)], hessians=hessians)
    write_search(tmp_path, run)
    found = read_search_run(tmp_path)
    pd.testing.assert_frame_equal(found.history, run.history, check_exact=True)
    assert found.settings == SETTINGS
    assert found.outcome == run.outcome
    assert found.curvature_epochs == run.curvature_epochs
    assert found.eigenvalues == run.eigenvalues
    if hessians is None:
        assert found.hessians is None
    else:
        assert found.hessians.dtype == hessians.dtype
        assert np.array_equal(found.hessians, hessians)


def test_same_content_same_bytes(tmp_path):
    for name in ("first", "again"):
        write_search(tmp_path / name, example_search(hessians=hessians_of(26)))
    for name in FILES:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_search_that_diverged_at_once(tmp_path):
    outcome = {"outcome": "diverged", "epochs": 0, "epoch": 0, "step": 3}
    history = write_search(tmp_path / "darts" / "run", example_search(epochs=0, outcome=outcome))
    found = read_search_run(history.parent)
    assert (len(found.history), found.eigenvalues, found.outcome) == (0, [], outcome)
    searches, epochs, curvature = tables_of([history], tmp_path)
    (row,) = searches.to_dict("records")
    assert (row["outcome"], row["epochs"], row["stopped"]) == ("diverged", 0, False)
    assert searches[["train_error_percent", "valid_error_percent", "final_dominant_eigenvalue"]].isna().all(axis=None)
    assert len(epochs) == len(curvature) == 0


def test_nan_is_no_setting(tmp_path):
    run = example_search()
    run.settings["l2"], l2 = float("nan"), run.settings["l2"]
    try:
        with pytest.raises(ValueError):
            write_search(tmp_path, run)
    finally:
        run.settings["l2"] = l2


def test_tables_of_two_searches(tmp_path):
    histories = [
        write_search(tmp_path / "darts" / "first", example_search(eigenvalues=RISING)),
        write_search(tmp_path / "darts" / "second", example_search()),
    ]
    searches, epochs, curvature = tables_of(histories, tmp_path)
    assert searches["run"].tolist() == ["first", "second"]
    assert set(searches["search"]) == {"darts"}
    assert searches["stopped"].tolist() == [True, False]
    assert searches["stop_epoch"].tolist() == [10, 49]
    assert searches["valid_error_percent"].tolist() == [42.5, 42.5]
    assert searches["final_dominant_eigenvalue"].tolist() == [3.0, 0.1]
    assert (
        searches[["space", "data_set", "l2", "drop_path", "seed"]].values.tolist()
        == [["s2", "digits", 3e-4, 0.2, 7]] * 2
    )
    assert len(epochs) == 100
    assert epochs["genotype"].tolist()[49::50] == [genotype_of(49).text()] * 2
    assert len(curvature) == 52


def test_moving_average_stands_at_the_epoch_it_is_known(tmp_path):
    history = write_search(tmp_path / "darts" / "run", example_search(eigenvalues=[float(i) for i in range(26)]))
    _, _, curvature = tables_of([history], tmp_path)
    first = curvature.iloc[:6]
    assert first["moving_average"].isna().tolist() == [True, True, False, False, False, False]
    assert first["moving_average"].tolist()[2:] == [1.0, 1.5, 2.0, 3.0]
    assert first["moving_average_epoch"].tolist()[2:] == [0, 2, 4, 6]
    assert curvature.iloc[-1][["epoch", "moving_average", "moving_average_epoch"]].tolist() == [49, 23.0, 46]


def test_join_keeps_order_and_types(tmp_path):
    parts = []
    for name, values in (("b", RISING), ("a", None)):
        folder = tmp_path / name
        tables_of([write_search(folder / "darts" / name, example_search(eigenvalues=values))], folder)
        parts.append(folder / "searches.csv")
    whole = tmp_path / "whole.csv"
    join_tables.run({"table": "searches"}, {"part": parts}, {"table": [whole]}, Silent())
    found = SEARCHES.read(whole)
    assert found["run"].tolist() == ["b", "a"]
    assert found["stopped"].tolist() == [True, False]
    join_tables.run({"table": "searches"}, {"part": []}, {"table": [whole]}, Silent())
    assert whole.read_text() == ",".join(SEARCHES.names) + "\n"
