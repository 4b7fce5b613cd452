"""The genotype's text form, read without executing anything, and its structure."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.study.search_spaces import operation_names
from workflow_scripts.tables.genotype import Genotype, parse_genotype

PUBLISHED = (
    "Genotype(normal=[('dil_conv_5x5', 1), ('dil_conv_3x3', 0), ('dil_conv_3x3', 2), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 2), ('dil_conv_3x3', 3), ('max_pool_3x3', 1), ('dil_conv_5x5', 3)], normal_concat=range(2, 6), "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('max_pool_3x3', 0), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('dil_conv_5x5', 3), ('max_pool_3x3', 0), ('max_pool_3x3', 1)], reduce_concat=range(2, 6))"
)
PAIR = "[('skip_connect', 0), ('skip_connect', 1)]"


def text(normal=PAIR, reduce=PAIR, normal_concat="range(2, 3)", reduce_concat="range(2, 3)"):
    return f"Genotype(normal={normal}, normal_concat={normal_concat}, reduce={reduce}, reduce_concat={reduce_concat})"


def cells(nodes):
    return st.tuples(
        *(st.tuples(st.sampled_from(operation_names()), st.integers(0, edge // 2 + 1)) for edge in range(2 * nodes))
    )


genotypes = st.integers(1, 6).flatmap(lambda nodes: st.builds(Genotype, cells(nodes), cells(nodes)))


@given(genotypes)
def test_round_trip(genotype):
    assert parse_genotype(genotype.text()) == genotype
    assert parse_genotype(f"  {genotype.text()}\n") == genotype
    rebuilt = [
        tuple((edge["operation"], edge["from"]) for node in genotype.structure()[cell] for edge in node)
        for cell in ("normal", "reduce")
    ]
    assert Genotype(*rebuilt) == genotype
    assert {len(node) for nodes in genotype.structure().values() for node in nodes} == {2}


@given(genotypes, st.sampled_from(operation_names()))
def test_counts_add_up(genotype, operation):
    for cell in ("normal", "reduce"):
        assert sum(genotype.count(name, cell) for name in operation_names()) == 2 * genotype.nodes
    assert genotype.count(operation) == genotype.text().partition("reduce=")[0].count(f"'{operation}'")


def test_published_text():
    genotype = parse_genotype(PUBLISHED)
    assert genotype.text() == PUBLISHED
    assert genotype.nodes == 4
    assert genotype.count("dil_conv_5x5") == 2
    assert genotype.count("dil_conv_5x5", "reduce") == 1
    assert genotype.structure()["reduce"][2] == [
        {"operation": "max_pool_3x3", "from": 0},
        {"operation": "dil_conv_5x5", "from": 3},
    ]


def test_forms_of_lists():
    assert parse_genotype(text(normal_concat="[2]", reduce_concat="(2,)")) == parse_genotype(text())
    lists, tuples = "[['skip_connect', 0], ['skip_connect', 1]]", "(('skip_connect', 0), ('skip_connect', 1))"
    assert parse_genotype(text(normal=lists, reduce=tuples)) == parse_genotype(text())


CODE = "__import__('pathlib').Path({path!r}).write_text('executed')"


@pytest.mark.parametrize(
    "form",
    [
        "{code}",
        "Genotype({code})",
        text(normal="{code}"),
        text(normal="[({code}, 0), ('skip_connect', 1)]"),
        text(reduce="[('skip_connect', {code}), ('skip_connect', 1)]"),
        text(normal_concat="{code}"),
        text(reduce_concat="range(2, {code})"),
        text() + " if {code} else None",
        "Genotype(**{code})",
    ],
)
def test_code_is_refused_and_does_not_run(form, tmp_path):
    evidence = tmp_path / "evidence"
    code = CODE.format(path=str(evidence))
    with pytest.raises(ValueError, match=r"^not a genotype text: ") as caught:
        parse_genotype(form.replace("{code}", code))
    assert " at 0x" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not evidence.exists()
    eval(code)  # noqa: S307 - the code would have run
    assert evidence.exists()


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "Genotype",
        "Genotype(",
        "genotype()",
        "Genotype()",
        PUBLISHED[:-1],
        PUBLISHED + ")",
        PUBLISHED + "; 1",
        PUBLISHED.replace("reduce_concat", "concat"),
        PUBLISHED.replace("Genotype(", "Genotype(1, "),
        PUBLISHED.replace("range(2, 6)", "range(2, 7)"),
        PUBLISHED.replace("range(2, 6)", "range(6)"),
        PUBLISHED.replace("range(2, 6)", "range(2, 6, 1)"),
        PUBLISHED.replace("range(2, 6)", "7"),
        PUBLISHED.replace("range(2, 6)", "range(2, 1000000000)"),
        PUBLISHED[:-1] + ", normal_concat=range(2, 6))",
        "\0" + PUBLISHED,
        "(" * 500 + "1" + ")" * 500,
        text(normal="[]", normal_concat="range(2, 2)"),
        text(normal="[('skip_connect', 0)]"),
        text(normal="[('skip_connect', 0), ('skip_connect', 2)]"),
        text(normal="[('skip_connect', 0), ('skip_connect', -1)]"),
        text(normal="[('skip_connect', 0), ('skip_connect', 1.0)]"),
        text(normal="[('skip_connect', 0), ('skip_connect', True)]"),
        text(normal="[('skip_connect', 0), ('skip_connect', 1, 2)]"),
        text(normal="[('skip_connect', 0), (3, 1)]"),
        text(normal="[('skip_connect', 0), None]"),
        text(normal="{'skip_connect': 0}"),
        text(normal=PAIR[:-1] + ", " + PAIR[1:], normal_concat="range(2, 4)"),
    ],
)
def test_malformed_text(broken):
    with pytest.raises(ValueError, match="genotype"):
        parse_genotype(broken)


def test_a_long_concatenation_is_not_built():
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"range\(2, n\)"):
            parse_genotype(text(normal_concat="range(-1000000, 3)"))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000  # bytes
    finally:
        tracemalloc.stop()


@given(st.text(max_size=40))
def test_any_other_text_is_a_value_error(noise):
    with pytest.raises(ValueError, match="genotype"):
        parse_genotype(noise)


@pytest.mark.parametrize(
    ("normal", "reduce"),
    [
        ((), ()),
        ((("skip_connect", 0),), (("skip_connect", 0),)),
        ((("skip_connect", 0), ("skip_connect", 2)), (("skip_connect", 0), ("skip_connect", 1))),
        ((("skip_connect", 0), ("skip_connect", 1)), (("skip_connect", 0), ("skip_connect", 1)) * 2),
    ],
)
def test_edges_that_cannot_be_a_cell(normal, reduce):
    with pytest.raises(ValueError, match=r"^genotype: "):
        Genotype(normal, reduce)
