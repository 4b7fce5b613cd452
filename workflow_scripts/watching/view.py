"""A study at one moment, drawn for a terminal of any width by rich; text of logs is shown as it is, never as markup."""

from collections import Counter
from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress_bar import ProgressBar
from rich.text import Text

from workflow_scripts.runtime.printable import visible
from workflow_scripts.runtime.progress import duration
from workflow_scripts.watching.job_log import JobProgress
from workflow_scripts.watching.study_now import RunningJob, StudyNow

RUNNING_SHOWN, FAILED_SHOWN = 8, 4
"""Jobs that are shown with their curves, and failures with the ends of their logs; of more, only how many."""
CURVE_WIDTH, BAR_WIDTH = 24, 60
BLOCKS, ASCII_BLOCKS = "▁▂▃▄▅▆▇█", "_.-=+*%#"


class View:
    """What rich prints of a study; `everything` shows every running and failed job."""

    def __init__(self, now: StudyNow, everything: bool = False) -> None:
        """Of a study as it was found."""
        self.now = now
        self.running = now.running if everything else now.running[:RUNNING_SHOWN]
        self.failed = now.failed if everything else now.failed[:FAILED_SHOWN]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The lines, each cut where the terminal ends."""
        blocks = ASCII_BLOCKS if options.ascii_only else BLOCKS
        now, encoding = self.now, options.encoding
        yield _line(_counts(now), encoding, "bold")
        if console.is_terminal:
            width = min(BAR_WIDTH, options.max_width)
            yield ProgressBar(total=max(1, now.jobs), completed=now.done, width=width)
        yield _line(time_left(now), encoding, overflow="fold")
        if now.waiting:
            yield _line(f"left: {_by_step(now.waiting)}", encoding, overflow="fold")
        for job in self.running:
            yield _line(f"runs: {job.name}", encoding, "cyan")
            for text in _running(job, blocks):
                yield _line(f"  {text}", encoding)
        if len(self.running) < len(now.running):
            yield _line(f"... and {len(now.running) - len(self.running)} more run", encoding)
        for failed in self.failed:
            first, *rest = failed.lines()
            yield _line(f"failed: {first}", encoding, "red", "fold")
            for text in rest:
                yield _line(text, encoding)
        if len(self.failed) < len(now.failed):
            yield _line(f"... and {len(now.failed) - len(self.failed)} more failed (--all shows each)", encoding)


def _line(text: str, encoding: str, style: str = "", overflow: str = "ellipsis") -> Text:
    shown = visible(text).encode(encoding, "backslashreplace").decode(encoding)
    return Text(shown, style=style, overflow=overflow, no_wrap=overflow == "ellipsis")  # type: ignore[arg-type]


def _counts(now: StudyNow) -> str:
    """How many jobs are in which state; a job that failed is also left."""
    parts = [f"{now.done} of {now.jobs} jobs done", f"{len(now.running)} run" if now.running else "no job runs now"]
    parts += [f"{len(now.failed)} failed"] if now.failed else []
    parts += [f"{sum(now.waiting.values())} left"] if now.waiting else []
    return f"{now.results}: {', '.join(parts)}"


def time_left(now: StudyNow) -> str:
    """How long the rest of the study takes, one sentence."""
    if now.done == now.jobs:
        return "Nothing is left to do."
    unknown = f"no times are recorded of {_by_step(now.unknown)}" if now.unknown else ""
    if not now.work_left:
        return (
            "Time left: unknown; no times are recorded of jobs like those that are left."
            if unknown
            else "Time left: less than a second."
        )
    if not now.running:
        left = f"Time left: {duration(now.work_left)} on one processor"
    else:
        left = f"Time left: {duration(now.seconds_left)}, if {len(now.running)} run at once as now"
    return f"{left}; {unknown}." if unknown else f"{left}."


def _by_step(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {step}" for step, count in counts.most_common())


def _running(job: RunningJob, blocks: str) -> Iterator[str]:
    since = "" if job.seconds is None else f", for {duration(job.seconds)}"
    progress = job.progress
    if progress is None:
        yield f"{job.where}{since}"
        return
    left = "" if progress.left is None else f", {duration(progress.left)} left"
    yield f"{progress.done}/{progress.total}{left}  ({job.where}{since})"
    yield from _curves(progress, blocks)


def _curves(progress: JobProgress, blocks: str) -> Iterator[str]:
    """A line for each number that a job reports, its latest value last; the note as it is where it holds none."""
    part = progress.curve[-1].part
    points = [point for point in progress.curve if point.part == part]
    if not points[-1].values:
        yield progress.note
        return
    for name, latest in points[-1].values.items():
        values = [point.values[name] for point in points if name in point.values]
        yield f"{curve(values, CURVE_WIDTH, blocks)}  {f'{part}: ' if part else ''}{name} {latest:g}"


def curve(values: list[float], width: int, blocks: str = BLOCKS) -> str:
    """Values as a row of at most `width` blocks, each the mean of its share, as high as it is between the extremes."""
    count = min(width, len(values))
    shares = [values[len(values) * n // count : len(values) * (n + 1) // count] for n in range(count)]
    means = [sum(share) / len(share) for share in shares]
    lowest, highest = min(means), max(means)
    span = (highest - lowest) or 1.0
    return "".join(blocks[round((mean - lowest) / span * (len(blocks) - 1))] for mean in means)
