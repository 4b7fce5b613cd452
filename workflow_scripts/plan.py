"""What a study will cost before it runs: jobs, device-hours, wall time and disk.

    python -m workflow_scripts.plan config/paper.yaml --devices 8

Times are those of earlier runs of the study, where there are records; else each kind of step is measured briefly on the
device at hand, and scaled by arithmetic to the study's sizes. What was assumed is printed below the table.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from workflow_scripts.benchmark.durations import NotMeasured
from workflow_scripts.disk import beside_results, image_counts, training_of
from workflow_scripts.provenance.record import Record, RecordError, read_record
from workflow_scripts.runtime.command_line import print_error, study_parser
from workflow_scripts.runtime.progress import duration
from workflow_scripts.study.cell_job_settings import EvaluationJob, SearchJob, SelectionJob, SupernetJob
from workflow_scripts.study.depth_settings import DepthRun
from workflow_scripts.study.job import Job
from workflow_scripts.study.job_plan import Plan
from workflow_scripts.study.open_study import named_study
from workflow_scripts.study.study import StudyError

if TYPE_CHECKING:
    from workflow_scripts.benchmark.calibration import Calibration

SMALL_JOB_SECONDS = 2.0
"""Of a job that makes tables, figures or files, besides its start."""
ASSUMPTIONS = (
    "every search and training runs to its last epoch; DARTS-ADA does not go back; no two methods find the same cell",
    "the image sets are as large as their modules state",
    "sizes that are not measured scale with the multiply-adds of a forward pass, on torch's modules",
    "a found architecture is made of separable convolutions",
    "disk of results without records counts the weights of trained networks alone",
    "records, attempts, logs, notes on outputs and a scheduler's files take what those of a small study took",
    "a checkpoint holds weights, momentum and the order of images; of DARTS-ADA, for every epoch it may go back to",
    "devices are all like the one at hand, and always busy; small jobs take part in that",
)


@dataclass
class Stage:
    """The jobs of one step: seconds and bytes of each, and where the times are from."""

    seconds: list[float] = field(default_factory=list)
    bytes: int = 0
    sources: set[str] = field(default_factory=set)


def main(arguments: Sequence[str] | None = None) -> int:
    """Plan the study on the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    begun = time.monotonic()
    try:
        study = named_study(options.file, options.set)
    except StudyError as error:
        print_error(error)
        return 2
    jobs = Plan(study).jobs
    estimator = _Estimator(None if options.calibrate else _recorded(jobs))
    stages: dict[str, Stage] = {}
    for job in jobs:
        try:
            seconds, source = estimator.seconds(job)
        except NotMeasured as error:
            print(f"the time of {job.step} {error}", file=sys.stderr)
            return 1
        stage = stages.setdefault(job.step, Stage())
        stage.seconds.append(seconds)
        stage.sources.add(source)
        stage.bytes += estimator.bytes(job)
    _print_stages(stages, options.devices)
    print(*beside_results(jobs, options.devices), sep="\n")
    print("Assumed:", *(f"- {line}" for line in ASSUMPTIONS), sep="\n")
    print(f"Planned in {duration(time.monotonic() - begun)}.")
    return 0


