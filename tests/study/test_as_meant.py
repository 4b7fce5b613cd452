"""Settings are read as a person means them, in a file and on the command line, or refused in one sentence."""

from types import SimpleNamespace

import pytest
from snakemake.cli import parse_config
from snakemake.settings.types import ConfigSettings

from workflow_scripts.study import open_study, search_spaces
from workflow_scripts.study.study import StudyError

STUDY = """\
study: tiny
title: {title}
description: Small.
cells:
  grids:
    - {{spaces: [s4], data_sets: [digits], methods: [darts], l2: [3e-4], seeds: {seeds}}}
    - {{spaces: [s2], data_sets: [digits], methods: [darts], l2: [0.1], seeds: [5, 6]}}
  search: {{epochs: 3, learning_rate: {rate}, augment: {augment}}}
depth:
  experiments:
    deep: {{max_depths: [5], seeds: [1]}}
figures: [found_cells]
"""
PLAIN = {"title": "A study", "seeds": "[1]", "rate": "0.1", "augment": "true"}


@pytest.fixture(autouse=True)
def local(tmp_path, monkeypatch):
    """The place of config/local.yaml, away from the repository's own."""
    monkeypatch.setattr(open_study, "LOCAL", tmp_path / "local.yaml")
    return tmp_path / "local.yaml"


@pytest.fixture
def load(tmp_path):
    """The study with other words at some places, under settings of the command line."""

    def loaded(settings=None, **words):
        (tmp_path / "study.yaml").write_text(STUDY.format(**(PLAIN | words)))
        return open_study.load([tmp_path / "study.yaml"], {} if settings is None else {"set": settings})

    return loaded


@pytest.fixture
def refusal(load, tmp_path):
    """The sentence that refuses it, with FILE for the file's name."""

    def sentence(*arguments, **words):
        with pytest.raises(StudyError) as caught:
            load(*arguments, **words)
        assert "\n" not in str(caught.value)
        return str(caught.value).replace(str(tmp_path / "study.yaml"), "FILE")

    return sentence


# What YAML 1.1 reads otherwise ----------------------------------------------------------------------------------------

UNCLEAR = [
    ("010", "10 or 8"),
    ("-010", "-10 or -8"),
    ("08", "8"),
    ("1:30", "90"),
    ("1:30.5", "90.5"),
    ("2:00:00", "7200"),
    ("1_000", "1000"),
    ("1_0.5", "10.5"),
]


@pytest.mark.parametrize(("written", "numbers"), UNCLEAR)
def test_a_number_that_may_mean_another_is_refused(refusal, written, numbers):
    message = f'{written} may be read in several ways; write {numbers} or "{written}" in quotes where text is meant'
    assert refusal(seeds=f"[{written}]") == f"FILE, line 6: {message}"
    assert refusal(title=written) == f"FILE, line 2: {message}"
    assert refusal(f"cells.search.epochs={written}") == f"SET: cells.search.epochs: {message}"


@pytest.mark.parametrize("written", ["0x_", "1__", "0_", "=", "2024-13-45"])
def test_so_is_what_snakemake_or_yaml_cannot_read(refusal, written):
    assert refusal(title=written).startswith(f"FILE, line 2: {written} may be read in several ways; write ")


@pytest.mark.parametrize(
    "text", ["no", "on", "Yes", "OFF", "2024-01-31", "2024-01-31 10:00:00", "1.2.3", "0o17", '"010"', "'1:30'", '"3"']
)
def test_text_that_yaml_reads_as_something_else_is_text(load, text):
    assert load(title=text).title == text.strip("'\"")


@pytest.mark.parametrize(
    ("written", "meant"),
    [("no", False), ("Off", False), ("yes", True), ("on", True), ("FALSE", False), ("true", True)],
)
def test_a_truth_value_where_one_is_takes_part(load, written, meant):
    assert load(augment=written).cells.search.augment is meant
    assert load(f"cells.search.augment={written}").cells.search.augment is meant


