"""What a rehearsal found: jobs, failures, overhead of the workflow, and what the real study needs besides computing."""

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from workflow_scripts.provenance.failed_jobs import failures
from workflow_scripts.rehearsal.head_node import Load, kept
from workflow_scripts.rehearsal.overhead import JobFacts, facts_of
from workflow_scripts.runtime.folders import ATTEMPTS, INPUT_RECORDS, LOGS, RECORDS, SCHEDULER
from workflow_scripts.runtime.progress import duration
from workflow_scripts.runtime.untrusted_files import found_below
from workflow_scripts.study.job import Job

PARTS = (
    ("waiting", "waiting", "from the submission to the start of the job's script"),
    ("start", "start", "from there to the wrapper's attempt, to the second"),
    ("wrapper", "wrapper", "the rest of the script besides the step"),
    ("noticing", "noticing", "from the script's end until Snakemake took note"),
)
"""Of the table of overheads: a field of JobFacts, its name, and what it is."""
KEPT_ASIDE = (ATTEMPTS, INPUT_RECORDS, LOGS, RECORDS, SCHEDULER)
"""Folders of a results folder, besides hidden ones, that hold no result."""
KILOBYTE, MEGABYTE = 1e3, 1e6


def report(jobs: Sequence[Job], study: str, real: int, results: str, base: Path = Path()) -> Iterator[str]:
    """The lines of the report on a rehearsal in the folder `results` with these jobs; `study` has `real` jobs.

    Paths are from `base`.
    """
    facts, root = [facts_of(job, base) for job in jobs], base / results
    yield f"{results}: {_jobs(len(facts))} planned; the study {study} has {real:,}"
    yield from _steps(facts)
    yield from _failures(facts, root)
    yield from _overhead(facts)
    loads = kept(root)
    yield from _load(loads)
    yield from _needs(facts, study, real, loads, root)


def _steps(facts: Sequence[JobFacts]) -> Iterator[str]:
    yield f"{'step':<24}{'jobs':>7}{'done':>7}{'failed':>8}{'attempts':>10}{'submissions':>13}"
    for step in [*dict.fromkeys(each.step for each in facts), "all"]:
        those = [each for each in facts if step in (each.step, "all")]
        sums = [sum(getattr(each, name) for each in those) for name in ("done", "failed", "attempts", "submissions")]
        done, failed, attempts, submissions = sums
        yield f"{step:<24}{len(those):>7}{done:>7}{failed:>8}{attempts:>10}{submissions:>13}"


def _failures(facts: Sequence[JobFacts], root: Path) -> Iterator[str]:
    failed = list(failures(root))
    if failed:
        yield "Failed or killed:"
        yield from (f"  {line}" for line in failed)
    lost = Counter(reason for each in facts for reason in each.lost)
    if lost:
        yield "Lost by the scheduler: " + "; ".join(f"{count} times: {reason}" for reason, count in lost.most_common())
    refused = [each.refused for each in facts if each.refused > 0]
    if refused:
        yield f"Refused by the scheduler for a while: {_jobs(len(refused))}, at most {duration(max(refused))}"


def _overhead(facts: Sequence[JobFacts]) -> Iterator[str]:
    if not any(each.submissions for each in facts):
        yield "No job was submitted to a scheduler, so there are no times of waiting and starting."
        return
    yield f"{'overhead of a job, seconds':<28}{'median':>8}{'largest':>9}{'jobs':>7}"
    for field, name, meaning in PARTS:
        values = [value for each in facts if (value := getattr(each, field)) is not None]
        if values:
            median, largest = statistics.median(values), max(values)
            yield f"{name:<28}{median:>8.1f}{largest:>9.1f}{len(values):>7}   {meaning}"
        else:
            yield f"{name:<28}{'-':>8}{'-':>9}{0:>7}   {meaning}"


def _load(loads: Sequence[Load]) -> Iterator[str]:
    if not loads:
        yield "The load of this machine was not watched."
        return
    share, mean = max(each.largest_share for each in loads), _share(loads)
    memory, load = max(each.largest_memory_mb for each in loads), max(each.largest_load for each in loads)
    yield (
        f"Snakemake and what it started on its machine used at most {share:.0%} of a processor, {mean:.0%} on average, "
        f"and {memory:,.0f} MB; the machine's load was at most {load:.1f} of {loads[-1].processors}."
    )


def _share(loads: Sequence[Load]) -> float:
    return sum(each.processor_seconds for each in loads) / max(sum(each.seconds for each in loads), 1.0)


def _needs(facts: Sequence[JobFacts], study: str, real: int, loads: Sequence[Load], root: Path) -> Iterator[str]:
    """What the real study needs besides computing, as far as the finished jobs show."""
    done = [each for each in facts if each.done]
    if not done:
        yield f"No job is done, so what {study} will need is not known."
        return
    yield f"Beside computing, {study} will need for its {_jobs(real)}, by {_jobs(len(done))} of the rehearsal:"
    nodes = [value for each in done if (value := each.on_the_node) is not None]
    if nodes:
        mean = statistics.mean(nodes)
        yield f"- on the nodes {duration(mean * real)}, {mean:.1f} s a job, by {_jobs(len(nodes))}"
    submitted = any(each.submissions for each in facts)
    if loads and submitted:
        mean = sum(each.processor_seconds for each in loads) / len(done)
        yield f"- of a processor where Snakemake runs {duration(mean * real)}, {mean:.2f} s a job"
    bytes_, files = 0, 0
    for folder in sorted(each for each in root.iterdir() if each.is_dir() and _is_aside(each.name)):
        found = [each.path.stat() for each in found_below(folder) if each.fault is None]
        sizes = [each.st_size for each in found if each.st_nlink == 1]  # of a hard link, the result itself is counted
        bytes_, files = bytes_ + sum(sizes), files + len(sizes)
        if sizes:
            needed = f"{_size(sum(sizes) / len(done) * real)} in {len(sizes) / len(done) * real:,.0f} files"
            yield f"- in {folder.name}/ {needed}, {_size(sum(sizes) / len(done))} a job"
    yield (
        f"- together {_size(bytes_ / len(done) * real)} in {files / len(done) * real:,.0f} files; results "
        "and checkpoints are as large as the study's networks, which those rehearsed are not: see make plan"
    )


def _is_aside(name: str) -> bool:
    return name.startswith(".") or name in KEPT_ASIDE


def _size(size: float) -> str:
    return f"{size / MEGABYTE:,.1f} MB" if size >= MEGABYTE else f"{size / KILOBYTE:,.1f} kB"


def _jobs(number: int) -> str:
    return "1 job" if number == 1 else f"{number:,} jobs"
