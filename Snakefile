# The table of contents: the study, the rules in the order data flows, and the targets a person asks for.
# See README.md. A study is chosen with --configfile config/<study>.yaml.

from pathlib import Path

from snakemake.utils import min_version

from workflow_scripts.cluster.left_running import cancel_left_running, numbers
from workflow_scripts.provenance.kept_outputs import snapshot, put_back_missing
from workflow_scripts.provenance.page import pages_there, write_page
from workflow_scripts.provenance.staleness import source_warnings
from workflow_scripts.provenance.failed_jobs import failures
from workflow_scripts.provenance.shared_trainings import same_training
from workflow_scripts.provenance.waivers import rule_params
from workflow_scripts.runtime.command_line import print_lines
from workflow_scripts.runtime.job_command import (
    access_option,
    rule_command,
)
from workflow_scripts.runtime.run_locks import end_locks_with_runs
from workflow_scripts.runtime.snakemake_start import (
    after_idle_runs,
    collect_garbage,
    collect_no_garbage,
    look_for_last_outputs,
    note_forcing,
    one_line_per_job,
    require_locks,
    require_own_start,
    require_requests,
    use_this_python,
)
from workflow_scripts.study.figure_modules import snakemake_report_entry
from workflow_scripts.study.open_study import open_study
from workflow_scripts.study.places import DATA_ROOT

min_version("9.27")

require_own_start(workflow)
collect_no_garbage()
PLAN = open_study(workflow)
PLACES = PLAN.places
RESULTS = PLACES.results
FOLDERS = (Path(RESULTS), Path(DATA_ROOT))
BEFORE = snapshot(FOLDERS) if workflow.is_main_process else {}
SUBMITTED = numbers() if workflow.is_main_process else set()
job_params = rule_params(PLAN)
use_this_python()
look_for_last_outputs()
one_line_per_job()
end_locks_with_runs()
after_idle_runs(lambda: write_page(RESULTS, PLAN.study))


wildcard_constraints:
    data_set="[a-z0-9_]+",
    group="[^/]+",
    search="[a-z0-9_]+",
    method="[a-z0-9_]+",
    run="[^/]+",
    seed="[0-9]+",
    table="searches|search_epochs|curvature|spectra|evaluations",
    figure="[a-z_]+",


rule all:
    default_target: True
    input:
        PLACES.output("report", "report"),


# With --config figures_only=true no rule that searches or trains exists, so nothing can start one.
if PLAN.runs.existing_only:
    print_lines(*source_warnings(PLAN), file=sys.stderr)
else:

    include: "rules/data.smk" if PLAN.study.data.made_up is None else "rules/made_up_data.smk"
    include: "rules/cells.smk"
    include: "rules/depth.smk"


include: "rules/architectures.smk"
include: "rules/tables.smk"
include: "rules/figures.smk"
include: "rules/report.smk"


# Before the first job. Whether jobs are forced is known only after the workflow was read.
onstart:
    collect_garbage()
    require_locks(workflow, Path(RESULTS))
    require_requests(workflow)
    note_forcing(workflow)


# After every run, also one that failed: the outputs of the jobs that it finished are looked for, and the page of records
# is made anew, which is a view and no job's output.
onsuccess:
    gone = put_back_missing(BEFORE, FOLDERS)
    write_page(RESULTS, PLAN.study)
    print_lines(*pages_there(RESULTS))
    # Of all that a handler can raise, Snakemake shows this text whatever `quiet` says.
    if gone:
        sys.exit("\n".join(gone))


onerror:
    cancel_left_running(workflow, SUBMITTED)
    gone = put_back_missing(BEFORE, FOLDERS)
    write_page(RESULTS, PLAN.study)
    lines = [*failures(Path(RESULTS)), *gone] or [f"no job left a trace in {RESULTS}; the lines above say why"]
    print_lines("Failed:", *lines, file=sys.stderr)
