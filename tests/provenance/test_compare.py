"""Two results folders of one study: what differs is named, with what first made it differ."""

import json

import pytest

from workflow_scripts.audit import main
from workflow_scripts.provenance.compare import differing_files
from workflow_scripts.provenance.ledger import read_ledger
from workflow_scripts.provenance.record import canonical_bytes, digest_of, sealed
from workflow_scripts.rehearsal.made_up_results import make_results

TABLE = "tables/searches.csv"


@pytest.fixture
def folders(tmp_path):
    return [make_results(tmp_path / name, 1) for name in ("first", "second")]


def make_otherwise(folder, job, settings):
    """As if a job had been made with other settings, and had written other bytes to its only output."""
    file = folder / f"records/{job}.json"
    record = {key: value for key, value in json.loads(file.read_text()).items() if key != "digest"}
    content = b"other\n"
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
    assert capsys.readouterr().out == f"{TABLE}\n  {cause}\n"


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
