"""What a run of Snakemake that was killed leaves for the next one, and a run that ends for others."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKING = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from workflow_scripts.runtime.run_locks import end_locks_with_runs
end_locks_with_runs()
rule:
    output: "{{name}}.made"
    shell: "touch {{wildcards.name}}.begun; while [ ! -e {{wildcards.name}}.go ]; do sleep 0.05; done; touch {{output}}"
"""


@pytest.fixture
def start(tmp_path):
    """Start Snakemake for files of the folder of the test."""
    (tmp_path / "Snakefile").write_text(LOCKING)
    started = []

    def start(*files):
        command = [sys.executable, "-m", "snakemake", "--cores", "1", *files]
        process = subprocess.Popen(
            command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.stderr.close()
        process.stdout.close()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for(file):
    deadline = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < deadline, f"{file.name} never came"
        time.sleep(0.02)


def test_a_run_goes_on_where_one_was_killed(tmp_path, start):
    killed = start("a.made")
    wait_for(tmp_path / "a.begun")
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert list((tmp_path / ".snakemake/locks").glob("*.output.lock"))
    (tmp_path / "a.go").touch()
    _, errors = start("a.made").communicate(timeout=60)
    assert (tmp_path / "a.made").exists(), errors
    assert "the lock of an earlier run, which was killed, is removed" in errors


def test_a_file_that_another_run_makes_is_refused_also_after_a_third_run_ended(tmp_path, start):
    start("a.made")
    wait_for(tmp_path / "a.begun")
    (tmp_path / "b.go").touch()
    other = start("b.made")
    _, errors = other.communicate(timeout=60)
    assert other.returncode == 0, errors
    assert "is removed" not in errors
    refused = start("a.made")
    _, errors = refused.communicate(timeout=60)
    assert refused.returncode == 1
    assert "Directory cannot be locked" in errors
