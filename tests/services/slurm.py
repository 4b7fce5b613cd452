"""A real Slurm cluster of one node on this machine, with two countable GPU devices; started and stopped by process."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo")
START_SECONDS = 60
SYSTEM = Path("/etc/slurm")
"""Where Slurm's commands look inside a job, which gets none of the variables set outside."""
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={controller_port}
SlurmdPort={node_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
KillWait=5
GresTypes=gpu
SchedulerParameters=sched_interval=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={processors} RealMemory={megabytes} Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
DEVICES = "Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n"


def missing() -> str | None:
    """Why no cluster can be started here; None where one can."""
    if any(_in_use(SYSTEM / name) for name in ("slurm.conf", "gres.conf")):
        return f"{SYSTEM} holds the configuration of a cluster already"
    absent = [program for program in PROGRAMS if _program(program) is None]
    if absent:
        return f"{', '.join(absent)} not installed (Debian: slurm-wlm, munge)"
    return None if os.geteuid() == 0 else "Slurm's daemons are started as root here"


def _in_use(configuration: Path) -> bool:
    """Whether a file of Slurm's configuration is a cluster's, and no link that a killed test left."""
    if not configuration.is_symlink():
        return configuration.exists()
    try:
        controller = (configuration.resolve().parent / "slurmctld.pid").read_text().strip()
        return Path(f"/proc/{int(controller)}/comm").read_text().strip() == "slurmctld"
    except (OSError, ValueError):
        return False


@contextmanager
def cluster(folder: Path) -> Iterator[dict[str, str]]:
    """Start munge, the controller and one node below `folder`; yields the environment that Slurm's commands need."""
    for part in ("state", "spool"):
        (folder / part).mkdir(parents=True)
    host = socket.gethostname()
    ports = _free_ports(2)
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    text = CONFIGURATION.format(
        host=host,
        folder=folder,
        controller_port=ports[0],
        node_port=ports[1],
        processors=os.cpu_count(),
        megabytes=pages // 2**20 - 100,
    )
    (folder / "slurm.conf").write_text(text)
    (folder / "gres.conf").write_text(DEVICES)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    SYSTEM.mkdir(exist_ok=True)
    for name in ("slurm.conf", "gres.conf"):
        (SYSTEM / name).unlink(missing_ok=True)  # a link that a killed test left
        (SYSTEM / name).symlink_to(folder / name)
    named = [f"--{name}={folder}/munge.{end}" for name, end in MUNGE_FILES.items()]
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        daemons.append(_start(["munged", "--foreground", "--force", *named], environment, folder))
        _wait_for(lambda: (folder / "munge.socket").exists(), "munge", folder)
        daemons.append(_start(["slurmctld", "-D"], environment, folder))
        daemons.append(_start(["slurmd", "-D", "-N", host], environment, folder))
        _wait_for(lambda: "idle" in _state(environment), "the node", folder)
        yield environment
    finally:
        subprocess.run(["scancel", "--user", "root"], env=environment, capture_output=True, check=False)
        for daemon in reversed(daemons):
            daemon.send_signal(signal.SIGTERM)
        for daemon in reversed(daemons):
            with suppress(subprocess.TimeoutExpired):
                daemon.wait(timeout=20)
            daemon.kill()
        for name in ("slurm.conf", "gres.conf"):
            (SYSTEM / name).unlink(missing_ok=True)


MUNGE_FILES = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _start(command: list[str], environment: dict[str, str], folder: Path) -> "subprocess.Popen[bytes]":
    program = _program(command[0])
    assert program is not None
    output = (folder / f"{command[0]}.out").open("wb")
    return subprocess.Popen([program, *command[1:]], env=environment, stdout=output, stderr=subprocess.STDOUT)


def _state(environment: dict[str, str]) -> str:
    return subprocess.run(
        ["sinfo", "-h", "-o", "%t"], env=environment, capture_output=True, text=True, check=False
    ).stdout


def _wait_for(condition, what: str, folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            logs = "\n".join(path.read_text(errors="replace")[-2000:] for path in folder.glob("*.out"))
            raise RuntimeError(f"{what} did not start:\n{logs}")
        time.sleep(0.2)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