class _Estimator:
    """Times and sizes of jobs: recorded, else calibrated."""

    def __init__(self, records: dict[str, Record] | None) -> None:
        self.records = records or {}
        self.by_step: dict[str, list[Record]] = {}
        for record in self.records.values():
            if record.is_copy:
                continue
            self.by_step.setdefault(record.step, []).append(record)
        self._calibration: Calibration | None = None
        self._start: float | None = None

    def seconds(self, job: Job) -> tuple[float, str]:
        """Seconds of a job, its start included, and where they are from. Raises NotMeasured."""
        if job.record in self.records:
            return self.records[job.record].seconds + self.start, "recorded"
        if job.step in self.by_step:
            return statistics.median(each.seconds for each in self.by_step[job.step]) + self.start, "recorded median"
        computed = self._computed(job)
        if computed is None:
            return SMALL_JOB_SECONDS + self.start, "assumed"
        return computed + self.start, "calibrated"

    def bytes(self, job: Job) -> int:
        """Bytes that a job writes, as far as records say."""
        if job.record in self.records:
            return sum(output.bytes for output in self.records[job.record].outputs)
        if job.step in self.by_step:
            return round(statistics.median(sum(o.bytes for o in each.outputs) for each in self.by_step[job.step]))
        return self._weights(job)

    @property
    def start(self) -> float:
        """Seconds that a job takes before it does anything."""
        if self._start is None:
            begun = time.perf_counter()
            subprocess.run([sys.executable, "-c", "import workflow_scripts.steps.cell_search"], check=True)
            self._start = time.perf_counter() - begun
        return self._start

    @property
    def calibration(self) -> "Calibration":
        """Measurements on the device at hand, which load torch."""
        if self._calibration is None:
            from workflow_scripts.benchmark.calibration import Calibration
            from workflow_scripts.runtime.device import compute_device, make_deterministic

            print("Measuring single steps on this machine, seconds to minutes ...", file=sys.stderr, flush=True)
            make_deterministic(1)
            self._calibration = Calibration(compute_device())
        return self._calibration

    def _computed(self, job: Job) -> float | None:
        settings = job.settings
        if isinstance(settings, SearchJob):
            return self.calibration.search(settings)
        if isinstance(settings, SupernetJob):
            return None if settings.perturbation is None else self.calibration.supernet(settings)
        if isinstance(settings, EvaluationJob):
            return self.calibration.training(settings, *image_counts(settings))
        if isinstance(settings, SelectionJob):
            one, candidates = training_of(settings), len(job.reads) - 1
            return candidates * self.calibration.training(one, settings.weight_images, settings.alpha_images)
        if job.step == "depth_search" and isinstance(settings, dict):
            runs = (DepthRun.model_validate(run) for run in settings["runs"].values())
            return sum(self.calibration.depth(run) for run in runs)
        return None

    def _weights(self, job: Job) -> int:
        if not isinstance(job.settings, EvaluationJob):
            return 0
        from workflow_scripts.benchmark.calibration import weights_bytes

        return weights_bytes(job.settings)


def _recorded(jobs: Sequence[Job]) -> dict[str, Record]:
    """The records that earlier runs of the study left, by their file."""
    found = {}
    for job in jobs:
        try:
            found[job.record] = read_record(Path(job.record))
        except (OSError, RecordError):
            continue
    return found


def _print_stages(stages: dict[str, Stage], devices: int) -> None:
    print(f"{'stage':<24}{'jobs':>6}{'median':>10}{'hours':>12}{'disk, MB':>10}   times are")
    for step, stage in stages.items():
        hours, median = sum(stage.seconds) / 3600, duration(statistics.median(stage.seconds))
        sources = ", ".join(sorted(stage.sources))
        print(f"{step:<24}{len(stage.seconds):>6}{median:>10}{hours:>12.2f}{stage.bytes / 1e6:>10.1f}   {sources}")
    seconds = [each for stage in stages.values() for each in stage.seconds]
    total, disk = sum(seconds), sum(stage.bytes for stage in stages.values())
    wall = max(total / devices, max(seconds))
    print(f"{'all':<24}{len(seconds):>6}{'':>10}{total / 3600:>12.2f}{disk / 1e6:>10.1f}")
    print(f"On {devices} devices: {duration(wall)} from start to end, at least.")


def _parser() -> argparse.ArgumentParser:
    parser = study_parser("plan", __doc__)
    parser.add_argument("--devices", type=int, default=1, metavar="N", help="processors or GPUs at once (default 1)")
    parser.add_argument("--calibrate", action="store_true", help="measure, also where times are recorded")
    return parser


if __name__ == "__main__":
    sys.exit(main())