@pytest.mark.parametrize(
    ("written", "meant"), [("1e-3", 1e-3), ("1.5e1", 15.0), ("+2", 2), ("2.", 2), (".5", 0.5), ("01.5", 1.5)]
)
def test_a_number_is_a_number(load, written, meant):
    assert load(rate=written).cells.search.learning_rate == meant
    assert load(f"cells.search.learning_rate={written}").cells.search.learning_rate == meant


def test_a_small_number_is_shown_as_it_was_written(refusal):
    assert refusal(rate="-1e-3") == "FILE: cells.search.learning_rate is -0.001; allowed: more than 0"
    assert refusal(seeds="[no]") == 'FILE: cells.grids.0.seeds.0 is "no"; allowed: a whole number'


def test_a_number_of_thousands_of_digits(refusal):
    assert refusal(seeds=f"[{'9' * 5000}]").startswith("FILE: this is not valid YAML (")


@pytest.mark.parametrize("key", ["null", "true", "~"])
def test_a_key_that_is_no_text(refusal, local, key):
    local.write_text(f"depth: {{experiments: {{{key}: {{max_depths: [1]}}}}}}\n")
    message = f"config/local.yaml, line 1: this is not valid YAML (the key {key} is not text; write it in quotes)"
    assert refusal() == message


def test_a_value_that_holds_itself(refusal):
    assert refusal(title="&mine [*mine]") == "FILE: title is a value that holds itself; allowed: text"


def test_a_search_space_is_read_the_same_way(tmp_path, monkeypatch):
    monkeypatch.setattr(search_spaces, "FOLDER", tmp_path)
    (tmp_path / "twice.yaml").write_text("every_edge: [none, skip_connect]\nevery_edge: [noise, none]\n")
    with pytest.raises(
        ValueError, match=r"^twice\.yaml: this is not valid YAML \(the key every_edge is there twice\)$"
    ):
        search_spaces.load_space("twice")


# Merge keys -----------------------------------------------------------------------------------------------------------

MERGED = """\
cells:
  evaluation_for:
    mnist: &first {epochs: 2, batch_size: 8}
    svhn: {<<: *first, batch_size: 16}
  selection:
    training: &second {<<: *first, batch_size: 16}
  evaluation: {<<: *second, layers: 3}
"""


def test_a_merge_key_over_a_mapping_with_one_that_is_deeper(load, local):
    local.write_text(MERGED)
    cells = load().cells
    assert cells.evaluation_for == {"mnist": {"epochs": 2, "batch_size": 8}, "svhn": {"epochs": 2, "batch_size": 16}}
    for training, layers in ((cells.selection.training, 20), (cells.evaluation, 3)):
        assert (training.epochs, training.batch_size, training.layers) == (2, 16, layers)


def test_several_mappings_under_one_merge_key(load, local):
    local.write_text(MERGED.replace("<<: *second", "<<: [*second, *first]"))
    assert load().cells.evaluation.batch_size == 16


def test_two_merge_keys_in_one_mapping(refusal, local):
    local.write_text(MERGED.replace("<<: *second", "<<: *second, <<: *first"))
    assert refusal() == (
        "config/local.yaml, line 7: this is not valid YAML (the key << is there twice; "
        "one takes several, as in <<: [*first, *second])"
    )


def test_a_key_that_is_there_twice_beside_a_merge_key(refusal, local):
    local.write_text(MERGED.replace("layers: 3", "epochs: 3, epochs: 4"))
    assert "line 7: this is not valid YAML (the key epochs is there twice)" in refusal()


# The command line -----------------------------------------------------------------------------------------------------


