"""Files of named genotypes, in all forms in which others publish them, read without executing anything."""

import json
import re
from pathlib import Path

import pytest

from workflow_scripts.study.search_spaces import misfit
from workflow_scripts.tables.genotype import Genotype
from workflow_scripts.tables.genotype_file import parse_genotypes, read_genotypes

ROOT = Path(__file__).parents[2]
OURS = ROOT / "config" / "published_genotypes.txt"
COLLECTED = ROOT.parent / "shared" / "published" / "genotypes.json"
EDGES = [("skip_connect", 0), ("sep_conv_3x3", 1)]
TEXT = f"Genotype(normal={EDGES}, normal_concat=range(2, 3), reduce={EDGES}, reduce_concat=range(2, 3))"
GENOTYPE = Genotype(tuple(EDGES), tuple(EDGES))
FILE = f'''"""Cells."""
from collections import namedtuple

Genotype = namedtuple('Genotype', 'normal normal_concat reduce reduce_concat')

PRIMITIVES = [
    'none',
    'skip_connect',
]

DARTS_V1 = Genotype(
    normal=[
        ('skip_connect', 0),
        ('sep_conv_3x3', 1),
    ],
    normal_concat=[2],
    reduce=[['skip_connect', 0], ['sep_conv_3x3', 1]],
    reduce_concat=[2])
DARTS_V2 = {TEXT}  # a comment
"""between"""

DARTS = DARTS_V2
'''


def test_a_published_file():
    assert parse_genotypes(FILE) == dict.fromkeys(("DARTS_V1", "DARTS_V2", "DARTS"), GENOTYPE)


BROKEN = {
    "": "it holds no genotype",
    "PRIMITIVES = ['none']": "it holds no genotype",
    "a = Genotype(": "line 1: it is not readable",
    f"a = {TEXT}\nb = {TEXT[:-1]}": "line 2: it is not readable",
    f"a = {TEXT}\0": ".*it is not readable",
    "a = " + "(" * 500 + "1" + ")" * 500: ".*it is not readable",
    f"a = {TEXT}\na = {TEXT}": "line 2: a is there twice",
    "a = 3": "a: not a genotype text: it is not a Genotype",
    f"a = {TEXT.replace('Genotype', 'Genotyp')}": "a: not a genotype text: it is not a Genotype",
    f"a = b = {TEXT}": r"line 1: expected is name = Genotype",
    f"a.b = {TEXT}": r"line 1: expected is name = Genotype",
    f"\n{TEXT}": r"line 2: expected is name = Genotype",
    f"a = {TEXT}\nfor b in range(9): pass": r"line 2: expected is name = Genotype",
    f"_a = {TEXT}": "line 1: _a is no name",
    f"Zelle_\N{LATIN SMALL LETTER U WITH DIAERESIS} = {TEXT}": "line 1: Zelle_.* is no name",
    "a = b": "a: there is no genotype b above it",
    f"a = {TEXT.replace('(2, 3)', '(2, 4)')}": "a: .* normal_concat does not list every intermediate node",
    f"a = {TEXT.replace('1)', '2)')}": "a: .* edge 1 of the normal .* state 2, where only 0 to 1 are there",
    f"a = {TEXT.replace('1)', '1.0)')}": "a: .* is not an",
    f"a = {TEXT.replace(', reduce_concat=range(2, 3)', '')}": "a: .* its parts are",
    f"a = {TEXT.replace('range(2, 3)', 'range(2, open(0))')}": "a: .* a part is not a literal",
    "Genotype = print(1)": "Genotype: not a genotype text",
    f"a = {TEXT} if print(1) else 2": "a: not a genotype text: it is not a Genotype",
}


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_text_is_refused_in_one_sentence(tmp_path, capfd, text):
    assert len(BROKEN) > 20
    path = tmp_path / "cells.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"^{re.escape(str(path))}: {BROKEN[text]}") as error:
        read_genotypes(path)
    assert "\n" not in str(error.value) and str(error.value).count(str(path)) == 1
    assert capfd.readouterr() == ("", ""), "something was executed"


def test_files_that_are_none(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="there is no such file"):
        read_genotypes(tmp_path)
    (tmp_path / "picture").write_bytes(b"\x89PNG\xff")
    with pytest.raises(ValueError, match="picture: it is not text"):
        read_genotypes(tmp_path / "picture")
    (tmp_path / "large").write_text(f"a = {TEXT}")
    monkeypatch.setattr("workflow_scripts.tables.genotype_file.MOST_BYTES", 10)
    with pytest.raises(ValueError, match="large: it has more than 10 bytes"):
        read_genotypes(tmp_path / "large")


def space_of(name):
    """The space that a published name states, of S1 to S4."""
    found = re.search(r"(?:^|_)(s[1-4])(?:_|$)", name)
    return found and found[1]


def test_our_file_of_published_genotypes():
    found = read_genotypes(OURS)
    of_spaces = {name: space for name in found if (space := space_of(name))}
    assert (len(found), len(of_spaces)) == (259, 180)
    assert {name: misfit(found[name], space) for name, space in of_spaces.items()} == dict.fromkeys(of_spaces)


def test_a_genotype_of_another_space_is_told():
    found = read_genotypes(OURS)
    assert misfit(GENOTYPE, "s4") == "its cells have 1 nodes, those of a search space 4"
    assert misfit(found["c10_s2_random"], "s4") == (
        "in the normal cell skip_connect leads from state 1 to state 3, which s4 does not allow; "
        "it allows noise, sep_conv_3x3 there"
    )
    wrong = Genotype((("skip_conect", 0), *found["c10_s2_random"].normal[1:]), found["c10_s2_random"].reduce)
    assert misfit(wrong, "s2").startswith("in the normal cell skip_conect is no operation; known are ")
    twice = Genotype(
        (("sep_conv_3x3", 0), ("sep_conv_3x3", 0), *found["c10_s2_random"].normal[2:]), found["c10_s2_random"].reduce
    )
    assert (
        misfit(twice, "s2")
        == "in the normal cell both operations of state 2 come from state 0, which s2 does not allow"
    )


def text_of(entry):
    """A collected genotype in the form in which it was published."""
    pair = tuple if entry["pair"] == "tuple" else list
    cells = {cell: [pair(edge) for edge in entry[cell]] for cell in ("normal", "reduce")}
    ends = {cell: len(edges) // 2 + 2 for cell, edges in cells.items()}
    concats = {cell: range(2, end) if entry["concat"] == "range" else [*range(2, end)] for cell, end in ends.items()}
    parts = ", ".join(f"{cell}={cells[cell]!r}, {cell}_concat={concats[cell]!r}" for cell in cells)
    return f"{entry['name']} = Genotype({parts})"


@pytest.mark.skipif(not COLLECTED.is_file(), reason="the collected genotypes are not next to this checkout")
def test_all_collected_genotypes():
    entries = json.loads(COLLECTED.read_text())
    found = parse_genotypes("\n".join(map(text_of, entries)))
    assert len(found) == len(entries) == 225
    for entry in entries:
        genotype = found[entry["name"]]
        assert [list(edge) for edge in genotype.normal] == entry["normal"]
        assert [list(edge) for edge in genotype.reduce] == entry["reduce"]
    ours = {
        name: genotype for name, genotype in read_genotypes(OURS).items() if not name.startswith("robustdarts_2019")
    }
    assert {name: found[name] for name in found if name not in ("NASNet", "AmoebaNet")} == ours
