"""The audit on a whole tiny study, run through Snakemake: what it proves, what it finds, and that `status` foresees."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from loaded_python import run_module
from workflow.workflow_copy import ROOT, build, copy_workflow, edit, planned, results, snakemake

from workflow_scripts.provenance.record import SAME_TRAINING, canonical_bytes, read_record, sealed
from workflow_scripts.study import open_study
from workflow_scripts.study.job_plan import Plan
from workflow_scripts.study.settings_model import canonical

TINY = "results/tiny"
SEARCH = "cells/searches/s4_digits/darts/l2-0.0003_drop-0_seed-1"
TRAINING = "cells/evaluations/s4_digits/darts/l2-0.0003_drop-0_seed-1/seed-1"


@pytest.fixture
def tree(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished tree, to be altered."""
    subprocess.run(["cp", "-a", str(finished), str(tmp_path / "copy")], check=True)
    return tmp_path / "copy"


def run(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_module(tree, f"workflow_scripts.{arguments[0]}", *arguments[1:])


def audit(tree: Path, *arguments: str, status: int = 0) -> str:
    done = run(tree, "audit", *arguments)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def found(tree: Path) -> set[tuple[str, str]]:
    """Kind and path of what `verify` finds in the tiny study."""
    verdict = json.loads(run(tree, "audit", "verify", TINY, "--json").stdout)
    return {(finding["kind"], finding["path"].removeprefix(f"{TINY}/")) for finding in verdict["findings"]}


def status(tree: Path, *arguments: str) -> str:
    done = run(tree, "status", "config/tiny.yaml", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# the list of jobs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("study", open_study.study_names())
def test_the_planned_jobs_are_those_of_snakemake(study: str, tmp_path: Path) -> None:
    tree = copy_workflow(tmp_path / "tree")
    done = snakemake(tree, "--dry-run", "--forceall", "--quiet", "host", study=study)
    assert done.returncode == 0, done.stderr
    blocks = re.split(r"^(?:local)?(?:rule|checkpoint) \w+:$", done.stdout + done.stderr, flags=re.MULTILINE)[1:]
    theirs = {}
    for block in blocks:
        fields = dict(re.findall(r"^    (input|output|log): (.*)$", block, re.MULTILINE))
        if "log" in fields:
            theirs[fields["log"]] = {
                key: set(fields.get(key, "").split(", ")) - {"", "<TBD>"} for key in ("input", "output")
            }
    ours = {job.log: job for job in Plan(open_study.load([ROOT / "config" / f"{study}.yaml"], {})).jobs}
    assert ours.keys() == theirs.keys()
    for log, job in ours.items():
        assert set(job.writes) == theirs[log]["output"], log
        behind = job.inputs.get("data", []) + job.inputs.get("candidate", []) + job.inputs.get("architecture", [])
        assert set(job.reads) - theirs[log]["input"] <= set(behind), log
        assert theirs[log]["input"] <= set(job.reads), log


def test_the_rules_ran_what_the_plan_says(finished: Path) -> None:
    """Names and order of files, settings and modules, of every job of the tiny study, as its record has them."""
    plan = Plan(open_study.load([finished / "config/tiny.yaml"], {}))
    for job in plan.jobs:
        record = read_record(finished / job.record)
        given = dict(record.arguments.inputs)
        given.pop(SAME_TRAINING, None)  # known only when the architectures are there
        assert given == {name: paths for name, paths in job.inputs.items() if paths}, job.name
        assert record.arguments.outputs == job.outputs, job.name
        assert canonical(record.settings) == canonical(job.settings), job.name
        assert (record.step, tuple(record.chosen_modules)) == (job.step, job.modules), job.name


# verify ---------------------------------------------------------------------------------------------------------------


def test_a_finished_study_is_clean_here_and_copied_away(tree: Path, tmp_path: Path) -> None:
    output = audit(tree, "verify", TINY)
    assert output.endswith("\nclean: every file matches its record\n")
    assert "views, made from records and results for reading: report.html, provenance.html" in output
    digest = re.search(r"root digest (\w{64})", output)
    assert digest is not None
    shutil.copytree(tree / TINY, tmp_path / "away")
    output = audit(ROOT, "verify", str(tmp_path / "away"), "--against", digest[1])
    assert "not looked at, because the folder lies apart from the workflow" in output
    assert "data/digits.npz" in output


def test_altered_results_and_data_are_named_and_nothing_else(tree: Path) -> None:
    altered = {
        "architectures.yaml": (b"noise", b"sep_conv_3x3"),
        "tables/evaluations.csv": (b"darts", b"DARTS"),
        f"{SEARCH}/history.csv": (b"1,", b"2,"),
        "figures/test_error.json": (b"test", b"Test"),
    }
    for file, (old, new) in altered.items():
        content = (tree / TINY / file).read_bytes()
        assert old in content
        (tree / TINY / file).write_bytes(content.replace(old, new, 1))
    with (tree / "data/digits.npz").open("ab") as data:
        data.write(b"0")
    assert found(tree) == {("altered", file) for file in (*altered, "data/digits.npz")}


def test_a_changed_setting_and_a_changed_module_are_named_with_old_and_new(tree: Path) -> None:
    edit(tree / "config/tiny.yaml", "epochs: 6", "epochs: 7")
    edit(tree / "figures/test_error.py", 'TITLE = "', 'TITLE = "Changed: ')
    output = audit(tree, "verify", TINY, status=1)
    assert "stale: cell_search/s4_digits/darts/l2-0.0003_drop-0_seed-1: setting search.epochs: 6 -> 7" in output
    assert re.search(r"stale: figure_test_error: code of figures.test_error: \w{8} -> \w{8}", output)


def test_jobs_that_are_not_done_are_counted_in_the_last_line(tree: Path) -> None:
    one_seed_more = "cells.evaluation.seeds=[1,2]"
    output = audit(tree, "verify", TINY, "--set", one_seed_more, status=1)
    assert re.search(r"^\d+ findings; \d+ jobs of the study have no result\n\Z", output, re.MULTILINE)


def test_a_folder_that_cannot_be_read(tree: Path) -> None:
    output = audit(tree, "verify", "results/tini", status=2)
    assert output == "results/tini: there is no such folder (did you mean tiny?); known are tiny\n"


# why, affected, diff, replay ------------------------------------------------------------------------------------------


def test_why_tells_the_whole_ancestry(tree: Path) -> None:
    output = audit(tree, "why", f"{TINY}/figures/test_error.png")
    for part in (
        "figure_test_error",
        "join_tables/evaluations",
        "evaluate_genotype/s4_digits/darts/l2-0.0003_drop-0_seed-1/seed-1",
        "derive_architectures_s4_digits",
        "cell_search/s4_digits/darts/l2-0.06_drop-0_seed-1",
        "data/digits.npz, sha256 ",
        "search.epochs=6",
        "workflow_scripts.cells.supernet",
        "torch 2.",
    ):
        assert part in output, part
    assert "depth_search" not in output
    ancestors = json.loads(audit(tree, "why", f"{TINY}/figures/test_error.png", "--json"))
    assert {record["step"] for record in ancestors} >= {"figure", "evaluate_genotype", "cell_search", "fetch_data"}
    output = audit(tree, "why", f"{TINY}/figures/nothing.png", status=2)
    assert output == f"{TINY}/figures/nothing.png: no record names this file; it is not there either\n"


def test_affected_names_what_derives_from_data_search_module_and_setting(tree: Path) -> None:
    for what in ("data/digits.npz", f"{TINY}/{SEARCH}", "workflow_scripts/cells/supernet.py", "search.order=1"):
        output = audit(tree, "affected", what)
        assert f"{TINY}/figures/test_error.png" in output, what
        assert "depth_posterior" not in output, what
    assert "4 figure (4 of them directly)" in audit(tree, "affected", "figures/style.py")
    assert "no record in results/tiny names such a file" in audit(tree, "affected", "l3=2", status=2)


def test_diff_names_the_first_cause_upstream(tree: Path, finished: Path) -> None:
    same = "every figure, table and architecture is the same bytes in both folders\n"
    assert audit(tree, "diff", TINY, str(finished / TINY)) == same
    edit(tree / "workflow_scripts/cells/supernet.py", "1e-3 * torch.randn", "2e-3 * torch.randn")
    build(tree, f"{TINY}/figures/dominant_eigenvalue.png")
    output = audit(tree, "diff", str(finished / TINY), TINY, status=1)
    assert "figures/dominant_eigenvalue.pdf, figures/dominant_eigenvalue.png" in output
    assert "tables/s4_digits/searches.csv" in output
    assert "depth_posterior" not in output
    searches = [f"cell_search/s4_digits/darts/l2-{l2}_drop-0_seed-1" for l2 in ("0.0003", "0.06")]
    assert "  tables/searches.csv: 2 rows with other values" in output
    assert re.search(r"^    space s4, .*: train_error_percent \S+ -> \S+;", output, re.MULTILINE)
    for line in (line for line in output.splitlines() if re.match(r"  (?!  |tables/)", line)):
        cause = re.fullmatch(r"  (\S+): code of workflow_scripts\.cells\.supernet: \w{8} -> \w{8}", line)
        assert cause is not None, output
        assert cause[1] in searches


@pytest.mark.parametrize("path", ["figures/test_error.png", SEARCH, TRAINING, "depth"])
def test_replay_writes_the_same_bytes(finished: Path, path: str) -> None:
    if path == "depth":
        path = next((finished / TINY / path).iterdir()).relative_to(finished / TINY).as_posix()
    output = audit(finished, "replay", f"{TINY}/{path}")
    counts = re.search(r"(\d+) of (\d+) files are the same bytes", output)
    assert counts is not None
    assert counts[1] == counts[2] != "0"
    assert "not as then" not in output


def test_replay_says_what_differs(tree: Path) -> None:
    edit(tree / "figures/test_error.py", 'TITLE = "', 'TITLE = "Changed: ')
    output = audit(tree, "replay", f"{TINY}/figures/test_error.png", status=1)
    assert f"different: {TINY}/figures/test_error.json" in output
    assert "not as then: code of figures.test_error" in output
    (tree / TINY / "tables/evaluations.csv").write_text("altered")
    output = audit(tree, "replay", f"{TINY}/figures/test_error.png", status=2)
    assert "its input results/tiny/tables/evaluations.csv is not what it was when the job read it" in output


def test_a_record_from_a_stranger_runs_nothing_of_its_own(tree: Path) -> None:
    """A record may name steps, modules and paths; none of them leads to code or files outside their place."""
    evil = "from pathlib import Path\nPath('executed').touch()\n"
    (tree / "results" / "tiny" / "evil.py").write_text(evil)
    (tree / "results" / "__init__.py").write_text(evil)
    record = tree / TINY / "records" / "figure_test_error.json"
    for changes in (
        {"step": "fetch_data", "settings": {"module": "results.tiny.evil"}, "chosen_modules": []},
        {"settings": {"figure": "../results/tiny/evil"}},
        {"step": "evil", "chosen_modules": []},
        {"job": "../../evil"},
        {"root": "results"},
    ):
        before = record.read_bytes()
        fields = {key: value for key, value in json.loads(before).items() if key != "digest"} | changes
        record.write_bytes(canonical_bytes(sealed(fields)))
        done = run(tree, "audit", "replay", f"{TINY}/figures/test_error.png")
        assert done.returncode in (1, 2), changes
        assert "Traceback" not in done.stderr
        assert not list(tree.rglob("executed"))
        record.write_bytes(before)


# waivers --------------------------------------------------------------------------------------------------------------


def test_a_waiver_keeps_a_result_until_code_changes_again(tree: Path) -> None:
    supernet = tree / "workflow_scripts/cells/supernet.py"
    assert "is stale, so there is nothing to waive" in audit(
        tree, "waive", f"{TINY}/{SEARCH}", "--reason", "x", status=2
    )
    edit(supernet, "\nimport ", "\nCHANGED = 1\nimport ")
    assert planned(tree)["cell_search"] == 2
    output = audit(tree, "waive", f"{TINY}/cells/searches", "--reason", "a constant that nothing uses")
    assert output.count("kept: ") == 2
    assert "cell_search" not in planned(tree)
    output = audit(tree, "verify", TINY)
    assert output.count("waived: cell_search/") == 2
    assert "a constant that nothing uses" in output
    assert "stale: cell_search/" not in output
    assert "  waived: cell_search/" in status(tree)
    build(tree)
    assert planned(tree) == {}
    edit(supernet, "CHANGED = 1", "CHANGED = 2")
    assert planned(tree)["cell_search"] == 2


def test_an_altered_result_cannot_be_waived(tree: Path) -> None:
    edit(tree / "workflow_scripts/cells/supernet.py", "\nimport ", "\nCHANGED = 1\nimport ")
    (tree / TINY / SEARCH / "history.csv").write_text("altered")
    output = audit(tree, "waive", f"{TINY}/{SEARCH}", "--reason", "x", status=2)
    assert f"{TINY}/{SEARCH}/history.csv does not match its record" in output
    assert not (tree / TINY / "waivers").exists()


# status ---------------------------------------------------------------------------------------------------------------


def test_status_of_a_finished_study(finished: Path) -> None:
    output = status(finished)
    assert "Nothing would run.\nSnakemake would run nothing either.\n" in output
    assert "type" not in output


def agreed_status(tree: Path) -> str:
    """What `status` prints where jobs would run; it must name as many jobs as Snakemake would run."""
    output = status(tree)
    counts = re.search(r"Snakemake would run the same jobs \((\d+)\)\.", output)
    assert counts is not None, output
    assert int(counts[1]) == sum(planned(tree).values()) - 1, "all jobs but the target itself"
    assert re.search(r"Running \d+ jobs would cost \w+ of one core", output)
    return output


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("workflow_scripts/cells/supernet.py", "1e-3 * torch.randn", "2e-3 * torch.randn"),
        ("config/tiny.yaml", "epochs: 6", "epochs: 7"),
        ("config/tiny.yaml", "seeds: [1]}\n  search:", "seeds: [1, 2]}\n  search:"),
        ("config/tiny.yaml", "start: 0", "start: 900"),
        ("workflow_scripts/data/sets/digits.py", "TRAIN_IMAGES = 1000", "TRAIN_IMAGES = 999"),
        ("workflow_scripts/depth/posterior.py", "\nimport ", "\nCHANGED = 1\nimport "),
    ],
    ids=["the supernet", "a setting", "a new seed", "the stop rule", "the data", "the depth search"],
)
def test_status_agrees_with_snakemake(tree: Path, file: str, old: str, new: str) -> None:
    edit(tree / file, old, new)
    agreed_status(tree)


