"""Daemons run as children of the test, in a mount namespace of their own, so that nothing of the machine is changed."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

START_SECONDS = 60
NAMESPACE_PROGRAMS = ("unshare", "nsenter", "setpriv", "mount")
WITH_THE_TEST = ("setpriv", "--pdeathsig", "KILL")
"""Put before a command: it is killed when the test's process ends, even if that one was killed itself."""
MACHINE = ("unshare", "--mount", "--propagation", "slave", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc")
"""Put before a shell's command: it gets a host name, mounts and process numbers of its own, and ends with all of its
processes, those of the jobs that it started too."""


class Daemons:
    """A mount namespace, prepared by the shell commands `setup`, and daemons in it by name.

    What they say goes to files in `folder`. Mounts made inside are not seen outside, and those made outside are seen
    inside below a `shared` folder. To be used in the test's main thread: a daemon ends with the thread that started it.
    """

    def __init__(self, folder: Path, setup: str) -> None:
        self.folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        script = f"set -e; {setup}\necho ready; exec sleep infinity"
        self._holder = subprocess.Popen(
            [*WITH_THE_TEST, "unshare", "--mount", "--propagation", "slave", "sh", "-c", script],
            stdout=subprocess.PIPE,
            stderr=(folder / "namespace.out").open("wb"),
            cwd="/",
            start_new_session=True,
        )
        self._inside = ["nsenter", f"--target={self._holder.pid}", "--mount", "--root", "--wd"]
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != b"ready\n":
            self._holder.wait()
            raise RuntimeError(f"no mount namespace can be made here: {(folder / 'namespace.out').read_text()}")

    def start(self, name: str, *command: str, environment: dict[str, str] | None = None) -> int:
        """Start a daemon that stays in the foreground; returns its process number."""
        assert name not in self._running, f"{name} runs already"
        program = find_program(command[0])
        assert program is not None, command[0]
        with (self.folder / f"{name}.out").open("ab") as output:
            self._running[name] = subprocess.Popen(
                [*self._inside, *WITH_THE_TEST, program, *command[1:]],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self._running[name].pid

    def stop(self, name: str, number: int = signal.SIGTERM) -> None:
        """End a daemon and its process group; one that has not ended after a while is killed."""
        process = self._running.pop(name)
        process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=20)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until the condition holds; RuntimeError with the ends of all logs where it does not in time."""
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{what} did not start:\n{self.log_tail()}")
            time.sleep(0.1)

    def log_tail(self, characters: int = 2000) -> str:
        """The end of what each daemon wrote."""
        files = sorted([*self.folder.glob("*.out"), *self.folder.glob("*.log")])
        texts = {path.name: path.read_text(errors="replace").strip()[-characters:] for path in files}
        return "\n".join(f"--- {name}\n{text}" for name, text in texts.items() if text)

    def end(self) -> None:
        """Kill all daemons, the last started first, and the namespace with them: nothing of theirs is kept."""
        for name in reversed(list(self._running)):
            self.stop(name, signal.SIGKILL)
        self._holder.kill()
        self._holder.wait()


@contextmanager
def shared(folder: Path) -> Iterator[None]:
    """Make a folder a mount point of its own, so that what a test mounts below it is seen by the daemons too."""
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    with at_the_end('umount --lazy "$0"', folder):
        subprocess.run(["mount", "--make-shared", folder], check=True)
        yield


@contextmanager
def at_the_end(script: str, path: Path) -> Iterator[None]:
    """Run a shell script, whose $0 is `path`, when the block ends, and also where the test is killed within it."""
    # The shell's input ends with the block or with this process.
    with subprocess.Popen(["sh", "-c", f"read -r _; {script}", path], stdin=subprocess.PIPE, start_new_session=True):
        yield


def why_not(programs: Sequence[str], packages: str) -> str | None:
    """Why daemons of these programs cannot be started here; None where they can."""
    absent = [program for program in (*programs, *NAMESPACE_PROGRAMS) if find_program(program) is None]
    if absent:
        return f"{', '.join(absent)} not installed (Debian: {packages})"
    if os.geteuid() != 0:
        return "the daemons are started as root here"
    tried = subprocess.run([*MACHINE, "true"], capture_output=True, check=False)
    return None if tried.returncode == 0 else f"no namespace can be made here: {tried.stderr.decode().strip()}"


def find_program(name: str) -> str | None:
    """The path of a program, also of those that only root has on its search path."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def free_ports(count: int) -> list[int]:
    """Numbers of TCP ports that nothing listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("", 0))
    ports: list[int] = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
