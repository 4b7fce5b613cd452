"""Architecture files: read back, refused when damaged, and derived from searches."""

from dataclasses import replace

import pytest
import yaml
from tables.made_up import example_search, genotype_of, write_search

from workflow_scripts.cells.epoch_choice import Choice
from workflow_scripts.cells.methods import darts
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.steps import derive_architectures, gather_architectures
from workflow_scripts.tables.architectures import (
    KEYS,
    VERSION,
    architecture_genotype,
    read_architectures,
    write_architectures,
)

RISING = [1.0] * 11 + [3.0] * 15  # stops at epoch 10, known at epoch 22
METHODS = ("darts", "darts_es")


def architecture(**changes):
    genotype = genotype_of(20)
    values = dict.fromkeys(KEYS)
    found = {
        "run": "l2-0.0003_drop-0_seed-1",
        "l2": 3e-4,
        "epoch": 49,
        "genotype": genotype.structure(),
        "genotype_text": genotype.text(),
    }
    return {**values, **found, **changes}


def derived(histories, folder):
    """Per run and method the architecture that the step wrote."""
    runs = [{"run": history.parent.name, "methods": list(METHODS)} for history in histories]
    paths = [folder / f"{entry['run']}_{method}.yaml" for entry in runs for method in METHODS]
    settings, inputs = {"stop": {}, "runs": runs}, {"history": histories}
    derive_architectures.run(settings, inputs, {"architecture": paths}, Silent())
    return [read_architectures(path)[0] for path in paths]


def test_round_trip(tmp_path):
    path = tmp_path / "folder" / "architectures.yaml"
    written = [architecture(), architecture(run="another", genotype=None, genotype_text=None)]
    write_architectures(path, written)
    assert read_architectures(path) == written
    assert list(yaml.safe_load(path.read_text())["architectures"][0]) == list(KEYS)
    assert architecture_genotype(read_architectures(path)[0]) == genotype_of(20)


def test_the_order_of_keys_does_not_change_the_bytes(tmp_path):
    shuffled = dict(reversed(architecture().items()))
    for name, entry in (("first", architecture()), ("again", shuffled)):
        write_architectures(tmp_path / name, [entry])
    assert (tmp_path / "first").read_bytes() == (tmp_path / "again").read_bytes()


@pytest.mark.parametrize("change", [{"more": 1}, {"seed": ...}])
def test_other_keys_are_not_written(change, tmp_path):
    entry = {key: value for key, value in architecture(**change).items() if value is not ...}
    with pytest.raises(ValueError, match="an architecture has the keys"):
        write_architectures(tmp_path / "a.yaml", [entry])
    assert not (tmp_path / "a.yaml").exists()


def test_structure_and_text_must_agree():
    with pytest.raises(ValueError, match="its structure and its genotype text disagree"):
        architecture_genotype(architecture(genotype=genotype_of(30).structure()))


def damaged(change):
    content = {"version": VERSION, "architectures": [architecture()]}
    change(content)
    return yaml.safe_dump(content)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- 1",
        "{",
        "version: 2\n",
        "version: 2\narchitectures: 5\n",
        "version: 2\narchitectures: [5]\n",
        "!!python/object/apply:os.getcwd []",
        damaged(lambda content: content.update(version=1)),
        damaged(lambda content: content["architectures"][0].pop("seed")),
        damaged(lambda content: content["architectures"][0].update(genotype_text="Genotype()")),
        damaged(lambda content: content["architectures"][0].update(genotype_text=5)),
        damaged(lambda content: content["architectures"][0].update(genotype=genotype_of(40).structure())),
    ],
)
def test_file_that_cannot_be_read(text, tmp_path):
    path = tmp_path / "architectures.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"^{path}: not a readable architecture file"):
        read_architectures(path)


