"""Every mistake in the configuration ends in one sentence: which file, which key, what is allowed."""

import copy
import datetime
import re
from pathlib import Path

import pytest
import yaml
from loaded_python import run_module

from workflow_scripts.data.mirrors import mirror_problem
from workflow_scripts.study import figure_modules, method_modules, open_study, search_spaces
from workflow_scripts.study.study import Layer, StudyError, load_study

ROOT = Path(__file__).parents[2]
STUDY = {
    "study": "tiny",
    "title": "A study for tests",
    "description": "Small.",
    "cells": {
        "grids": [{"spaces": ["s4"], "data_sets": ["digits"], "methods": ["darts"], "l2": [3e-4], "seeds": [1]}],
        "search": {"epochs": 3},
    },
    "depth": {"experiments": {"deep": {"max_depths": [5], "seeds": [1]}}},
    "figures": ["found_cells", "depth_posterior"],
}
JARGON = ("Input should", "[type=", "Value error", "<class", "validation error", "Traceback", "ctx", "{'", "None")
ABSENT = object()


@pytest.fixture(autouse=True)
def local(tmp_path, monkeypatch):
    """The place of config/local.yaml, away from the repository's own."""
    path = tmp_path / "config_local.yaml"
    monkeypatch.setattr(open_study, "LOCAL", path)
    return path


@pytest.fixture
def load(tmp_path):
    """Write a study that differs from STUDY at dotted keys, load it, and return its sentence with FILE for its name."""

    def sentence(changes, command_line=None):
        file = tmp_path / "study.yaml"
        file.write_text(yaml.safe_dump(changed(changes), allow_unicode=True))
        with pytest.raises(StudyError) as caught:
            open_study.load([file], command_line or {})
        return one_sentence(str(caught.value).replace(str(file), "FILE"))

    return sentence


def changed(changes):
    study = copy.deepcopy(STUDY)
    for key, value in changes.items():
        branch = study
        *parents, leaf = (int(part) if part.isdigit() else part for part in key.split("."))
        for parent in parents:
            branch = branch[parent] if isinstance(branch, list) else branch.setdefault(parent, {})
        if value is ABSENT:
            del branch[leaf]
        else:
            branch[leaf] = value
    return study


def one_sentence(text):
    assert "\n" not in text
    assert len(text) < 400
    assert [word for word in JARGON if word in text] == []
    return text


def test_the_study_that_the_mistakes_are_made_in_is_sound(tmp_path):
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(STUDY))
    study = open_study.load([tmp_path / "study.yaml"], {})
    assert study.cells.search.epochs == 3
    assert list(study.depth.experiments) == ["deep"]


UNKNOWN_KEYS = [
    ("titel", "did you mean title?); known are study, title, description, data, resources, cells, depth, figures"),
    (
        "cells.serach",
        "did you mean search?); known are grids, image_size, search, fidelity, stop, adaptive, random_ws, "
        "perturbation, selection, evaluation, evaluation_for",
    ),
    ("cells.search.epoch", "did you mean epochs?); known are epochs, steps_per_epoch, batch_size,"),
    ("cells.search.Epochs", "did you mean epochs?); known are epochs,"),
    ("cells.search.curvature.image", "did you mean images?); known are kind, every, images"),
    (
        "cells.grids.0.space",
        "did you mean spaces?); known are spaces, data_sets, source, methods,",
    ),
    ("depth.experiment", "did you mean experiments?); known are experiments, depths_per_job"),
    ("depth.experiments.deep.model", "did you mean models?); known are models, max_depths,"),
    ("depth.experiments.deep.data.nois", "did you mean noise?); known are kind, points, noise,"),
    ("depth.experiments.deep.sweep.point", "did you mean points?); known are noise, stop_angle_degrees,"),
    ("depth.experiments.deep.training.epoch", "did you mean epochs?); known are epochs, patience,"),
]


@pytest.mark.parametrize(("key", "hint"), UNKNOWN_KEYS)
def test_an_unknown_key(load, key, hint):
    assert load({key: 1}).startswith(f"FILE: {key} is not a known key ({hint}")


def test_an_unknown_key_like_no_other(load):
    message = load({"cells.evaluation.zzz": 1})
    assert message.startswith("FILE: cells.evaluation.zzz is not a known key; known are epochs, batch_size,")


