"""A real Grid Engine on this machine: one host with two slots and the queue all.q."""

import os
import re
import shlex
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.daemons import MACHINE, Daemons, free_ports, shared, why_not

PROGRAMS = ("sge_qmaster", "sge_execd", "qsub", "qstat", "qdel", "qacct", "qconf")
INSTALLED = Path("/var/lib/gridengine")
SHARED = Path("/usr/share/gridengine")
TOOLS = Path("/usr/lib/gridengine")
"""Where Debian's packages put the files of an installation, the defaults of a cluster, and the programs."""
QUEUE = "all.q"
SLOTS = 2
SETTINGS = {
    "min_uid": "0",
    "min_gid": "0",
    "mailer": "/bin/true",
    "load_report_time": "00:00:05",
    "reporting_params": "accounting=true reporting=false flush_time=00:00:01 joblog=false sharelog=00:00:00",
}
"""Jobs of root are let run, and what has run is in the accounting at once."""
EVERY_SECOND = {"schedule_interval": "0:0:1", "flush_submit_sec": "1", "flush_finish_sec": "1"}


def missing() -> str | None:
    """Why no Grid Engine can be started here; None where one can."""
    return why_not(PROGRAMS, "gridengine-master, gridengine-exec, gridengine-client")


class GridEngine:
    """The Grid Engine that runs. Its commands, also those that a started program calls, need `environment` alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = socket.gethostname()
        ports = dict(zip(("SGE_QMASTER_PORT", "SGE_EXECD_PORT"), map(str, free_ports(2)), strict=True))
        cell = {"SGE_ROOT": str(folder / "root"), "SGE_CELL": "default"}
        self.environment = {**os.environ, **cell, **ports, "SGE_ND": "1"}
        self._configure()
        self._daemons = Daemons(folder, "true")

    def _configure(self) -> None:
        """What the installation of Debian's packages does below /var, done below `folder`."""
        common = self.folder / "root/default/common"
        common.mkdir(parents=True)
        for part in ("spooldb", "qmaster/job_scripts", "execd"):
            (self.folder / part).mkdir(parents=True)
        for part in ("bin", "lib", "util", "utilbin"):
            (self.folder / "root" / part).symlink_to(INSTALLED / part)
        bootstrap = (SHARED / "default-bootstrap").read_text().replace("/var/spool/gridengine", str(self.folder))
        (common / "bootstrap").write_text(_changed(bootstrap, admin_user="none"))
        (common / "act_qmaster").write_text(f"{self.host}\n")
        # The machine's name may be one of the loopback address, whose first name is another one.
        (common / "host_aliases").write_text(f"{self.host} {' '.join(sorted(self._other_names()))}\n")
        settings = (SHARED / "default-configuration").read_text().replace("/var/spool/gridengine", str(self.folder))
        (self.folder / "configuration").write_text(_changed(settings, **SETTINGS))
        resources = SHARED / "util/resources"
        self._do(str(TOOLS / "spoolinit"), "berkeleydb", "libspoolb", str(self.folder / "spooldb"), "init")
        for kind, value in (
            ("configuration", self.folder / "configuration"),
            ("complexes", resources / "centry"),
            ("usersets", resources / "usersets"),
            ("pes", resources / "pe"),
            ("managers", "root"),
        ):
            self._do(str(TOOLS / "spooldefaults"), kind, str(value))

    def _other_names(self) -> set[str]:
        try:
            name, aliases, _ = socket.gethostbyaddr(socket.gethostbyname(self.host))
        except OSError as error:
            raise RuntimeError(f"the name of this machine, {self.host}, has no address: {error}") from error
        return {"localhost", name, *aliases} - {self.host}

    def start(self) -> None:
        """Start both daemons and make the queue."""
        self._daemons.start("sge_qmaster", str(TOOLS / "sge_qmaster"), environment=self.environment)
        self._daemons.wait_for(lambda: self.run("qconf", "-sh").returncode == 0, "sge_qmaster")
        self._do("qconf", "-as", self.host)
        scheduler = self.folder / "scheduler"
        scheduler.write_text(_changed(self._do("qconf", "-ssconf"), **EVERY_SECOND))
        self._do("qconf", "-Msconf", str(scheduler))
        script = f"{TOOLS}/sge_execd; exit $?"  # the shell stays, to be the first process of the machine
        self._daemons.start("sge_execd", *MACHINE, "sh", "-c", script, environment=self.environment)
        self._daemons.wait_for(lambda: self.host in self.run("qconf", "-sel").stdout.split(), "sge_execd")
        queue = self.folder / "queue"
        values = {"qname": QUEUE, "hostlist": self.host, "slots": str(SLOTS), "load_thresholds": "NONE"}
        queue.write_text(_changed(self._do("qconf", "-sq"), **values))
        self._do("qconf", "-Aq", str(queue))

    def end(self) -> None:
        """End the jobs and both daemons."""
        self._daemons.end()

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command with the environment that Grid Engine needs; its output and exit status."""
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120, check=False)

    def jobs(self) -> list[str]:
        """The numbers of the jobs that wait or run."""
        return re.findall(r"^ *(\d+) ", self.run("qstat").stdout, re.MULTILINE)

    def log_tail(self) -> str:
        """The end of what each daemon wrote."""
        return self._daemons.log_tail()

    def _do(self, *command: str) -> str:
        done = self.run(*command)
        if done.returncode != 0:
            raise RuntimeError(f"{shlex.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout


@contextmanager
def grid_engine(folder: Path) -> Iterator[GridEngine]:
    """Start a Grid Engine whose files are all below `folder`; RuntimeError, with the logs, where it does not start."""
    with shared(folder.parent):
        started = GridEngine(folder)
        try:
            started.start()
            yield started
        finally:
            started.end()


def _changed(text: str, **values: str) -> str:
    """Settings of Grid Engine, a name and a value a line, with some values replaced."""
    for name, value in values.items():
        text, count = re.subn(rf"^{name}\s.*$", f"{name} {value}", text, flags=re.MULTILINE)
        assert count == 1, name
    return text
