"""The job of a cluster's scheduler that this process runs in, as its environment tells.

Slurm, PBS, LSF and Grid Engine. HTCondor gives its jobs no number in the environment.
"""

from collections.abc import Mapping

VARIABLES = {
    "Slurm": ("SLURM_JOB_ID",),
    "PBS": ("PBS_JOBID",),
    "LSF": ("LSB_JOBID",),
    "Grid Engine": ("JOB_ID", "SGE_TASK_ID"),  # other programs, too, call something JOB_ID
}
"""What each scheduler sets in a job: first the job's number, then what must be there, too."""


def scheduler_name(environment: Mapping[str, str]) -> str | None:
    """The scheduler that started this process; None outside a job."""
    set_all = (name for name, variables in VARIABLES.items() if all(environment.get(each) for each in variables))
    return next(set_all, None)


def scheduler_job(environment: Mapping[str, str]) -> str | None:
    """The number of the scheduler's job that this process runs in, as the scheduler writes it; None outside a job."""
    name = scheduler_name(environment)
    return None if name is None else environment[VARIABLES[name][0]]
