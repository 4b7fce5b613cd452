"""What the Snakefile does before the first job: with Snakemake itself, on the smallest workflow, and from elsewhere."""

from pathlib import Path

import pytest
from loaded_python import run_module

ROOT = Path(__file__).parents[2]
SEARCHING = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from workflow_scripts.runtime.snakemake_start import look_for_last_outputs
look_for_last_outputs()
rule all:
    input: "table"
checkpoint fetch:
    output: "data"
    shell: "echo 1 >{{output}}"
rule search:
    input: lambda w: checkpoints.fetch.get().output[0]
    output: "{{name}}.found"
    shell: "cp {{input}} {{output}}"
rule table:
    input: "a.found"
    output: "table"
    shell: "cp {{input}} {{output}}"
"""
"""A search behind a checkpoint, and a table of it. A rule with wildcards is no target, so --until alone names it."""


def snakemake(folder, *arguments):
    done = run_module(folder, "snakemake", "--cores", "1", *map(str, arguments))
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("data_is_there", [False, True])
@pytest.mark.parametrize("options", [("--until", "search"), ("--omit-from", "table")])
def test_the_last_job_that_is_asked_for_runs_also_behind_a_checkpoint(tmp_path, options, data_is_there):
    (tmp_path / "Snakefile").write_text(SEARCHING)
    if data_is_there:
        assert snakemake(tmp_path, "--until", "fetch")[0] == 0
    status, printed = snakemake(tmp_path, *options)
    assert status == 0, printed
    assert (tmp_path / "a.found").is_file(), printed
    assert not (tmp_path / "table").exists()
    assert "Nothing to be done" in snakemake(tmp_path, *options)[1]


LOGGING = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from workflow_scripts.runtime.snakemake_start import one_line_per_job
one_line_per_job()
rule table:
    input: "results/x/a"
    output: "table"
    shell: "cp {{input}} {{output}}"
rule a:
    output: "results/x/a"
    log: "results/x/logs/group/a.log"
    shell: "echo 1 >{{output}}"
"""


def test_a_line_says_that_a_job_ended_and_which(tmp_path):
    (tmp_path / "Snakefile").write_text(LOGGING)
    status, printed = snakemake(tmp_path, "--quiet", "rules", "host")
    assert status == 0, printed
    lines = printed.splitlines()
    begun = lines.index("total        2")
    assert [line for line in lines[begun + 1 :] if line][:2] == ["1 of 2 jobs done: group/a", "2 of 2 jobs done: table"]
    (tmp_path / "table").unlink()
    status, printed = snakemake(tmp_path, "--quiet", "progress")
    assert status == 0, printed
    assert "jobs done" not in printed


COLLECTING = f"""
import gc, sys
sys.path.insert(0, {str(ROOT)!r})
from workflow_scripts.runtime.snakemake_start import collect_garbage, collect_no_garbage
collect_no_garbage()
print("read", gc.isenabled(), file=sys.stderr)
rule all:
    output: "table"
    shell: "touch {{output}}"
onstart:
    print("before", gc.isenabled(), file=sys.stderr)
    collect_garbage()
    print("started", gc.isenabled(), gc.get_freeze_count() > 1000, file=sys.stderr)
"""


def test_no_garbage_is_collected_until_the_first_job(tmp_path):
    (tmp_path / "Snakefile").write_text(COLLECTING)
    status, printed = snakemake(tmp_path)
    assert status == 0, printed
    lines = [line for line in printed.splitlines() if line.startswith(("read", "before", "started"))]
    assert lines == ["read False", "before False", "started True True"]


def test_the_snakefile_collects_garbage_from_its_start_on():
    text = (ROOT / "Snakefile").read_text()
    assert text.index("\ncollect_no_garbage()") < text.index("open_study(workflow)")
    assert "\nonstart:\n    collect_garbage()\n" in text


REQUESTING = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from workflow_scripts.runtime.snakemake_start import require_requests
rule a:
    output: "a"
    shell: "echo 1 >{{output}}"
onstart: require_requests(workflow)
"""
PROFILE = """
executor: cluster-generic
jobs: 1
cluster-generic-submit-cmd: >-
  sh submit.sh {resources.runtime} {resources.mem_mb}
default-resources: [runtime=7, mem_mb=50]
"""


def test_requests_that_the_command_line_took_away_are_missed_before_a_job_is_submitted(tmp_path):
    (tmp_path / "Snakefile").write_text(REQUESTING)
    (tmp_path / "profile").mkdir()
    (tmp_path / "profile" / "config.yaml").write_text(PROFILE)
    (tmp_path / "submit.sh").write_text('echo $1 $2 >>submitted; sh "$3" >&2; echo 1')
    status, printed = snakemake(tmp_path, "--profile", "profile", "--default-resources", "mem_mb=60")
    assert status != 0
    assert "default-resources has no runtime, which the submit command names" in printed
    assert not (tmp_path / "submitted").exists()
    status, printed = snakemake(tmp_path, "--profile", "profile", "--set-resources", "a:mem_mb=60")
    assert status == 0, printed
    assert (tmp_path / "submitted").read_text() == "7 60\n"


IDLE = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from workflow_scripts.runtime.snakemake_start import after_idle_runs
after_idle_runs(lambda: print("after an idle run"))
rule a:
    output: "a"
    shell: "echo 1 >{{output}}"
onsuccess: print("after a run")
"""


def test_what_follows_a_run_also_follows_one_with_nothing_to_do(tmp_path):
    (tmp_path / "Snakefile").write_text(IDLE)
    for arguments, expected in (((), ["after a run"]), ((), ["after an idle run"]), (("-n",), [])):
        status, printed = snakemake(tmp_path, *arguments)
        assert status == 0, printed
        assert [line for line in printed.splitlines() if line.startswith("after a")] == expected


STUDY = ROOT / "config" / "spirals.yaml"
INCLUDED = f"include: {str(ROOT / 'Snakefile')!r}\n"
MODULE = f"""
module search:
    snakefile: {str(ROOT / "Snakefile")!r}
use rule * from search
"""


@pytest.mark.parametrize("options", [("--directory", "."), ()])
def test_a_run_in_another_folder_is_refused_in_one_sentence(tmp_path, options):
    status, printed = snakemake(tmp_path, "-n", "--snakefile", ROOT / "Snakefile", "--configfile", STUDY, *options)
    assert status != 0
    assert f"this workflow runs in its own folder only: start Snakemake in {ROOT}, not in {tmp_path}" in printed
    assert "Traceback" not in printed and "Exception" not in printed


@pytest.mark.parametrize("text", [INCLUDED, MODULE])
def test_a_workflow_that_takes_this_one_in_is_refused_in_one_sentence(tmp_path, text):
    (tmp_path / "Other").write_text(text)
    other = ("--snakefile", tmp_path / "Other", "--directory", ROOT)
    status, printed = snakemake(tmp_path, "-n", *other, "--configfile", STUDY)
    assert status != 0
    assert f"{tmp_path / 'Other'}: this workflow cannot be part of another" in printed
    assert "Traceback" not in printed and "Exception" not in printed


def test_the_workflow_can_be_named_from_elsewhere(tmp_path):
    here = ("--snakefile", ROOT / "Snakefile", "--directory", ROOT, "--nolock")
    status, printed = snakemake(tmp_path, "-n", "space_table", *here, "--configfile", ROOT / "config" / "demo.yaml")
    assert status == 0, printed
