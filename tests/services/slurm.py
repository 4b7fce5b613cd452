"""A real Slurm cluster of four nodes on this machine: accounts, limits, preemption, GPU devices, a /tmp on each node.

Each node has a host name, process numbers and a /tmp of its own, so that what holds between machines is tested: a
process number says nothing on another node, and a file in /tmp is not there. All nodes see pytest's folder.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from services.daemons import MACHINE, Daemons, at_the_end, find_program, free_ports, shared, why_not

PROGRAMS = (
    *("munged", "slurmctld", "slurmd", "slurmdbd", "mariadbd", "mariadb-install-db"),
    *("sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo", "sacct", "sacctmgr"),
)
NODES = ("n1", "n2", "n3", "n4")
ACCOUNT = "lab"
QOS = "tests"
SYSTEM = Path("/etc/slurm")
"""Where Slurm's commands look inside a job, which gets none of the variables set outside."""
MEMORY = Path("/sys/fs/cgroup/memory")
ROOT = Path(__file__).parents[2]
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={controller_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/spool/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin={task_plugin}
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=1000
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=5
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
MpiDefault=none
ReturnToService=2
KillWait=5
MinJobAge=60
SlurmdTimeout=15
SlurmctldTimeout=10
SchedulerParameters=sched_interval=2,bf_interval=3
GresTypes=gpu
NodeName=DEFAULT CPUs=2 RealMemory=6000 Gres=gpu:a100:2 State=UNKNOWN
NodeName=n1 NodeHostname=n1 NodeAddr=127.0.0.1 Port={node_ports[0]} Features=fast
NodeName=n2 NodeHostname=n2 NodeAddr=127.0.0.1 Port={node_ports[1]} Features=slow
NodeName=n3 NodeHostname=n3 NodeAddr=127.0.0.1 Port={node_ports[2]} Features=slow
NodeName=n4 NodeHostname=n4 NodeAddr=127.0.0.1 Port={node_ports[3]} Features=slow
PartitionName=main Nodes=n[1-4] Default=YES MaxTime=INFINITE PriorityTier=1
PartitionName=short Nodes=n[1-4] MaxTime=1 PriorityTier=1
PartitionName=n1only Nodes=n1 MaxTime=INFINITE PriorityTier=1
PartitionName=cheap Nodes=n[1-4] MaxTime=INFINITE PriorityTier=1 PreemptMode=CANCEL
PartitionName=urgent Nodes=n[1-4] MaxTime=INFINITE PriorityTier=10 PreemptMode=OFF
"""
ACCOUNTS = """
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
AccountingStoragePass={folder}/munge.socket
AccountingStorageEnforce=associations,limits,qos
AccountingStorageTRES=gres/gpu
"""
DATABASE_DAEMON = """
AuthType=auth/munge
AuthInfo={folder}/munge.socket
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser=root
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={storage_port}
StorageUser=root
StorageLoc=slurm
"""
DEVICES = "Name=gpu Type=a100 File=/dev/null\nName=gpu Type=a100 File=/dev/zero\n"
CGROUPS = f"CgroupPlugin=cgroup/v1\nCgroupMountpoint={MEMORY.parent}\nCgroupAutomount=no\nConstrainRAMSpace=yes\n"
MUNGE_FILES = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
# A /tmp of the node's own, in which the folders that all nodes share are where they were; built at /mnt and then moved.
NODE = """
set -e
hostname {name}
mount -t tmpfs -o size={tmp_megabytes}m tmpfs /mnt
chmod 1777 /mnt
for shared in {shared}; do mkdir -p /mnt/$shared; mount --rbind /tmp/$shared /mnt/$shared; done
mount --move /mnt /tmp
{slurmd} -D -N {name}
"""
REMOVE_GROUPS = """
for try in 1 2 3 4 5 6 7 8 9 10; do
    find "$0" -depth -type d -exec rmdir {} \\; 2>/dev/null
    [ -d "$0" ] || break
    sleep 0.5  # a process of one is still ending
done
"""


def missing() -> str | None:
    """Why no cluster can be started here; None where one can."""
    return why_not(PROGRAMS, "slurm-wlm, slurmdbd, mariadb-server, munge")


class Cluster:
    """The cluster that runs. Slurm's commands need `environment`; inside jobs they find the configuration themselves.

    `memory_limited` says whether a job that takes more memory than it asked for is killed: it needs cgroups of
    version 1 here.
    """

    def __init__(self, folder: Path, accounts: bool, tmp_megabytes: int, memory_group: Path | None) -> None:
        self.folder = folder
        self.accounts = accounts
        self.tmp_megabytes = tmp_megabytes
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "etc/slurm.conf")}
        self.memory_limited = memory_group is not None
        self._nodes: dict[str, int] = {}
        self._configure()
        setup = [f"mkdir -p {SYSTEM}", f"mount --bind '{folder}/etc' {SYSTEM}"]
        if memory_group is not None:
            setup.append(f"mount --bind {memory_group} {MEMORY}")
        self._daemons = Daemons(folder, "\n".join(setup))

    def _configure(self) -> None:
        for part in ("etc", "state", *(f"spool/{name}" for name in NODES)):
            (self.folder / part).mkdir(parents=True)
        host = socket.gethostname().split(".")[0]
        controller_port, port, self._storage_port, *node_ports = free_ports(3 + len(NODES))
        named = {"folder": self.folder, "host": host, "port": port, "storage_port": self._storage_port}
        text = CONFIGURATION.format(
            **named,
            controller_port=controller_port,
            node_ports=node_ports,
            task_plugin="task/cgroup" if self.memory_limited else "task/none",
        )
        etc = self.folder / "etc"
        (etc / "slurm.conf").write_text(text + (ACCOUNTS.format(**named) if self.accounts else ""))
        (etc / "slurmdbd.conf").write_text(DATABASE_DAEMON.format(**named))
        (etc / "slurmdbd.conf").chmod(0o600)
        (etc / "gres.conf").write_text(DEVICES)
        (etc / "cgroup.conf").write_text(CGROUPS if self.memory_limited else "")
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)

    def start(self) -> None:
        """Start all daemons and wait until every node is idle."""
        files = [f"--{name}={self.folder}/munge.{end}" for name, end in MUNGE_FILES.items()]
        self._daemons.start("munged", "munged", "--foreground", "--force", *files)
        self._daemons.wait_for((self.folder / "munge.socket").exists, "munge")
        if self.accounts:
            self.start_database()
            for command in (
                ("cluster", "test"),
                ("account", ACCOUNT),
                ("qos", QOS),
                ("user", "root", f"account={ACCOUNT}", f"defaultaccount={ACCOUNT}", f"qos=normal,{QOS}"),
            ):
                self._manage("add", *command)
        self.start_controller()
        for name in NODES:
            self.start_node(name)
        self._daemons.wait_for(lambda: self._states() == ["idle"] * len(NODES), "every node")

    def end(self) -> None:
        """End all daemons and jobs."""
        self._daemons.end()

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command with the environment that Slurm needs; its output and exit status."""
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120, check=False)

    def jobs(self) -> list[str]:
        """The numbers of the jobs that wait or run."""
        return self.run("squeue", "--noheader", "--format=%i").stdout.split()

    def stop_controller(self) -> None:
        self._daemons.stop("slurmctld")

    def start_controller(self) -> None:
        """Start the controller and wait until it answers."""
        self._daemons.start("slurmctld", "slurmctld", "-D", environment=self.environment)
        self._daemons.wait_for(lambda: self.run("scontrol", "ping").returncode == 0, "slurmctld")

    def stop_database(self) -> None:
        """End slurmdbd and MariaDB, which keeps its files."""
        self._daemons.stop("slurmdbd")
        self._daemons.stop("mariadbd")

    def start_database(self) -> None:
        """Start MariaDB and slurmdbd and wait until that one answers."""
        options = {
            "datadir": self.folder / "database",
            "socket": self.folder / "database.socket",
            "port": self._storage_port,
            "bind-address": "127.0.0.1",
            "innodb-log-file-size": "16M",
            "innodb-lock-wait-timeout": 900,
            "innodb-flush-log-at-trx-commit": 0,
        }
        listed = [f"--{name}={value}" for name, value in options.items()]
        if not (self.folder / "database").exists():
            install = ["mariadb-install-db", "--no-defaults", "--user=root", "--skip-test-db", *listed]
            installed = subprocess.run(install, capture_output=True, text=True, check=False)
            if installed.returncode != 0:
                raise RuntimeError(f"MariaDB's tables cannot be made: {installed.stdout}{installed.stderr}")
        self._daemons.start("mariadbd", "mariadbd", "--no-defaults", "--user=root", "--skip-grant-tables", *listed)
        self._daemons.wait_for((self.folder / "database.socket").exists, "MariaDB")
        self._daemons.start("slurmdbd", "slurmdbd", "-D", environment=self.environment)
        self._daemons.wait_for(lambda: self.run("sacctmgr", "show", "cluster").returncode == 0, "slurmdbd")

    def kill_node(self, name: str) -> None:
        """End a node at once, as if its power failed: slurmd, all processes of its jobs, and what is in its /tmp."""
        del self._nodes[name]
        self._daemons.stop(name, signal.SIGKILL)

    def start_node(self, name: str) -> None:
        """Start a node, with an empty /tmp."""
        seen = {path for path in (self.folder.parent, ROOT, Path(sys.prefix)) if path.is_relative_to("/tmp")}
        script = NODE.format(
            name=name,
            tmp_megabytes=self.tmp_megabytes,
            shared=" ".join(f"'{path.relative_to('/tmp')}'" for path in sorted(seen)),
            slurmd=find_program("slurmd"),
        )
        self._nodes[name] = self._daemons.start(name, *MACHINE, "sh", "-c", script, environment=self.environment)

    def fill_tmp(self, name: str) -> None:
        """Fill a node's /tmp to the last byte."""
        with self._tmp(name, "full").open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(2**20))

    def empty_tmp(self, name: str) -> None:
        """Take away what `fill_tmp` wrote."""
        self._tmp(name, "full").unlink()

    def _tmp(self, node: str, file: str) -> Path:
        return Path(f"/proc/{self._nodes[node]}/root/tmp/{file}")

    def set_limit(self, **limits: int | str) -> None:
        """Limit the user's association, as in set_limit(MaxSubmitJobs=5); -1 takes a limit away."""
        listed = [f"{name}={value}" for name, value in limits.items()]
        self._manage("modify", "user", "root", "where", f"account={ACCOUNT}", "set", *listed)

    def log_tail(self) -> str:
        """The end of what each daemon wrote."""
        return self._daemons.log_tail()

    def _manage(self, *command: str) -> None:
        done = self.run("sacctmgr", "--immediate", *command)
        assert done.returncode == 0, done.stdout + done.stderr

    def _states(self) -> list[str]:
        return self.run("sinfo", "--noheader", "--Node", "--partition=main", "--format=%t").stdout.split()


@contextmanager
def cluster(folder: Path, accounts: bool = True, tmp_megabytes: int = 200) -> Iterator[Cluster]:
    """Start a cluster whose files are all below `folder`; what is next to `folder` is seen by all nodes.

    RuntimeError, with the ends of the logs, where a daemon does not start.
    """
    with shared(folder.parent), _memory_group() as memory_group:
        started = Cluster(folder, accounts, tmp_megabytes, memory_group)
        try:
            started.start()
            yield started
        finally:
            started.end()


@contextmanager
def _memory_group() -> Iterator[Path | None]:
    """A memory cgroup in which the nodes make those of their jobs; None where there are no cgroups of version 1."""
    if not os.access(MEMORY / "cgroup.procs", os.W_OK):
        yield None
        return
    made = Path(tempfile.mkdtemp(prefix="slurm-test-", dir=MEMORY))
    with at_the_end(REMOVE_GROUPS, made):
        yield made
