"""The same study gives the same bytes, however many jobs run at once."""

from pathlib import Path

from workflow.tree import build, copy_workflow, results

PROMISED = ("architectures.yaml", "report.html", "tables/*.csv", "figures/*", "cells/**/*", "depth/**/[!.]*")


def test_one_and_two_jobs_at_once_give_the_same_bytes(tmp_path: Path) -> None:
    one, two = (copy_workflow(tmp_path / name) for name in ("one", "two"))
    build(one, "--cores", "1")
    build(two, "--cores", "2")
    first, second = results(one, *PROMISED), results(two, *PROMISED)
    assert set(first) == set(second)
    assert len(first) > 50
    assert [name for name in first if first[name] != second[name]] == []