def test_an_unknown_key_is_told_before_the_key_it_was_meant_to_be(load):
    message = load({"cells.grids.0.spacs": ["s4"], "cells.grids.0.spaces": ABSENT})
    assert message.startswith("FILE: cells.grids.0.spacs is not a known key (did you mean spaces?)")


def test_a_key_that_is_no_text(load):
    assert load({}, {"set": "cells.search.3=4"}).startswith("SET: cells.search.3 is not a known key; known are")
    study = copy.deepcopy(STUDY) | {7: "seven"}
    with pytest.raises(StudyError, match=r"^here: 7 is not a known key; known are study,"):
        load_study([Layer("here", study)])


WRONG_VALUES = [
    # wrong type
    ("title", 3, "KEY is 3; allowed: text"),
    ("title", None, "KEY is empty; allowed: text"),
    ("cells", 3, "KEY is 3; allowed: a mapping of keys to values"),
    ("cells.search", "fast", 'KEY is "fast"; allowed: a mapping of keys to values'),
    ("cells.search.epochs", "many", 'KEY is "many"; allowed: a whole number'),
    ("cells.search.epochs", "3", 'KEY is "3"; allowed: a whole number'),
    ("cells.search.epochs", True, "KEY is true; allowed: a whole number"),
    ("cells.search.epochs", 2.5, "KEY is 2.5; allowed: a whole number"),
    ("cells.search.epochs", [3], "KEY is [3]; allowed: a whole number"),
    ("cells.search.learning_rate", "high", 'KEY is "high"; allowed: a number'),
    ("cells.search.learning_rate", True, "KEY: true is not a number"),
    ("cells.search.learning_rate", float("inf"), "KEY is Infinity; allowed: a finite number"),
    ("cells.search.augment", "maybe", 'KEY is "maybe"; allowed: true or false'),
    ("cells.grids.0.seeds", 1, "KEY is 1; allowed: a list"),
    ("cells.grids.0.drop_path", 0.2, "KEY is 0.2; allowed: a list"),
    ("cells.grids", {"spaces": ["s4"]}, 'KEY is {"spaces": ["s4"]}; allowed: a list'),
    ("figures", "found_cells", 'KEY is "found_cells"; allowed: a list'),
    ("figures", [3], "KEY.0 is 3; allowed: text"),
    ("depth.experiments", ["deep"], 'KEY is ["deep"]; allowed: a mapping of keys to values'),
    ("depth.experiments.deep.max_depths", [True], "KEY.0 is true; allowed: a whole number"),
    # out of range
    ("cells.grids.0.l2", [0.1, -3e-4], "KEY.1 is -0.0003; allowed: 0 or more"),
    ("cells.grids.0.drop_path", [1.2], "KEY.0 is 1.2; allowed: less than 1"),
    ("cells.grids.0.seeds", [0], "KEY.0 is 0; allowed: 1 or more"),
    ("cells.search.layers", 2, "KEY is 2; allowed: 3 or more"),
    ("cells.search.learning_rate", 0, "KEY is 0; allowed: more than 0"),
    ("cells.search.order", 3, "KEY is 3; allowed: 1 or 2"),
    ("cells.search.arch_betas", [0.5], "KEY has too few values; 2 or more are needed"),
    ("cells.search.arch_betas", [0.5] * 3, "KEY is [0.5, 0.5, 0.5]; allowed: a list of 2 or fewer"),
    ("cells.stop.factor", 1, "KEY is 1; allowed: more than 1"),
    ("cells.image_size", 30, "KEY is 30; allowed: a multiple of 4"),
    ("cells.image_size", 4, "KEY is 4; allowed: 8 or more"),
    ("depth.depths_per_job", 0, "KEY is 0; allowed: 1 or more"),
    ("study", "Mine", 'KEY is "Mine"; allowed: lower-case letters, digits and _, with a letter first'),
    ("study", "../up", 'KEY is "../up"; allowed: lower-case letters, digits and _, with a letter first'),
    ("title", {datetime.date(2020, 1, 1): 3}, 'KEY is {"2020-01-01": 3}; allowed: text'),
    ("title", 50 * [0], f"KEY is [{'0, ' * 25}0...; allowed: text"),
    # inside depth experiments
    ("depth.experiments.deep.seeds", [2**32], "KEY.0 is 4294967296; allowed: less than 4294967296"),
    ("depth.experiments.Deep", {"max_depths": [1]}, 'KEY is "Deep"; allowed: lower-case letters, digits and _, with'),
    ("depth.experiments." + 41 * "a", {"max_depths": [1]}, f"depth.experiments.{41 * 'a'} is "),
    ("depth.experiments.deep.max_depths", [-1], "KEY.0 is -1; allowed: 0 or more"),
    ("depth.experiments.deep.max_depths", [1001], "KEY.0 is 1001; allowed: 1000 or less"),
    ("depth.experiments.deep.max_depths", [5, 5], "KEY: [5, 5] names a value twice"),
    ("depth.experiments.deep.models", ["lnd"], 'KEY.0 is "lnd"; allowed: ldn or ddn'),
    ("depth.experiments.deep.data.noise", -0.1, "KEY is -0.1; allowed: 0 or more"),
    ("depth.experiments.deep.data.points", 2001, "KEY: 2001 cannot be shared equally by 2 arms"),
    ("depth.experiments.deep.data.train_points", 2000, "KEY: 2000 of 2000 points leave none for testing"),
    (
        "depth.experiments.deep.sweep.points",
        [9],
        "depth.experiments.deep.sweep.points: 9 cannot be shared equally by 2 arms",
    ),
    (
        "depth.experiments.deep.sweep.noise",
        [1, 1],
        "depth.experiments.deep.sweep.noise: [1.0, 1.0] names a value twice",
    ),
    (
        "depth.experiments.deep.training.momentum",
        1,
        "depth.experiments.deep.training.momentum is 1; allowed: less than 1",
    ),
    ("depth.experiments.deep.images", {"data_sets": ["mnits"]}, "KEY.data_sets: mnits is not a known data set (did"),
    ("depth.experiments.deep.images", {"data_sets": ["digits", "digits"]}, "KEY.data_sets: digits is named twice"),
    (
        "depth.experiments.deep.images",
        {"data_sets": ["digits"], "train_images": 2000},
        "KEY.train_images: 2000 are more than the 1000 of digits",
    ),
    ("depth.experiments.deep.images", {"data_sets": ["digits"], "image_size": 10}, "KEY.image_size is 10; allowed: a"),
    (
        "depth.experiments.deep",
        {"max_depths": [1], "widths": [5], "images": {"data_sets": ["digits"]}},
        "KEY.widths: this is a setting of spirals, and the experiment is on images",
    ),
    (
        "depth.experiments.deep.images",
        {"data_sets": ["digits"], "train_images": 10, "held_out_fraction": 0.04},
        "KEY.held_out_fraction: 0.04 of 10 images holds 0 out and leaves 10; at least 1 and 2 are needed",
    ),
    (
        "depth.experiments.deep",
        {"max_depths": [1], "images": {"data_sets": ["digits"]}, "training": {"chosen_by": "training"}},
        "KEY.training.chosen_by: for images the held-out points choose; allowed: held_out",
    ),
    (
        "depth.experiments.deep",
        {"max_depths": [1], "images": {"data_sets": ["digits"], "train_images": 61}, "training": {"batch_size": 20}},
        "KEY.training.batch_size: 61 training points in batches of 20 leave a last batch",
    ),
    ("depth.experiments.deep.training.chosen_by", "held_out", "KEY: only images have points held out of training"),
    ("depth.fidelity", "publishd", 'KEY is "publishd"; allowed: corrected or published'),
    ("depth.experiments.deep.training.batch_size", 199, "KEY: 200 training points in batches of 199 leave a last"),
    # empty lists
    ("figures", [], "KEY is []; allowed: a list of 1 or more"),
    ("cells.grids", [], "KEY is []; allowed: a list of 1 or more"),
    ("cells.grids.0.spaces", [], "KEY is []; allowed: a list of 1 or more"),
    ("cells.grids.0.drop_path", [], "KEY is []; allowed: a list of 1 or more"),
    ("cells.evaluation.seeds", [], "KEY is []; allowed: a list of 1 or more"),
    ("depth.experiments.deep.max_depths", [], "KEY is []; allowed: a list of 1 or more"),
    (
        "depth.experiments.deep.sweep.noise",
        [],
        "depth.experiments.deep.sweep.noise is []; allowed: a list of 1 or more",
    ),
    # names of things that do not exist
    ("cells.grids.0.spaces", ["S4"], "KEY: S4 is not a known search space (did you mean s4?); known are s1, s2,"),
    ("cells.grids.0.spaces", ["s4", "s4"], "KEY: s4 is named twice, once is enough"),
    (
        "cells.grids.0.data_sets",
        ["digit"],
        "cells.grids.0.data_sets: digit is not a known data set (did you mean digits?)",
    ),
    (
        "cells.grids.0.methods",
        ["drats"],
        "KEY: drats is not a known method (did you mean darts?); known are darts, darts_es,",
    ),
    ("figures", ["found_cell"], "KEY: found_cell is not a known figure (did you mean found_cells?); known are "),
    ("figures", ["found_cells", "found_cells"], "KEY: found_cells is named twice, once is enough"),
    (
        "cells.evaluation_for.digit",
        {},
        "cells.evaluation_for: digit is not a known data set (did you mean digits?); known",
    ),
    (
        "cells.evaluation_for.digits.epoch",
        3,
        "cells.evaluation_for.digits: epoch is not a known key (did you mean epochs?)",
    ),
    ("cells.evaluation_for.digits.layers", 0, "KEY is 0; allowed: 1 or more"),
    ("cells.evaluation_for.digits.l2", -1, "KEY is -1; allowed: 0 or more"),
    # more images than there are
    ("cells.search.subset", 5000, "KEY: 5000 are more than the 1000 training images of digits"),
    ("cells.search.validation_fraction", 1, "KEY is 1; allowed: less than 1"),
    ("cells.search.validation_fraction", 0.9999, "KEY: 0.9999 leaves no image of digits for the weights"),
    ("cells.evaluation.subset.test", 5000, "KEY: 5000 are more than the 797 test images of digits"),
    ("cells.evaluation.subset.train", 5000, "KEY: 5000 are more than the 1000 training images of digits"),
    (
        "cells.evaluation.subset",
        {"start": 900, "train": 200},
        "KEY.train: 1100 are more than the 1000 training images of digits; start and train count, and subset: {}",
    ),
    ("data.mirrors", ["https://me:secret@example.org/data"], "KEY.0: a mirror's address must not hold a user name"),
    ("data.mirrors", ["ftp://example.org/data"], "KEY.0: a mirror is a folder, or an address that starts with file://"),
    ("data.offline", "perhaps", "KEY is "),
    ("cells.search.curvature.images", 5000, "KEY: 5000 are more than the "),
]


