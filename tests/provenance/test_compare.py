"""Two results folders of one study: what differs is named, with what first made it differ."""

import json

import example_tables
import pytest

from workflow_scripts.audit import main
from workflow_scripts.provenance.compare import KEYS, compare_tables, differing_files, table_lines
from workflow_scripts.provenance.ledger import read_ledger
from workflow_scripts.provenance.record import canonical_bytes, digest_of, sealed
from workflow_scripts.rehearsal.made_up_results import make_results
from workflow_scripts.tables.catalogue import TABLES

TABLE = "tables/searches.csv"


@pytest.fixture
def folders(tmp_path):
    return [make_results(tmp_path / name, 1) for name in ("first", "second")]


def make_otherwise(folder, job, settings, content=b"other\n"):
    """As if a job had been made with other settings, and had written other bytes to its only output."""
    file = folder / f"records/{job}.json"
    record = {key: value for key, value in json.loads(file.read_text()).items() if key != "digest"}
    [output] = record["outputs"]
    (folder.parents[1] / output["path"]).write_bytes(content)
    output |= {"sha256": digest_of(content), "bytes": len(content)}
    file.write_bytes(canonical_bytes(sealed({**record, "settings": settings})))


def differing(folders):
    return dict(differing_files(*map(read_ledger, folders)))


def test_the_same_results_differ_in_nothing(folders, capsys):
    assert differing(folders) == {}
    assert main(["diff", *map(str, folders)]) == 0
    assert capsys.readouterr().out == "every figure, table and architecture is the same bytes in both folders\n"


def test_a_table_that_differs_is_told_also_where_no_figure_does(folders, capsys):
    make_otherwise(folders[1], "join_tables/searches", {"table": "other"})
    cause = 'join_tables/searches: setting table: "searches" -> "other"'
    assert differing(folders) == {TABLE: [cause]}
    assert main(["diff", *map(str, folders)]) == 1
    why_not = f"{folders[0] / TABLE} has no column space"
    assert capsys.readouterr().out == f"{TABLE}\n  {cause}\n  {TABLE}: not compared row by row: {why_not}\n"


COMPARED = "space,data_set,method,ours_mean_percent,sources"


def written(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([COMPARED, *rows, ""]))
    return path


def test_rows_are_compared_by_key_whatever_their_order(tmp_path):
    first = written(tmp_path / "a/comparison.csv", "s1,c10,darts,4.5,A", "s2,c10,darts,3.0,A", "s3,c10,darts,,A")
    second = written(tmp_path / "b/comparison.csv", "s3,c10,darts,2.5,B", "s1,c10,darts,4.5,A", "s4,c10,darts,1,A")
    found = compare_tables(first, second)
    assert (found.only_first, found.only_second) == ([("s2", "c10", "darts", "1")], [("s4", "c10", "darts", "1")])
    assert found.changed == {
        ("s3", "c10", "darts", "1"): {"ours_mean_percent": ("", "2.5"), "sources": ("A", "B")},
    }


def test_differences_of_a_table_are_told_in_lines_and_of_many_the_first(tmp_path):
    name = "tables/comparison.csv"
    written(tmp_path / "a" / name, *(f"s{n},c10,darts,{n},A" for n in range(8)), "s9,c10,darts,1,A")
    written(tmp_path / "b" / name, *(f"s{n},c10,darts,{n + 0.5},A" for n in range(8)), "s1,c10,darts,7,A")
    lines = list(table_lines(name, tmp_path / "a", tmp_path / "b"))
    assert lines[:2] == [
        f"{name}: 1 row only in {tmp_path / 'a'}, 1 row only in {tmp_path / 'b'}, 8 rows with other values",
        f"  only in {tmp_path / 'a'}: space s9, data_set c10, method darts",
    ]
    assert lines[2].endswith("space s1, data_set c10, method darts, number 2 of these")
    assert lines[3] == "  space s0, data_set c10, method darts: ours_mean_percent 0 -> 0.5"
    assert lines[-1] == "  ... and 3 more rows"
    assert len(lines) == 9
    written(tmp_path / "b" / name, "s1,c10")
    assert "has a row with another number of values than columns" in "".join(
        table_lines(name, tmp_path / "a", tmp_path / "b")
    )


def test_every_table_has_a_key_that_names_its_rows(tmp_path):
    assert set(KEYS) == set(TABLES)
    for name, key in KEYS.items():
        assert set(key) <= set(TABLES[name].names), name
    tables = example_tables.all_tables(tmp_path)
    for name in KEYS.keys() & tables.keys() - {"published_evaluations"}:
        assert not example_tables.frame(tables, name).duplicated(list(KEYS[name])).any(), name


def test_a_table_that_one_folder_has_or_that_was_altered_is_told(folders):
    (folders[0] / TABLE).write_text("altered")
    (folders[1] / "records/join_tables/evaluations.json").unlink()
    assert differing(folders) == {
        "tables/evaluations.csv": [f"only {folders[0]} has it"],
        TABLE: [f"in {folders[0]} it does not match its record; see verify"],
    }


def test_a_link_to_the_other_folders_file_is_not_the_same_bytes(folders):
    (folders[1] / TABLE).unlink()
    (folders[1] / TABLE).symlink_to(folders[0] / TABLE)
    assert differing(folders) == {TABLE: [f"in {folders[1]} it does not match its record; see verify"]}


def test_a_table_that_neither_folder_has_any_more_is_told(folders):
    for folder in folders:
        (folder / TABLE).unlink()
    assert differing(folders) == {
        TABLE: [f"in {folder} it does not match its record; see verify" for folder in folders]
    }


def test_folders_without_anything_to_compare_are_said_to_be_so(folders, capsys):
    for folder in folders:
        for record in (folder / "records").rglob("*.json"):
            if record.parent.name != "darts":
                record.unlink()
    assert main(["diff", *map(str, folders)]) == 0
    assert capsys.readouterr().out == (
        "neither folder has a figure, table or architecture, so there is nothing to compare\n"
    )