@pytest.mark.parametrize(
    ("file", "old"), [("cells/methods/darts_es.py", "\nSEARCH = "), ("steps/gather_architectures.py", "\nfrom ")]
)
def test_trainings_of_architectures_that_stay_the_same_may_follow_and_do_not(tree: Path, file: str, old: str) -> None:
    module = tree / "workflow_scripts" / file
    module.write_text(module.read_text().replace(old, f"\nCHANGED = 1{old}", 1))
    output = agreed_status(tree)
    assert len(re.findall(r"^  may follow: evaluate_genotype/", output, re.MULTILINE)) == 4
    assert "  follows: evaluate_genotype/" not in output
    assert ("  follows: group_architectures/s4_digits" in output) == (file == "cells/methods/darts_es.py")
    done = build(tree, f"{TINY}/tables/evaluations.csv")
    assert "jobs done: group_architectures/" in done
    assert "jobs done: evaluate_genotype/" not in done
    assert "evaluate_genotype" not in planned(tree)
    assert planned(tree, f"{TINY}/tables/evaluations.csv") == {}


def test_status_tells_reason_and_cost(tree: Path) -> None:
    edit(tree / "figures/test_error.py", 'TITLE = "', 'TITLE = "Changed: ')
    output = agreed_status(tree)
    assert re.search(
        r"  stale: figure_test_error  \[\d+s\]\n      code of figures.test_error: \w{8} -> \w{8}\n", output
    )
    assert "  follows: report" in output
    assert "reads what figure_test_error makes" in output