SECRETS = [
    *("ftp://me:secret@example.org", "//me:secret@example.org/data", "//secret@example.org", "file://me:secret@a/b"),
    *("http:/me:secret@example.org", "https:me:secret@example.org", "me:secret@example.org/data", "///me:secret@a"),
    *("https://me:sec/ret@example.org", "http://[me:secret@example.org", "S3://secret:me@a", "my_name:secret@a"),
    f"https://me:{'secret' * 20}@example.org",
]


@pytest.mark.parametrize("mirror", SECRETS)
def test_a_password_in_a_mirror_is_refused_and_never_shown(load, mirror):
    for message in (
        load({"data.mirrors": [mirror]}),
        load({"data.mirrors": mirror}),
        load({"data.mirror": [mirror]}),
        load({"data.mirrors": [[mirror]]}),
        load({}, {"set": f"data.mirrors=[{mirror}]"}),
        load({}, {"set": f"data.mirrors={mirror}]["}),
        load({}, {"set": f"data..mirrors={mirror}"}),
        load({}, {"set": [{"data": mirror}]}),
    ):
        assert "secret" not in message and "sec/ret" not in message


@pytest.mark.parametrize(
    "mirror", ["/data/@home:x", "data@home/x", "./a:b@c", "~/sets", "file:///a/b", "https://example.org:80/@me/sets"]
)
def test_a_mirror_with_a_sign_of_its_own(mirror):
    assert mirror_problem(mirror) is None


