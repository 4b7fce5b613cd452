"""The test accuracies of 2019: small made-up files, and the real ones where they are at hand."""

from pathlib import Path

import pytest
import yaml

from workflow_scripts.cells.published_evaluations import read_published_evaluations
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.steps import published_evaluations
from workflow_scripts.study.search_spaces import misfit
from workflow_scripts.tables.cell_tables import PUBLISHED_EVALUATIONS
from workflow_scripts.tables.genotype import parse_genotype
from workflow_scripts.tables.genotype_file import read_genotypes

REAL = Path(__file__).parents[3] / "shared" / "published" / "robustdarts-2019-evaluations"
needs_files = pytest.mark.skipif(not REAL.is_dir(), reason="the published evaluations are not next to this checkout")
CELL = [("skip_connect", 0), ("skip_connect", 1)] * 4
TEXT = f"Genotype(normal={CELL}, normal_concat=range(2, 6), reduce={CELL}, reduce_concat=range(2, 6))"
FILES = {
    "archs": {"s1_cifar10_wd": {0.0729: TEXT, 0.2187: TEXT}, "s4_svhn_dp": {0.8: TEXT}},
    "config": {name: {"init_channels": 16, "layers": 8} for name in ("s1_cifar10_wd", "s4_svhn_dp")},
    "results": {"s1_cifar10_wd": {0.0729: 96.5}, "s4_svhn_dp": {0.8: 80.0}},
}


def written(folder, **changes):
    paths = {}
    for key, content in (FILES | changes).items():
        paths[key] = folder / f"{key}.yaml"
        paths[key].write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return paths


def test_rows(tmp_path):
    rows = read_published_evaluations(written(tmp_path))
    known = [(row["space"], row["l2"], row["drop_path"], row["test_error_percent"]) for row in rows]
    assert known == [("s1", 0.0729, None, 3.5), ("s1", 0.2187, None, None), ("s4", None, 0.8, 20.0)]
    assert rows[0]["genotype"] == TEXT and rows[0]["init_channels"] == 16


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"archs": "a: b: c"}, "archs.yaml: it is not a YAML mapping of groups"),
        ({"results": "[1]"}, "results.yaml: it is not a YAML mapping of groups"),
        ({"results": "s1: 2"}, "results.yaml: it is not a YAML mapping of groups"),
        ({"results": "!!python/object/apply:print [1]"}, "results.yaml: it is not a YAML mapping of groups"),
        ({"archs": {"s1_cifar10_wd": {0.1: "Genotype(print(1))"}}, "results": {}}, "config.yaml: s4_svhn_dp has no"),
        ({"results": {"s9_cifar10_wd": {0.1: 1.0}}}, "results.yaml: s9_cifar10_wd has no genotypes in archs.yaml"),
        ({"results": {"s4_svhn_dp": {0.8: 101}}}, "s4_svhn_dp, 0.8: it is not as published .an accuracy of 101"),
        ({"config": {"s1_cifar10_wd": {}}}, "s1_cifar10_wd, 0.0729: it is not as published"),
        (
            {"archs": FILES["archs"] | {"s4_svhn_dp": {0.8: "print(1)"}}},
            "s4_svhn_dp, 0.8: it is not as published .not a",
        ),
    ],
)
def test_files_that_are_not_as_published(tmp_path, capfd, changes, message):
    with pytest.raises(ValueError, match=message) as error:
        read_published_evaluations(written(tmp_path, **changes))
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", ""), "something was executed"


@needs_files
def test_the_real_table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = {"access": {"mirrors": [str(REAL)], "offline": True}}
    read = published_evaluations.run(settings, {}, {"published_evaluations": [tmp_path / "t.csv"]}, Silent())
    assert [path.name for path in read["source"]] == ["eval_archs.yaml", "eval_config.yaml", "eval_results.yaml"]
    table = PUBLISHED_EVALUATIONS.read(tmp_path / "t.csv")
    assert (len(table), int(table["test_error_percent"].notna().sum())) == (36, 35)
    (untested,) = table[table["test_error_percent"].isna()].to_dict("records")
    assert (untested["space"], untested["data_set"], untested["drop_path"]) == ("s4", "cifar10", 0.8)
    on_cifar10 = table[table["data_set"] == "cifar10"]
    assert on_cifar10.groupby(["init_channels", "layers"])["test_error_percent"].count().to_dict() == {
        (16, 8): 6,
        (16, 20): 1,
        (36, 20): 4,
    }
    majority = table[(table["space"] == "s4") & (table["data_set"] == "svhn") & table["l2"].notna()]
    assert majority["test_error_percent"].tolist() == pytest.approx([80.4126, 80.4126], abs=1e-4)
    named = read_genotypes(Path(__file__).parents[2] / "config" / "published_genotypes.txt")
    texts = [genotype.text() for name, genotype in named.items() if name.startswith("robustdarts_2019")]
    assert table["genotype"].tolist() == texts
    for row in table.to_dict("records"):
        assert misfit(parse_genotype(row["genotype"]), row["space"]) is None