def test_status_knows_better_than_snakemake(tree: Path) -> None:
    (tree / TINY / "tables/evaluations.csv").write_text("altered\n")
    output = status(tree)
    assert "join_tables/evaluations is altered, but Snakemake would not run it: it keeps no digest of outputs" in output
    assert (
        f"\n  rm -r {TINY}/tables/evaluations.csv\n  .venv/bin/snakemake {TINY}/tables/evaluations.csv --profile"
        in output
    )


def test_what_status_says_to_type_brings_a_deleted_result_back(tree: Path) -> None:
    weights = tree / TINY / TRAINING / "weights.pt"
    content = weights.read_bytes()
    weights.unlink()
    assert planned(tree) == {}
    typed = [shlex.split(line) for line in status(tree).splitlines() if line.startswith("  .venv/bin/snakemake")]
    target = f"{TINY}/{TRAINING}/weights.pt"
    options = ["--profile", "profiles/local", "--configfile", "config/tiny.yaml"]
    assert [words[1:] for words in typed] == [[target, *options], options]
    build(tree, target)
    assert weights.read_bytes() == content
    assert "28 jobs, 28 fresh" in status(tree)


def test_status_after_the_metadata_was_lost(tree: Path) -> None:
    shutil.rmtree(tree / ".snakemake")
    edit(tree / "figures/test_error.py", 'TITLE = "', 'TITLE = "Changed: ')
    output = status(tree)
    assert "figure_test_error is stale, but Snakemake would not run it: it has lost its metadata" in output