@pytest.mark.parametrize(("key", "value", "sentence"), WRONG_VALUES)
def test_a_wrong_value(load, key, value, sentence):
    assert load({key: value}).startswith("FILE: " + sentence.replace("KEY", key))


def test_a_figure_of_trainings_needs_trainings(load):
    assert "which a study with cells.evaluation null does not make" in load(
        {"cells.evaluation": None, "figures": ["test_error"]}
    )


@pytest.mark.parametrize(
    ("key", "meaning"),
    [
        ("title", "one line, the heading of the report"),
        ("figures", "modules of the folder figures/, in the order of the report"),
        ("cells.grids", "the searches to run, and the genotypes to train; what two grids name is run once"),
        ("cells.grids.0.l2", "L2 factors of the weights"),
        ("depth.experiments.deep.max_depths", "Values of D, in blocks."),
    ],
)
def test_a_missing_key_is_explained(load, key, meaning):
    assert load({key: ABSENT}) == f"FILE: the key {key} is missing ({meaning})"


def test_a_study_without_work(load):
    message = load({"cells": ABSENT, "depth": ABSENT})
    assert message == "FILE: a study needs the key cells, the key depth, or both"


def test_a_figure_whose_tables_the_study_does_not_make(load):
    message = load({"depth": ABSENT})
    assert re.fullmatch(
        r"FILE: figures: depth_posterior draws the table depth_\w+, which only a study with the key depth makes",
        message,
    )
    assert "only a study with the key cells makes" in load({"cells": ABSENT})