def test_a_position_in_a_list_is_set(load):
    grids = load("cells.grids.0.seeds=[1,2] cells.grids.1.l2.0=0.5").cells.grids
    assert [grid.seeds for grid in grids] == [[1, 2], [5, 6]]
    assert [grid.l2 for grid in grids] == [[3e-4], [0.5]]
    assert load("depth.experiments.deep.max_depths.0=7").depth.experiments["deep"].max_depths == (7,)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ("cells.grids.2.seeds=[1]", "SET: cells.grids.2 is set, but the list cells.grids ends at position 1"),
        ("cells.grids.1.l2.1=0.5", "SET: cells.grids.1.l2.1 is set, but the list cells.grids.1.l2 ends at position 0"),
        ("cells.grids.0.seeds.0=0", "SET: cells.grids.0.seeds.0 is 0; allowed: 1 or more"),
        ("cells.grids.0.seed=[1]", "SET: cells.grids.0.seed is not a known key (did you mean seeds?); known are"),
        ("cells.grids.first.seeds=[1]", 'SET: cells.grids is {"first": {"seeds": [1]}}; allowed: a list'),
        (
            "cells.evaluation.seeds.0=2",
            "SET: cells.evaluation.seeds is set at a position, but no file states this list; give it whole, as in "
            "cells.evaluation.seeds=[...]",
        ),
    ],
)
def test_a_mistake_at_a_position(refusal, settings, sentence):
    assert refusal(settings).startswith(sentence)


def test_a_mistake_in_the_file_beside_a_position_that_is_set(refusal):
    assert refusal("cells.grids.1.l2=[0.5]", seeds="[0]") == "FILE: cells.grids.0.seeds.0 is 0; allowed: 1 or more"


def test_an_empty_mapping_empties(load, refusal, local):
    local.write_text("cells: {evaluation_for: {digits: {epochs: 2}}}\n")
    assert load("cells.evaluation_for={}").cells.evaluation_for == {}
    assert load("cells.search={}").cells.search.epochs == 50
    assert load("depth.experiments={}").depth is None
    assert refusal("depth={}").startswith("SET: the key depth.experiments is missing (")


def test_a_study_without_experiments_searches_no_depth(load, refusal, local):
    local.write_text("depth: {experiments: {}}\n")
    assert load().depth is None
    message = refusal("figures=[depth_posterior]")
    assert message.endswith("which only a study with the key depth makes")


@pytest.fixture
def opened(load, tmp_path):
    """The jobs of the study as the Snakefile opens it, with `--config` as a person gives it."""

    def jobs(*given):
        load()
        settings = ConfigSettings(
            config=parse_config(given), configfiles=[tmp_path / "study.yaml"], config_args=list(given)
        )
        return open_study.open_study(SimpleNamespace(config_settings=settings))

    return jobs


@pytest.mark.parametrize(("value", "meant"), [("no", False), ("false", False), ("off", False), ("yes", True)])
def test_figures_only(opened, value, meant):
    assert opened(f"figures_only={value}").runs.existing_only is meant


def test_settings_of_config_keep_their_kinds(opened):
    study = opened("cells={search: {epochs: 4, augment: no}}", "title='7'", "cells={stop: {window: 2}}").study
    assert (study.cells.search.epochs, study.cells.search.augment, study.cells.stop.window) == (4, False, 2)
    assert study.title == "7"
    assert opened('set=title="1:30" cells.search.epochs=4').study.title == "1:30"
    assert opened("set='cells.search.epochs=4'").study.cells.search.epochs == 4


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("figures_only=perhaps", "--config: figures_only is perhaps; allowed: true or false"),
        ("figures_only=", "--config: figures_only is empty; allowed: true or false"),
        ("cells={search: {epochs: 010}}", "--config: cells: 010 may be read in several ways; write 10 or 8 or "),
        ("cells={search: {epochs: 3}", "--config: cells has a value that is not valid YAML: {search: {epochs: 3}"),
    ],
)
def test_a_mistake_in_config(opened, given, sentence):
    with pytest.raises(SystemExit) as ended:
        opened(given)
    assert str(ended.value).startswith(sentence)
