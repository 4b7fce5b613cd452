"""Devices are lent to one job at a time, or to as many as share them, and every death frees them."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from workflow_scripts.runtime.device_lease import POLL_SECONDS, device_lease, devices_to_lend, named_devices

ROOT = Path(__file__).parents[2]
JOB = """
import os, sys, time
from pathlib import Path
from workflow_scripts.runtime.device_lease import device_lease

def alive(pid):
    try:
        return bool(Path("/proc", pid, "cmdline").read_bytes())
    except OSError:
        return False

folder, seconds = Path(sys.argv[1]), float(sys.argv[2])
with device_lease(lambda text: None, 1, folder / "locks") as device:
    assert os.environ["CUDA_VISIBLE_DEVICES"] == device
    held = folder / "held" / f"{device}-{os.getpid()}"
    held.touch()
    others = [path for path in held.parent.glob(f"{device}-*") if path != held]
    # the command line of a killed process is empty, also while its parent has not yet taken note
    others = [path for path in others if alive(path.name.split("-")[1])]
    (folder / "log").open("a").write(f"{device} {len(others)}\\n")
    time.sleep(seconds)
    held.unlink()
"""


def start(folder, devices, seconds, share=1):
    environment = {**os.environ, "NAS_DEVICES": devices, "NAS_JOBS_PER_DEVICE": str(share), "PYTHONPATH": str(ROOT)}
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    return subprocess.Popen([sys.executable, "-c", JOB, str(folder), str(seconds)], env=environment)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "held").mkdir()
    return tmp_path


def test_forty_jobs_three_devices_random_kills(folder):
    chance, waiting, killed = random.Random(1), [], 0
    for _ in range(40):
        waiting.append(start(folder, "0,1,2", chance.uniform(0.05, 0.3)))
        if chance.random() < 0.4:
            time.sleep(chance.uniform(0, 0.2))
            victim = chance.choice(waiting)
            if victim.poll() is None:
                victim.send_signal(signal.SIGKILL)
                killed += 1
    codes = [process.wait(timeout=60) for process in waiting]
    assert set(codes) <= {0, -signal.SIGKILL}, codes
    assert codes.count(0) >= 20
    assert killed >= 3
    log = [line.split() for line in (folder / "log").read_text().splitlines()]
    assert {device for device, _ in log} == {"0", "1", "2"}
    assert {others for _, others in log} == {"0"}, "no two living jobs held the same device"
    last = start(folder, "0,1,2", 0)
    assert last.wait(timeout=20) == 0, "none is left taken"


def test_jobs_share_a_device_where_they_may(folder):
    jobs = [start(folder, "7", 600, share=2) for _ in range(3)]
    try:
        deadline = time.monotonic() + 60
        while len(list((folder / "held").iterdir())) < 2:
            assert time.monotonic() < deadline, "two jobs hold the device at once"
            time.sleep(0.05)
        time.sleep(3 * POLL_SECONDS)
        holding = {int(path.name.split("-")[1]) for path in (folder / "held").iterdir()}
        assert len(holding) == 2, "the third job waits"
        next(job for job in jobs if job.pid in holding).kill()
        while len(list((folder / "held").iterdir())) < 3:
            assert time.monotonic() < deadline, "the third job takes what the killed one held"
            time.sleep(0.05)
    finally:
        for job in jobs:
            job.kill()
            job.wait()


def test_a_device_is_visible_inside_only(tmp_path, monkeypatch):
    monkeypatch.setenv("NAS_DEVICES", "GPU-4a, GPU-5")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    messages = []
    with device_lease(messages.append, 1, tmp_path) as first, device_lease(messages.append, 1, tmp_path) as second:
        assert (first, second) == ("GPU-4a", "GPU-5")
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-5"
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    assert messages == []


def test_which_devices_there_are(tmp_path):
    for name in ("nvidia0", "nvidia10", "nvidia2", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    assert devices_to_lend({}, tmp_path) == ["0", "2", "10"]
    assert devices_to_lend({"CUDA_VISIBLE_DEVICES": "1,3"}, tmp_path) == ["1", "3"]
    assert devices_to_lend({"CUDA_VISIBLE_DEVICES": ""}, tmp_path) == []
    assert devices_to_lend({"NAS_DEVICES": "5", "CUDA_VISIBLE_DEVICES": "1,3"}, tmp_path) == ["5"]
    assert devices_to_lend({"CUDA_VISIBLE_DEVICES": "1", "SLURM_JOB_ID": "9"}, tmp_path) == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        *(("-1", []), ("NoDevFiles", []), ("", []), (" -1 ", []), ("-1,0", []), ("NoDevFiles,0", [])),
        *(("0,-1,1", ["0"]), ("0, 1", ["0", "1"]), ("GPU-4a-1", ["GPU-4a-1"]), ("0,,1", ["0"])),
    ],
)
def test_a_list_that_names_no_device(tmp_path, text, names):
    (tmp_path / "nvidia0").touch()
    assert named_devices(text) == names
    assert devices_to_lend({"CUDA_VISIBLE_DEVICES": text}, tmp_path) == names
    assert devices_to_lend({"NAS_DEVICES": text}, tmp_path) == names


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0,0", "names 0 twice; name it once, NAS_JOBS_PER_DEVICE lets jobs share it"),
        ("MIG-1,MIG-1", "names MIG-1 twice"),
        ("GPU-4a,0", "has numbers and names, which could be of one device"),
        *((each, f": {each} is no device; give numbers such as 0,1 or names") for each in ("1a", "0x1", "01", "GPU")),
    ],
)
@pytest.mark.parametrize("variable", ["NAS_DEVICES", "CUDA_VISIBLE_DEVICES"])
def test_a_list_that_cuda_reads_otherwise_is_refused(monkeypatch, variable, text, why):
    with pytest.raises(ValueError, match=f"^{variable}={text}{'' if why.startswith(':') else ' '}{why}"):
        devices_to_lend({variable: text})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", text)
    assert len(torch.cuda._parse_visible_devices()) < 2


@pytest.mark.parametrize("text", ["0,1", "1, 0", "GPU-4a,GPU-5", "MIG-4a-1,MIG-4a-2", "MIG-GPU-4a/1/0"])
def test_a_list_that_torch_reads_as_we_do(monkeypatch, text):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", text)
    names = devices_to_lend({"CUDA_VISIBLE_DEVICES": text})
    assert [str(each) for each in torch.cuda._parse_visible_devices()] == names
    assert len(names) == len(text.split(","))


@pytest.mark.parametrize("scheduler", [None, "4242"])
def test_a_job_that_was_given_no_device_sees_none(tmp_path, monkeypatch, scheduler):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    if scheduler is not None:
        monkeypatch.setenv("SLURM_JOB_ID", scheduler)
    with device_lease(print, 0, tmp_path / "locks") as device:
        assert device is None
        assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"
    assert not (tmp_path / "locks").exists(), "it waits for nobody"


def test_the_choice_of_a_scheduler_stands(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "4242")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    with device_lease(print, 1, tmp_path) as device:
        assert (device, os.environ["CUDA_VISIBLE_DEVICES"]) == (None, "3")


def test_a_share_that_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv("NAS_DEVICES", "0")
    monkeypatch.setenv("NAS_JOBS_PER_DEVICE", "half")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with (
        pytest.raises(ValueError, match="NAS_JOBS_PER_DEVICE is 'half'; it must be a whole number from 1"),
        device_lease(print, 1, tmp_path),
    ):
        pass