def test_a_figure_module_without_tables(load, tmp_path, monkeypatch):
    (tmp_path / "blank.py").write_text("TITLE = 'nothing'\n")
    monkeypatch.setattr(figure_modules, "FOLDER", tmp_path)
    assert load({"figures": ["blank"]}) == "FILE: figures: figures/blank.py does not state its TABLES"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("CATEGORY = 'both'", "figures/odd.py: its CATEGORY is both; known are cells, depth"),
        ("CATEGORY = {[]: 1}", "odd.py: CATEGORY is not written as a plain value"),
        ("", "figures/odd.py does not state its CATEGORY"),
        ("x = = 1", "odd.py: this is not valid Python (invalid syntax (<unknown>, line 3))"),
    ],
)
def test_a_figure_module_that_says_odd_things(load, tmp_path, monkeypatch, text, sentence):
    (tmp_path / "odd.py").write_text(f"TABLES = ()\nTITLE = 'odd'\n{text}\n")
    monkeypatch.setattr(figure_modules, "FOLDER", tmp_path)
    figure_modules.stated.cache_clear()
    assert load({"figures": ["odd"]}) == f"FILE: figures: {sentence}"


def test_a_method_file(load, tmp_path, monkeypatch):
    for name in ("darts", "odd", "Not-one", "_shared"):
        (tmp_path / f"{name}.py").write_text("SEARCH = 'published'\n")
    monkeypatch.setattr(method_modules, "FOLDER", tmp_path)
    method_modules.search_of.cache_clear()
    message = load({"cells.grids.0.methods": ["Not-one"]})
    assert message == (
        "FILE: cells.grids.0.methods: Not-one is not a known method; known are darts, r_darts_dp, r_darts_l2, odd"
    )
    message = load({"cells.grids.0.methods": ["odd"]})
    assert message == (
        "FILE: cells.grids.0.methods: odd.py: SEARCH is published; a method reads one of darts, darts_ada, random_ws"
    )


def test_two_pairs_of_space_and_data_set_with_one_folder(load, tmp_path, monkeypatch):
    for name in ("s4", "s4_inverted"):
        (tmp_path / f"{name}.yaml").write_text("every_edge: [none, skip_connect]\n")
    monkeypatch.setattr(search_spaces, "FOLDER", tmp_path)
    monkeypatch.setattr("workflow_scripts.study.name_checks.image_set_names", lambda: ["digits", "inverted_digits"])
    grid = STUDY["cells"]["grids"][0] | {"spaces": ["s4", "s4_inverted"], "data_sets": ["digits", "inverted_digits"]}
    assert load({"cells.grids": [grid]}) == (
        "FILE: cells.grids: s4 on inverted_digits and s4_inverted on digits would share the folder s4_inverted_digits; "
        "rename one of their files"
    )


def test_searches_that_end_when_stopped_give_nothing_but_the_stop_epoch(load):
    message = load({"cells.search.end_when_stopped": True})
    assert message.startswith("FILE: cells.grids.0.methods: search.end_when_stopped leaves darts no architecture")


