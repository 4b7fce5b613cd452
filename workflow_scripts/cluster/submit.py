"""Submit one job to a scheduler, for Snakemake's executor cluster-generic: the first of a profile's three lines.

    python -m workflow_scripts.cluster.submit [--with-gpu OPTION] SUBMIT COMMAND ... JOBSCRIPT

The submit command is the site's own (`sbatch ...`, `qsub ...`). In it `@log` means the file that the scheduler should
write output to, `@name` the job's name, and in OPTION, which is added for jobs that use devices, `@gpu` their number.
What is submitted runs the job's wrapper itself: the Snakemake inside of every job, which JOBSCRIPT starts, would read
the whole workflow again.

A refusal that ends by itself (too many jobs, a scheduler that does not answer) is waited out, so it is not a failed
attempt of the job. Any other is reported in the scheduler's own words, kept for `make status`, and ends with status 1.
"""

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

from workflow_scripts.cluster.submission_files import Submission, new_submission, now, one_line, register
from workflow_scripts.runtime.job_command import ANEW, job_command
from workflow_scripts.runtime.scheduler_dialects import job_number, passes

PROPERTIES = "# properties = "
DEPLOYED = "--software-deployment-method"
"""In the job script where Snakemake itself must set up the job's software."""
AGAIN_SECONDS = 5.0
REPORT_EVERY_SECONDS = 600.0
REFUSED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Submit the job and print its number; returns the exit status."""
    parser = argparse.ArgumentParser(prog="submit", description=__doc__)
    parser.add_argument("--with-gpu", default="", metavar="OPTION", help="of jobs that use a GPU")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND ... JOBSCRIPT")
    options = parser.parse_args(arguments)
    *command, script = options.command
    text = Path(script).read_text()
    properties = properties_of(text)
    root, job = place_of(properties)
    submission = new_submission(Path(root), job)
    own = own_command(properties, root, text)
    submission.note("script.sh", job_script(own or f"sh {shlex.quote(script)}", submission.folder, Path.cwd()))
    devices = properties.get("resources", {}).get("gpu", 0)
    gpu = shlex.split(options.with_gpu) if devices else []
    stands_for = {
        "@log": str(submission.output.absolute()),
        "@name": re.sub(r"[^A-Za-z0-9_.-]", ".", job),
        "@gpu": str(devices),
    }
    filled = [_filled(word, stands_for) for word in (*command, *gpu)]
    return submit([*filled, str(submission.folder / "script.sh")], submission)


def submit(command: Sequence[str], submission: Submission) -> int:
    """Give a script to the scheduler, for as long as it takes; returns the exit status."""
    begun = reported = time.monotonic()
    refusals = 0
    while True:
        status, output, complaint = _run(command)
        number = job_number(output) if status == 0 else None
        if number is not None:
            waited = round(time.monotonic() - begun, 3) if refusals else 0.0
            submission.note("submission.json", {"id": number, "submitted": now(), "refused_seconds": waited})
            register(number, submission)
            print(number)
            return 0
        refusal = one_line(complaint) or one_line(output) or f"{command[0]} ended with status {status}, without output"
        if not passes(refusal):
            submission.note("failure.json", {"noticed": now(), "reason": f"the scheduler refused it: {refusal}"})
            _say(f"{submission.job}: the scheduler refused it: {refusal}")
            return REFUSED
        if refusals == 0 or time.monotonic() - reported > REPORT_EVERY_SECONDS:
            reported = time.monotonic()
            _say(f"{submission.job}: the scheduler takes no job now ({refusal}); waiting until it does")
        refusals += 1
        time.sleep(AGAIN_SECONDS)


def properties_of(script: str) -> dict[str, Any]:
    """What Snakemake says of a job in its job script. Raises ValueError where it says nothing."""
    for line in script.splitlines():
        if line.startswith(PROPERTIES):
            value: dict[str, Any] = json.loads(line.removeprefix(PROPERTIES))
            return value
    raise ValueError("the job script does not say what job it is of; is --jobscript set?")


def place_of(properties: dict[str, Any]) -> tuple[str, str]:
    """The results folder and the name of a job, from the place of its log; of a group of jobs, from its last output."""
    if properties.get("log"):
        root, _, name = str(properties["log"][0]).partition("/logs/")
        return root, name.removesuffix(".log")
    outputs = properties.get("output") or ["results/group"]
    return "/".join(PurePath(outputs[-1]).parts[:2]), f"group_{properties.get('groupid', 'of_jobs')}"


def own_command(properties: dict[str, Any], root: str, script: str) -> str | None:
    """The command of a job's wrapper; None where only Snakemake can run it: groups, software that it deploys."""
    params = properties.get("params", {})
    if "job" not in params or "files" not in params or DEPLOYED in script:
        return None
    gpu = properties.get("resources", {}).get("gpu", 0)
    log, identity = shlex.quote(properties["log"][0]), shlex.quote(params["job"])
    forced = ["--anew"] if os.environ.get(ANEW) else []
    return job_command(root, log, identity, params["files"], *forced, gpu=gpu)


def job_script(command: str, folder: Path, workdir: Path) -> str:
    """The script the scheduler runs: the command, and marks of when it began and how it ended.

    A signal to the script is handed on to the command, which then ends as its checkpoint allows.
    """
    place, environment = shlex.quote(str(folder.absolute())), shlex.quote(str(Path(sys.executable).parent))
    return f"""#!/bin/sh
cd {shlex.quote(str(workdir))} || exit 1
rm -f {place}/exit {place}/missing
echo "$(date +%s.%N) $(hostname)" >{place}/started
PATH={environment}:$PATH
export PATH
{command} &
child=$!
trap 'kill -TERM "$child" 2>/dev/null' TERM INT USR1 USR2 XCPU
wait "$child"
status=$?
while kill -0 "$child" 2>/dev/null; do
	wait "$child"
	status=$?
done
echo "$status $(date +%s.%N)" >{place}/.exit
mv {place}/.exit {place}/exit
exit "$status"
"""


def _run(command: Sequence[str]) -> tuple[int, str, str]:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return 127, "", f"{command[0]} cannot be run ({error.strerror})"
    return done.returncode, done.stdout, done.stderr


def _filled(word: str, stands_for: dict[str, str]) -> str:
    for name, value in stands_for.items():
        word = word.replace(name, value)
    return word


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        os._exit(130)