def test_status_after_outputs_were_marked_by_touch(tree: Path) -> None:
    edit(tree / "figures/test_error.py", 'TITLE = "', 'TITLE = "Changed: ')
    build(tree, "--touch", "--forceall")
    output = status(tree)
    assert "figure_test_error is stale, but Snakemake would not run it" in output
    assert planned(tree) == {}


# export and page ------------------------------------------------------------------------------------------------------


def test_the_exported_crate_is_read_by_rocrate_and_runcrate(finished: Path, tmp_path: Path) -> None:
    from rocrate.rocrate import ROCrate

    crate = tmp_path / "crate"
    audit(finished, "export", TINY, str(crate))
    read = ROCrate(crate)
    profiles = {profile.id for profile in read.root_dataset["conformsTo"]}
    assert "https://w3id.org/ro/wfrun/provenance/0.5" in profiles
    actions = [entity for entity in read.contextual_entities if entity.type == "CreateAction"]
    records = list((finished / TINY / "records").rglob("*.json"))
    assert len(actions) == len(records) + 2, "one for every job, one for the data set, one for the whole"
    figure = next(action for action in actions if action["name"] == "figure_test_error")
    tables = {f"{TINY}/tables/{table}.csv" for table in ("searches", "evaluations")}
    assert {part.id for part in figure["object"]} == tables
    assert f"{TINY}/figures/test_error.png" in {part.id for part in figure["result"]}
    program = Path(sys.executable).with_name("runcrate")
    report = subprocess.run([program, "report", crate], capture_output=True, text=True, check=True).stdout
    assert report.count("action: ") == len(actions)
    assert f"{TINY}/figures/test_error.png" in report
    assert "clean: every file matches its record" in audit(ROOT, "verify", str(crate / TINY))
    assert "it exists already" in audit(finished, "export", TINY, str(crate), status=2)


def test_a_run_leaves_the_page_of_its_provenance(finished: Path) -> None:
    text = (finished / TINY / "provenance.html").read_text()
    assert "figure_test_error" in text
    assert results(finished, "provenance.html")


# without torch --------------------------------------------------------------------------------------------------------


def test_the_audit_needs_no_torch_and_no_snakemake(finished: Path) -> None:
    program = (
        "import sys; sys.modules.update(dict.fromkeys(('torch', 'matplotlib', 'snakemake')));"
        "from workflow_scripts.audit import main; sys.exit(main(sys.argv[1:]))"
    )
    for arguments in (["verify", TINY], ["why", f"{TINY}/figures/test_error.png"], ["affected", "data/digits.npz"]):
        command = [sys.executable, "-c", program, *arguments]
        done = subprocess.run(command, cwd=finished, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