def test_a_broken_space_file(load, tmp_path, monkeypatch):
    (tmp_path / "s9.yaml").write_text("every_edge: [nothing]\n")
    monkeypatch.setattr(search_spaces, "FOLDER", tmp_path)
    message = load({"cells.grids.0.spaces": ["s9"]})
    assert message.startswith("FILE: cells.grids.0.spaces: s9.yaml: unknown operation nothing; known are none, noise,")


@pytest.mark.parametrize("name", ["a b", "$(touch here)", "s4;x", "S5", "s-5", "5s", "a.b", "ä"])
def test_a_file_whose_name_would_be_part_of_a_command(load, tmp_path, monkeypatch, name):
    (tmp_path / f"{name}.yaml").write_text("every_edge: [none, skip_connect]\n")
    (tmp_path / "s4.yaml").write_text("every_edge: [none, skip_connect]\n")
    monkeypatch.setattr(search_spaces, "FOLDER", tmp_path)
    rule = "is named with lower-case letters, digits and _, with a letter first"
    message = load({"cells.grids.0.spaces": [name]})
    assert message == f"FILE: cells.grids.0.spaces: {name} cannot be used: a search space {rule}"
    assert name not in load({"cells.grids.0.spaces": ["s44"]}).partition("known are")[2].split(", ")

    (tmp_path / f"{name}.py").write_text("TABLES, TITLE, CATEGORY = ['found_cells'], 'odd', 'cells'\n")
    monkeypatch.setattr(figure_modules, "FOLDER", tmp_path)
    assert load({"figures": [name]}) == f"FILE: figures: {name} cannot be used: a figure {rule}"

    monkeypatch.setattr("workflow_scripts.study.name_checks.image_set_names", lambda: ["digits", name])
    message = load({"cells.grids.0.data_sets": [name]})
    assert message == f"FILE: cells.grids.0.data_sets: {name} cannot be used: a data set {rule}"
    message = load({"depth.experiments.deep.images": {"data_sets": [name]}})
    assert message.endswith(f"{name} cannot be used: a data set {rule}")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"study: a\n  b: [\n", "FILE, line 2: this is not valid YAML (mapping values are not allowed here)"),
        (
            b"study: a\ncells:\n  stop: {}\n  stop: {}\n",
            "FILE, line 4: this is not valid YAML (the key stop is there twice)",
        ),
        (b"study: a\ncells: [1\n", "FILE, line 3: this is not valid YAML ("),
        (b"study: a\n\tcells: 1\n", "FILE, line 2: this is not valid YAML (found character"),
        (b"study: \x07\n", "FILE: this is not valid YAML ("),
        (b"\xff\xfe\x00", "FILE: this file cannot be read (it is not text)"),
        (b"- study\n", "FILE: a study is a mapping of keys to values, as in `study: demo`"),
        (b"[]\n", "FILE: a study is a mapping of keys to values"),
        (b"study\n", "FILE: a study is a mapping of keys to values"),
        (b"", "FILE: the key study is missing (name; results go to results/<study>)"),
    ],
)
def test_a_file_that_is_no_study(tmp_path, content, sentence):
    file = tmp_path / "study.yaml"
    file.write_bytes(content)
    with pytest.raises(StudyError) as caught:
        open_study.load([file], {})
    assert one_sentence(str(caught.value).replace(str(file), "FILE")).startswith(sentence)


