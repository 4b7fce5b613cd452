"""The same study gives the same bytes, however many jobs run at once."""

from pathlib import Path

from workflow.workflow_copy import build, copy_workflow, results

PROMISED = ("architectures.yaml", "report.html", "tables/*.csv", "figures/*", "cells/**/*", "depth/**/[!.]*")


def test_one_and_two_jobs_at_once_give_the_same_bytes(built: Path, tmp_path: Path) -> None:
    alone = copy_workflow(tmp_path / "alone")
    build(alone, "--cores", "1")
    first, second = results(alone, *PROMISED), results(built, *PROMISED)
    assert set(first) == set(second)
    assert len(first) > 50
    assert [name for name in first if first[name] != second[name]] == []
