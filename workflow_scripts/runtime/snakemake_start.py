"""What the Snakefile does before the first job, whatever the study."""

import gc
import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from workflow_scripts.runtime.folders import LOGS
from workflow_scripts.runtime.job_command import ANEW
from workflow_scripts.runtime.locks import lock_problem

ROOT = Path(__file__).parents[2]
SELECTING = "Select jobs to execute..."
"""What Snakemake says before it looks which jobs can start."""


def require_own_start(workflow: Any) -> None:
    """End the program, in one sentence, where this is part of another workflow, or runs in another folder.

    A job finds the code, and the audit the sources, from the working folder; the study is read from --configfile; and
    what is to be done before and after a run is left out for a module.
    """
    main, here = Path(workflow.main_snakefile), Path.cwd()
    if main.resolve() != (ROOT / "Snakefile").resolve():
        sys.exit(f"{main}: this workflow cannot be part of another (include, module); start it by itself in {ROOT}")
    if here.resolve() != ROOT.resolve():
        sys.exit(
            f"this workflow runs in its own folder only: start Snakemake in {ROOT}, not in {here} "
            "(no --directory; results/ there may be a link to another disk)"
        )


def collect_no_garbage() -> None:
    """Until `collect_garbage`, which a dry run does not reach.

    The graph of a study stays; to look for garbage in it takes a sixth of the time of a dry run of `paper`.
    """
    gc.disable()


def collect_garbage() -> None:
    """From here on, and not in what is there now."""
    gc.freeze()
    gc.enable()


def use_this_python() -> None:
    """Make `python` the one that runs Snakemake, for the commands of rules and of profiles.

    Where Snakemake sets up a conda environment, that goes before.
    """
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"


def require_locks(workflow: Any, results: Path) -> None:
    """End the program, in one sentence, where the results' file system has no locks that hold where jobs run."""
    problem = lock_problem(results, several_machines=not workflow.local_exec)
    if problem is not None:
        sys.exit(problem)


def require_requests(workflow: Any) -> None:
    """End the program, in one sentence, where the submit command names a request that the jobs of some rules lack.

    --default-resources on the command line replaces the profile's whole list. The executor is known once jobs start.
    """
    command = getattr(workflow.executor_settings, "submit_cmd", None) or ""
    given = workflow.resource_settings.default_resources or {}
    missing = [name for name in re.findall(r"\{resources\.(\w+)\}", command) if name not in given]
    if missing:
        sys.exit(
            f"default-resources has no {' and no '.join(dict.fromkeys(missing))}, which the submit command names; on"
            " the command line give the whole list again, since it replaces the profile's"
        )


def note_forcing(workflow: Any) -> None:
    """Let jobs know, through the environment, that a person asked for what could be left alone to be computed.

    That is --force, --forceall or --forcerun; known only after the Snakefile was read. The Snakemake that a cluster's
    job may start is always given --force, but it is not the main process, whose word counts.
    """
    asked = workflow.dag_settings
    if workflow.is_main_process and asked is not None and (asked.forceall or asked.forcerun or asked.forcetargets):
        os.environ[ANEW] = "yes"


def look_for_last_outputs() -> None:
    """Make Snakemake look for the outputs of the jobs that --until and --omit-from leave as the last ones.

    After a checkpoint it takes away the jobs behind them and then asks only for files that those would have read, so it
    takes the last ones for done (https://github.com/snakemake/snakemake/issues/2824, in 9.27 too). What a person asks
    for by name it does look for, so the outputs are added there.
    """
    from snakemake.dag import DAG

    def look_after(filtering: Callable[[DAG], None]) -> Callable[[DAG], None]:
        def filter_jobs(dag: DAG) -> None:
            filtering(dag)
            if dag.untilrules or dag.untilfiles or dag.omitrules or dag.omitfiles:
                dag.targetfiles |= {file for job in dag.targetjobs for file in job.output}

        return filter_jobs

    DAG.set_until_jobs = look_after(DAG.set_until_jobs)
    DAG.delete_omitfrom_jobs = look_after(DAG.delete_omitfrom_jobs)


def one_line_per_job() -> None:
    """Make Snakemake say that a job ended in one line, which names it, instead of in three that do not.

    Nor does it say any more, each time, that it selects and executes jobs. None of its options leaves out these lines
    alone: `quiet: progress` also leaves out the list of jobs that a dry run is for.
    """
    from snakemake.logging import logger

    logger.addFilter(_OneLine().filter)


class _OneLine:
    """Rewrites the records of Snakemake's log as they come, before any handler decides whether it shows them."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.finished: list[str] = []

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is kept."""
        from snakemake.settings.enums import Quietness
        from snakemake_interface_logger_plugins.common import LogEvent

        event, facts = getattr(record, "event", None), vars(record)
        if event == LogEvent.JOB_INFO:
            self.names[facts["jobid"]] = _job_name(facts["log"]) or facts["rule_name"]
        elif event == LogEvent.JOB_FINISHED:
            self.finished.append(self.names.pop(facts["job_id"], f"job {facts['job_id']}"))
            return False
        elif event == LogEvent.PROGRESS:
            names = ", ".join(self.finished)
            self.finished.clear()
            record.msg = f"{facts['done']} of {facts['total']} jobs done: {names}"
            # Without its event it is shown as it is, and with its quietness not at all where a person asks for that.
            facts.update(event=None, quietness=Quietness.PROGRESS)
        return event != LogEvent.JOB_STARTED and record.msg != SELECTING


def _job_name(logs: Sequence[str]) -> str | None:
    """The name of a job by the path of its log."""
    parts = logs[0].partition(f"/{LOGS}/") if logs else ("", "", "")
    return parts[2].removesuffix(".log") or None


def after_idle_runs(act: Callable[[], None]) -> None:
    """Make Snakemake act after a run in which there was nothing to do: it calls no handler then."""
    from snakemake.workflow import Workflow

    execute = Workflow.execute

    def execute_and_act(workflow: Any, *arguments: Any, **named: Any) -> None:
        execute(workflow, *arguments, **named)
        if workflow.is_main_process and not workflow.dryrun and len(workflow.dag) == 0:
            act()

    Workflow.execute = execute_and_act