def test_a_file_that_is_missing_or_a_folder(tmp_path):
    with pytest.raises(StudyError, match=r"config/nothing\.yaml: there is no such study; known are .*\bdemo\b"):
        open_study.load([ROOT / "config" / "nothing.yaml"], {})
    with pytest.raises(StudyError, match=r": this file cannot be read \(Is a directory\)$"):
        open_study.load([tmp_path], {})
    with pytest.raises(StudyError, match=r"^no study was named; give --configfile config/NAME\.yaml \(.*\bdemo\b"):
        open_study.load([], {})


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("cells.search.epochs", "SET: cells.search.epochs is not of the form key=value without spaces, as in cells"),
        ("cells.search.epochs = 3", "SET: cells.search.epochs is not of the form key=value"),
        ("=3", "SET: =3 is not of the form key=value"),
        ("cells..epochs=3", "SET: cells..epochs=3 is not of the form key=value"),
        (3, "SET: 3 is not of the form key=value"),
        ({"a": 1}, 'SET: {"a": 1} is not of the form key=value'),
        ("figures=[found_cells, depth_posterior]", "SET: figures has a value that is not valid YAML without spaces: ["),
        ("cells=3 cells.search.epochs=3", "SET: cells.search.epochs is set, and cells above it to 3; set one of"),
        ("cells.search.epochs=0", "SET: cells.search.epochs is 0; allowed: 1 or more"),
        ("cells.search.epoch=5", "SET: cells.search.epoch is not a known key (did you mean epochs?); known are"),
        ("epochs=5", "SET: epochs is not a known key; known are study, title,"),
        ("title=", "SET: title is empty; allowed: text"),
        ("cells.search.subset=5000", "SET: cells.search.subset: "),
        ("cells.grids=[{}]", "SET: the key cells.grids.0.spaces is missing (search spaces)"),
        ("depth.experiments.new.models=[ldn]", "SET: the key depth.experiments.new.max_depths is missing (Values of D"),
    ],
)
def test_a_mistake_on_the_command_line(load, given, sentence):
    assert load({}, {"set": given}).startswith(sentence)


def test_keys_of_config_are_dotted_too(load):
    assert load({}, {"cells.search.epochs": 0}) == "SET: cells.search.epochs is 0; allowed: 1 or more"


def test_the_command_line_is_left_as_it_was(tmp_path):
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(STUDY))
    given = {"cells": {"search": {"epochs": 4}}, "set": ["cells.search.layers=5"]}
    before = copy.deepcopy(given)
    study = open_study.load([tmp_path / "study.yaml"], given)
    assert (study.cells.search.epochs, study.cells.search.layers) == (4, 5)
    assert given == before


def test_local_settings_are_named_and_lie_between_the_study_and_the_command_line(load, local, tmp_path):
    local.write_text("cells: {search: {epochs: 0, layers: 4}}\n")
    assert load({}) == "config/local.yaml: cells.search.epochs is 0; allowed: 1 or more"
    assert load({"cells.stop.window": 0}, {"set": "cells.search.epochs=2"}).startswith("FILE: cells.stop.window is 0")
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(STUDY))
    study = open_study.load([tmp_path / "study.yaml"], {"set": "cells.search.epochs=2"})
    assert (study.cells.search.epochs, study.cells.search.layers) == (2, 4)
    local.write_text("- epochs\n")
    assert load({}) == "config/local.yaml: a study is a mapping of keys to values, as in `study: demo`"
    local.write_text("cells: {search: [}\n")
    assert load({}).startswith("config/local.yaml, line 1: this is not valid YAML (")


def test_a_list_from_a_later_place_replaces_the_earlier_one():
    grid = STUDY["cells"]["grids"][0]
    later = Layer("later", {"cells": {"grids": [grid, {**grid, "l2": [-1]}]}})
    with pytest.raises(StudyError, match=r"^later: cells\.grids\.1\.l2\.0 is -1"):
        load_study([Layer("earlier", STUDY), later])
    with pytest.raises(StudyError, match=r"^earlier: cells\.search\.epochs is 0"):
        load_study(
            [Layer("earlier", changed({"cells.search.epochs": 0})), Layer("later", {"cells": {"grids": [grid]}})]
        )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--configfile", "config/demo.yaml", "--config", "set=cells.search.epoch=5"], "SET: cells.search.epoch is no"),
        (["--configfile", "FILE"], "FILE: cells.grids.0.l2.0 is -1; allowed: 0 or more"),
        ([], "no study was named; give --configfile config/NAME.yaml ("),
        (["--configfile", "config/demo.yaml", "--config", "set=3"], "SET: 3 is not of the form key=value"),
    ],
)
def test_snakemake_ends_with_the_sentence(tmp_path, arguments, sentence):
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(changed({"cells.grids.0.l2": [-1]})))
    given = [argument.replace("FILE", str(file)) for argument in arguments]
    done = run_module(ROOT, "snakemake", "--dry-run", "--nolock", *given)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr.strip().splitlines()[-1].replace(str(file), "FILE").startswith(sentence)
