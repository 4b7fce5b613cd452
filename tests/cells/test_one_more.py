"""One more operation and one more metric, as the documents show them: from one edited file to tables and figures."""

import json
import shutil
import subprocess
import sys

from contributing_examples import ROOT, example, with_example

from figures import style
from workflow_scripts.provenance.identity import code_digests

OPERATIONS = "workflow_scripts/cells/operations.py"
METRICS = "workflow_scripts/tables/evaluation_metrics.py"
SEARCH_AND_TRAIN = """
import sys
from pathlib import Path
tests, digits, folder = sys.argv[1:]
sys.path.append(tests)
from cells.test_genotype_training import evaluated, tabled
from cells.tiny import tiny_evaluation, tiny_search, written_search
from workflow_scripts.tables.genotype import parse_genotype
from workflow_scripts.tables.search_run import HISTORY
history = HISTORY.read(written_search(tiny_search(space="own"), Path(digits), Path(folder))["history.csv"])
genotype = parse_genotype(history["genotype"].iloc[-1])
files = evaluated(genotype, tiny_evaluation(epochs=1), Path(digits), Path(folder))
print(tabled(files, Path(folder)).iloc[0].to_json())
"""


def test_an_operation_has_a_name_and_a_colour_in_figures_and_can_have_its_own(tmp_path):
    own = with_example("figures/style.py", tmp_path, before='    "noise": ("noise", ')
    assert style.operation_name("conv_3x3") == "conv 3×3"
    assert own.operation_name("conv_3x3") == "3×3"
    colours = {colour for _, colour in style.OPERATION_STYLES.values()}
    assert style.operation_colour("conv_3x3") not in colours | {style.BLACK}
    assert own.operation_colour("conv_3x3") not in colours | set(style.OTHER_OPERATION_COLOURS)


def test_one_more_operation_and_one_more_metric(digits, tmp_path):
    tree = tmp_path / "tree"
    shutil.copytree(ROOT / "workflow_scripts", tree / "workflow_scripts", ignore=shutil.ignore_patterns("__pycache__"))
    operations, metrics = tree / OPERATIONS, tree / METRICS
    before, rest = operations.read_text().split('    "none": lambda')
    operations.write_text(f'{before}{example(OPERATIONS)}    "none": lambda{rest}')
    before, rest = metrics.read_text().split("METRICS = (")
    metrics.write_text(before + example(METRICS) + rest[rest.index("\n\n\ndef ") :])
    (tree / "workflow_scripts/cells/spaces/own.yaml").write_text("every_edge: [conv_3x3]\n")
    command = [sys.executable, "-c", SEARCH_AND_TRAIN, ROOT / "tests", digits, tmp_path]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout.splitlines()[-1])
    assert row["genotype"].count("conv_3x3") == 16
    assert 0 <= row["test_top_2_error_percent"] <= row["test_error_percent"] <= 100
    for step, file in (("cell_search", OPERATIONS), ("evaluate_genotype", METRICS), ("evaluation_table", METRICS)):
        ours, theirs = (code_digests([f"workflow_scripts.steps.{step}"], root) for root in (ROOT, tree))
        changed = {name for name in ours if ours[name] != theirs[name]}
        assert file.removesuffix(".py").replace("/", ".") in changed
