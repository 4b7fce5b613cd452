"""A study with one longer search, started on a cluster as a person starts it, and what can be observed of it."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from workflow.workflow_copy import PROGRAM, copy_workflow, edit

JOB = "cell_search/s4_digits/darts/l2-0.0003_drop-0_seed-1"
SEARCH = "results/tiny/cells/searches/s4_digits/darts/l2-0.0003_drop-0_seed-1"
RECORD = f"results/tiny/records/{JOB}.json"
LOG = f"results/tiny/logs/{JOB}.log"
TARGET = f"{SEARCH}/history.csv"
EPOCHS = 60
"""Of a search that takes half a minute, so that it can be hit in the middle."""


def undisturbed_tree(folder: Path) -> Path:
    """The tree of the study, whose search ran on this machine without a scheduler."""
    tree = copy_workflow(folder / "tree")
    edit(tree / "config/tiny.yaml", "epochs: 6\n", f"epochs: {EPOCHS}\n")
    edit(tree / "config/tiny.yaml", "init_channels: 16", "init_channels: 2")  # no loops are compiled for so few
    command = [str(PROGRAM), TARGET, "--profile", "profiles/local", "--configfile", "config/tiny.yaml"]
    subprocess.run(command, cwd=tree, check=True, capture_output=True, timeout=300)
    return tree


def copy_without_results(undisturbed: Path, tree: Path) -> Path:
    """The same study with its data, and without the search."""
    subprocess.run(["cp", "-a", str(undisturbed), str(tree)], check=True)
    shutil.rmtree(tree / "results")
    return tree


class Run:
    """Snakemake, started in a tree with a cluster's profile."""

    def __init__(self, tree: Path, environment: dict[str, str], profile: str, *arguments: str, study: str = "tiny"):
        command = [str(PROGRAM), *arguments, "--profile", f"profiles/{profile}", "--seconds-between-status-checks", "1"]
        command += ["--configfile", f"config/{study}.yaml"] if "--snakefile" not in arguments else []
        self.output = tree / f"console-{time.monotonic_ns()}.txt"
        with self.output.open("w") as output:
            # Ctrl-C is ignored by what a shell starts in the background, and so by what that starts.
            command = ["env", "--default-signal=INT", *command]
            self.process = subprocess.Popen(
                command, cwd=tree, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    @property
    def console(self) -> str:
        """What Snakemake and the submissions of its jobs have printed so far."""
        return self.output.read_text()

    def finish(self, well: bool = True, seconds: float = 420) -> str:
        """Wait for the end; what was printed."""
        code = self.process.wait(timeout=seconds)
        assert (code == 0) == well, self.console
        return self.console

    def wait_for(self, condition: Callable[[], bool], seconds: float = 120) -> None:
        """Wait for something to happen while it runs."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.console
            assert time.monotonic() < deadline, self.console
            time.sleep(0.1)


def epochs_done(tree: Path) -> int:
    """How many epochs the search's log names, over all attempts."""
    log = tree / LOG
    return len(re.findall(rf"^\d+/{EPOCHS} ", log.read_text(), re.MULTILINE)) if log.exists() else 0


def attempts(tree: Path, job: str = JOB, study: str = "tiny") -> list[dict]:
    """The trace of a job's attempts."""
    file = tree / f"results/{study}/attempts/{job}.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def starts(tree: Path, job: str = JOB) -> int:
    """How many attempts of a job began."""
    return len([entry for entry in attempts(tree, job) if "started" in entry])


def same_bytes(tree: Path, undisturbed: Path) -> bool:
    """Whether the search wrote what the undisturbed one did."""
    names = sorted(path.name for path in (undisturbed / SEARCH).iterdir() if not path.name.startswith("."))
    return len(names) == 6 and all(
        (tree / SEARCH / name).read_bytes() == (undisturbed / SEARCH / name).read_bytes() for name in names
    )


def processes_of_the_search(tree: Path) -> list[int]:
    """The processes that compute a search of this tree, on any node; none of another study on the machine."""
    found = subprocess.run(
        ["pgrep", "-f", r"workflow_scripts\.run .*cell_search"], capture_output=True, text=True, check=False
    )
    return [pid for pid in map(int, found.stdout.split()) if _is_python_in(pid, tree)]


def _is_python_in(pid: int, folder: Path) -> bool:
    try:
        return "python" in os.readlink(f"/proc/{pid}/exe") and os.path.samefile(f"/proc/{pid}/cwd", folder)
    except OSError:
        return False
