"""The ancestry of a file as lines of a tree."""

import pytest
from provenance.forging import ROOT, forge

from workflow_scripts.provenance.history import WIDTH, why
from workflow_scripts.provenance.ledger import read_ledger

REPORT = f"{ROOT}/report.html"


def ancestry(results):
    return list(why(read_ledger(results), REPORT))


@pytest.mark.parametrize("title", ["y" * 300, "a-b" * 100, f"{'y' * 110} {'z' * 110} end"])
def test_a_setting_longer_than_a_line_is_printed_whole(results, title):
    forge(results / "records/report.json", settings={"title": title})
    lines = ancestry(results)[2:]
    settings = [line.lstrip("│ ") for line in lines[: next(n for n, line in enumerate(lines) if "code: " in line)]]
    assert "".join(settings).replace(" ", "") == f"settings:title={title}".replace(" ", "")
    assert max(map(len, settings)) <= WIDTH


def test_a_device_without_a_name_is_named_so(results):
    forge(results / "records/report.json", device={"kind": "cuda"})
    assert any("a device without a name" in line for line in ancestry(results))
