"""The five search spaces, and sentences for space files that describe none."""

from pathlib import Path

import pytest
import yaml

from workflow_scripts.study import search_spaces
from workflow_scripts.study.search_spaces import EDGES, load_space, operation_names, space_names

ROOT = Path(__file__).parents[2]
SPECIFICATION = ROOT.parent / "shared" / "spec" / "spaces.yaml"
CANDIDATES = {"s1": 2, "s2": 2, "s3": 3, "s4": 2, "s5": 8}


@pytest.fixture
def space_of(tmp_path, monkeypatch):
    """Load a space from the text of its file."""
    monkeypatch.setattr(search_spaces, "FOLDER", tmp_path)

    def load(text):
        (tmp_path / "made_up.yaml").write_text(text)
        return load_space.__wrapped__("made_up")

    return load


def test_the_five_spaces_are_there():
    assert set(CANDIDATES) <= set(space_names())


@pytest.mark.parametrize("name", CANDIDATES)
def test_every_edge_of_both_cells_has_its_candidates(name):
    space = load_space(name)
    assert list(space) == ["normal", "reduce"]
    for edges in space.values():
        assert len(edges) == EDGES == 14
        assert {len(candidates) for candidates in edges} == {CANDIDATES[name]}
        assert {operation for candidates in edges for operation in candidates} <= set(operation_names())


@pytest.mark.skipif(not SPECIFICATION.is_file(), reason="the specification is not beside the repository")
@pytest.mark.parametrize("name", CANDIDATES)
def test_spaces_agree_with_the_specification(name):
    stated = yaml.safe_load(SPECIFICATION.read_text())[name]
    if "every_edge" in stated:
        stated = {cell: [stated["every_edge"]] * 14 for cell in ("normal", "reduce")}
    assert load_space(name) == stated


def test_some_edges_of_the_first_space():
    """Edges that differ from their neighbours, so that a shift by one edge shows."""
    space = load_space("s1")
    assert space["normal"][5] == space["normal"][10] == ["max_pool_3x3", "skip_connect"]
    assert space["normal"][12] == ["dil_conv_3x3", "dil_conv_5x5"]
    assert space["reduce"][1] == ["max_pool_3x3", "dil_conv_3x3"]
    assert space["reduce"][6] == ["max_pool_3x3", "sep_conv_3x3"]


def test_candidates_for_every_edge_at_once_and_edge_by_edge(space_of):
    at_once = space_of("every_edge: [noise, skip_connect]")
    edges = 14 * [["noise", "skip_connect"]]
    assert at_once == {"normal": edges, "reduce": edges}
    assert space_of(yaml.safe_dump({"reduce": edges, "normal": edges})) == at_once
    assert list(space_of(yaml.safe_dump({"reduce": edges, "normal": edges}))) == ["normal", "reduce"]


def edges(first, count=14):
    return yaml.safe_dump({"normal": [first] + [["none", "noise"]] * (count - 1), "reduce": [["none", "noise"]] * 14})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "made_up.yaml: a space has either the key every_edge, or the keys normal and reduce"),
        ("[noise]", "made_up.yaml: a space has either the key every_edge"),
        ("normal: []", "made_up.yaml: a space has either the key every_edge"),
        ("{every_edge: [noise], normal: []}", "made_up.yaml: a space has either the key every_edge"),
        ("every_edge: [noise", "made_up.yaml: this is not valid YAML (expected ',' or ']'"),
        ("every_edge: noise", "made_up.yaml: the candidates of an edge are a list of operations, here they are noise"),
        ("every_edge: []", "made_up.yaml: the candidates of an edge are a list of operations"),
        ("every_edge: [sep_conv_9x9]", "made_up.yaml: unknown operation sep_conv_9x9; known are none, noise,"),
        ("every_edge: [[noise]]", "made_up.yaml: unknown operation ['noise']; known are none, noise,"),
        ("every_edge: [noise, noise]", "made_up.yaml: an edge names an operation twice: noise, noise"),
        ("{normal: 3, reduce: 3}", "made_up.yaml: normal is not a list of 14 edges"),
        (edges(["none", "noise"], 13), "made_up.yaml: normal is not a list of 14 edges"),
        (edges(["none", "noise"], 15), "made_up.yaml: normal is not a list of 14 edges"),
        (edges(["none"]), "made_up.yaml: an edge has only the candidate none"),
        (edges(["skip_connect"]), "made_up.yaml: all edges of normal need the same number of candidates"),
    ],
)
def test_a_file_that_describes_no_space(space_of, text, sentence):
    with pytest.raises(ValueError, match="made_up") as caught:
        space_of(text)
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)