def test_darts_takes_the_last_epoch_and_early_stopping_the_stop_epoch(tmp_path):
    history = write_search(tmp_path / "stopped", example_search(eigenvalues=RISING))
    last, stopped = derived([history], tmp_path)
    assert (last["method"], last["epoch"], last["epoch_reason"]) == ("darts", 49, "last")
    assert (stopped["method"], stopped["epoch"], stopped["epoch_reason"]) == ("darts_es", 10, "stop epoch")
    assert last["genotype_text"] == genotype_of(49).text()
    assert stopped["genotype_text"] == genotype_of(10).text()
    assert (last["valid_error_percent"], stopped["valid_error_percent"]) == (42.5, 81.5)
    assert {entry["outcome"] for entry in (last, stopped)} == {"found"}


def test_early_stopping_that_never_fires_takes_the_last_epoch(tmp_path):
    _, never = derived([write_search(tmp_path / "calm", example_search())], tmp_path)
    assert (never["epoch"], never["epoch_reason"]) == (49, "never stopped")


def test_search_that_diverged(tmp_path):
    """It has no last epoch, but its stop epoch, when the rule fired before."""
    outcome = {"outcome": "diverged", "epochs": 30, "epoch": 30, "step": 2}
    early = write_search(tmp_path / "early", example_search(epochs=30, eigenvalues=RISING, outcome=outcome))
    calm = write_search(tmp_path / "calm", example_search(epochs=30, outcome=outcome))
    last, stopped, calm_last, calm_stopped = derived([early, calm], tmp_path)
    assert (stopped["outcome"], stopped["genotype_text"]) == ("found", genotype_of(10).text())
    for entry in (last, calm_last, calm_stopped):
        assert (entry["outcome"], entry["genotype_text"], entry["valid_error_percent"]) == ("diverged", None, None)
        assert (entry["epoch"], entry["epoch_reason"]) == (None, None)


def test_no_epoch_is_named_where_none_is_known(tmp_path):
    outcome = {"outcome": "diverged", "epochs": 0, "epoch": 0, "step": 3}
    at_once = write_search(tmp_path / "at once", example_search(epochs=0, outcome=outcome))
    unmeasured = write_search(tmp_path / "unmeasured", replace(example_search(), curvature_epochs=[], eigenvalues=[]))
    *both, last, unknown = derived([at_once, unmeasured], tmp_path)
    assert [(each["epoch"], each["epoch_reason"]) for each in both] == [(None, None)] * 2
    assert (last["epoch"], last["epoch_reason"]) == (49, "last")
    assert (unknown["epoch"], unknown["epoch_reason"], unknown["outcome"]) == (None, "no curvature", "not measured")


@pytest.mark.parametrize(
    ("method", "sentence"),
    [
        ("r_darts_l2", "r_darts_l2 is not a method that reads an architecture off a search"),
        ("__init__", "__init__ is not a method that reads an architecture off a search"),
        ("os.path", "os.path is not a method that reads an architecture off a search"),
    ],
)
def test_a_name_that_is_no_method_is_refused(method, sentence, tmp_path):
    history = write_search(tmp_path / "run", example_search())
    settings = {"stop": {}, "runs": [{"run": "run", "methods": [method]}]}
    with pytest.raises(ValueError, match=sentence):
        derive_architectures.run(settings, {"history": [history]}, {"architecture": [tmp_path / "a.yaml"]}, Silent())


def test_a_method_that_chooses_an_epoch_which_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(darts, "choose", lambda search, rule: Choice(99, "wrong"))
    with pytest.raises(ValueError, match="the method darts chose epoch 99, which the search run does not have"):
        derived([write_search(tmp_path / "run", example_search())], tmp_path)


def test_gathered_file_holds_all_in_order(tmp_path):
    histories = [write_search(tmp_path / name, example_search()) for name in ("b", "a")]
    single = derived(histories, tmp_path)
    parts, whole = [tmp_path / f"{run}_{method}.yaml" for run in "ba" for method in METHODS], tmp_path / "all.yaml"
    gather_architectures.run({}, {"part": parts}, {"architectures": [whole]}, Silent())
    assert read_architectures(whole) == single
    assert [(entry["run"], entry["method"]) for entry in single] == [
        ("b", "darts"),
        ("b", "darts_es"),
        ("a", "darts"),
        ("a", "darts_es"),
    ]
