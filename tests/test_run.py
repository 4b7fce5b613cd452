"""The wrapper, through its command line, in a copy of the tree that has a made-up step."""

import errno
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest
from loaded_python import run_module

from workflow_scripts.provenance.identity import Identity, code_digests, combined
from workflow_scripts.provenance.ledger import read_ledger
from workflow_scripts.provenance.record import VERSION, parse_record
from workflow_scripts.provenance.verify import verify
from workflow_scripts.run import TRY_AGAIN, _checkpoint, _report_failure
from workflow_scripts.runtime import writable_paths
from workflow_scripts.runtime.failures import JobError
from workflow_scripts.runtime.progress import Silent

ROOT = Path(__file__).parents[1]
STEP = '''"""Does what its settings say."""

import time
from pathlib import Path

from workflow_scripts.runtime.progress import Progress

FACTOR = 2


def run(settings, inputs, outputs, progress: Progress):
    progress.say("at work")
    for path in outputs.get("folder", []):
        path.mkdir()
        for name, text in settings["files"].items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text(text)
    if settings.get("half"):
        outputs["text"][0].write_text("half")
    if "ready" in settings:
        Path(settings["ready"]).touch()
        while not Path(settings["go"]).exists():
            time.sleep(0.02)
    if "raises" in settings:
        raise {"ValueError": ValueError, "KeyError": KeyError}[settings["raises"]]("no such\\n thing")
    read = "".join(path.read_text() for path in inputs.get("text", []))
    for number, path in enumerate(outputs.get("text", [])):
        if number != settings.get("skip"):
            path.write_text(f"{settings['text']} {read} {number}")
'''
THREADS = """import numpy
import threadpoolctl


def run(settings, inputs, outputs, progress):
    numpy.ones((2, 2)) @ numpy.ones((2, 2))
    outputs["text"][0].write_text(str([pool["num_threads"] for pool in threadpoolctl.threadpool_info()]))
"""
TORCH = """import gc
import sys

import torch


def run(settings, inputs, outputs, progress):
    facts = [torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), gc.isenabled()]
    outputs["text"][0].write_text(f"{facts}, compiler loaded: {'torch._inductor' in sys.modules}")
"""
LATE = """import os
import time
from pathlib import Path

leave = os._exit


def run(settings, inputs, outputs, progress):
    outputs["text"][0].write_text("late")
    os._exit = wait


def wait(status):
    Path("ready").touch()
    while not Path("go").exists():
        time.sleep(0.02)
    leave(status)
"""
DEVICE = "USES_GPU = True\n" + TORCH
TRACE = """import os, re, sys

sys.path.insert(0, os.getcwd())
from workflow_scripts import run

fsync, replace = os.fsync, os.replace


def name(path):
    return re.sub(rf"[.]{os.getpid()}$", "", os.path.relpath(path, "out"))


def synced(number):
    print("fsync", name(os.readlink(f"/proc/self/fd/{number}")))
    fsync(number)


def replaced(source, target):
    print("replace", name(target))
    replace(source, target)


os.fsync, os.replace = synced, replaced
sys.exit(run.main(sys.argv[1:]))
"""
SECRET = "hush-4711"
RECORD_FIELDS = {
    *("version", "root", "job", "step", "settings", "code", "modules", "chosen_modules", "arguments", "inputs"),
    *("outputs", "software", "machine", "device", "threads", "seed", "git", "attempt", "started", "ended", "seconds"),
    "digest",
}


class Tree:
    """A copy of what the wrapper needs, with commands to run jobs in it."""

    def __init__(self, root):
        self.root = root

    def identity(self, step="made_up", **settings):
        code = combined(code_digests([f"workflow_scripts.steps.{step}"], self.root))
        return json.dumps({"step": step, "settings": settings, "modules": [], "code": code})

    def command(self, identity, *arguments, name="made_up/one"):
        fixed = ["--root", "out", "--log", f"out/logs/{name}.log", "--job", identity]
        return [sys.executable, "-m", "workflow_scripts.run", *fixed, *arguments]

    def environment(self):
        variables = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
        return {**variables, "SECRET_TOKEN": SECRET, "SLURM_JOB_ID": "4242"}

    def start(self, identity, *arguments, heeds_ctrl_c=True, **options):
        # Ctrl-C is ignored by what a shell starts in the background, and so by what that starts.
        return subprocess.Popen(
            [
                "env",
                f"--{'default' if heeds_ctrl_c else 'ignore'}-signal=INT",
                *self.command(identity, *arguments, **options),
            ],
            cwd=self.root,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments, step="made_up", name="made_up/one", **settings):
        """Run a job to its end; returns its exit status and what it printed on stderr.

        A step that loads numerical libraries gets a new Python, in which nothing is loaded.
        """
        identity = self.identity(step, **settings)
        if step == "made_up":
            module, *rest = self.command(identity, *arguments, name=name)[2:]
            done = run_module(self.root, module, *rest, environment=self.environment())
            return done.returncode, done.stderr
        process = self.start(identity, *arguments, name=name)
        _, stderr = process.communicate(timeout=60)
        return process.returncode, stderr

    def text(self, path):
        return (self.root / path).read_text()

    def record(self, name="made_up/one"):
        return json.loads(self.text(f"out/records/{name}.json"))

    def attempts(self, name="made_up/one"):
        return [json.loads(line) for line in self.text(f"out/attempts/{name}.jsonl").splitlines()]

    def left_over(self):
        """Files in scratch folders, and hidden files next to results."""
        hidden = [path for path in (self.root / "out").rglob("*") if path.is_file() and "/." in str(path)]
        return [path for path in hidden if "/.producers/" not in str(path) and "/.kept/" not in str(path)]


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    root = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "workflow_scripts", root / "workflow_scripts", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "envs").mkdir()
    (root / "envs" / "requirements.txt").write_text("numpy==0\n")
    for name, text in (
        ("made_up", STEP),
        ("threads", THREADS),
        ("torch_step", TORCH),
        ("device_step", DEVICE),
        ("late", LATE),
    ):
        (root / "workflow_scripts" / "steps" / f"{name}.py").write_text(text)
    return root


@pytest.fixture
def tree(origin, tmp_path):
    for part in ("workflow_scripts", "envs"):
        (tmp_path / part).symlink_to(origin / part)
    (tmp_path / "in.txt").write_text("bread")
    return Tree(tmp_path)


ONE = ("--input", "text", "in.txt", "--output", "text", "out/a.txt")


def wait_for(condition, process):
    """Wait until something is true, as long as the process lives."""
    deadline = time.monotonic() + 30
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


# what a job leaves ----------------------------------------------------------------------------------------------------


def test_a_job_writes_its_outputs_and_a_full_record(tree):
    assert tree.run(*ONE, "out/deep/b.txt", text="one", nested={"rate": 3e-4}) == (0, "  made_up/one  at work\n")
    assert tree.text("out/a.txt") == "one bread 0"
    assert tree.text("out/deep/b.txt") == "one bread 1"
    record = tree.record()
    assert set(record) == RECORD_FIELDS
    assert record["settings"] == {"text": "one", "nested": {"rate": 3e-4}}
    assert (record["job"], record["step"], record["version"]) == ("made_up/one", "made_up", VERSION)
    source = {"name": "text", "path": "in.txt", "sha256": sha256("bread"), "bytes": 5, "record": None}
    assert record["inputs"] == [source]
    outputs = {"text": ["out/a.txt", "out/deep/b.txt"]}
    assert record["arguments"] == {"inputs": {"text": ["in.txt"]}, "outputs": outputs}
    parse_record((tree.root / "out/records/made_up/one.json").read_bytes())
    assert record["outputs"] == [
        {"name": "text", "path": "out/a.txt", "sha256": sha256("one bread 0"), "bytes": 11},
        {"name": "text", "path": "out/deep/b.txt", "sha256": sha256("one bread 1"), "bytes": 11},
    ]
    assert record["code"] == combined(record["modules"])
    assert "workflow_scripts.steps.made_up" in record["modules"]
    assert (record["attempt"], record["threads"], record["device"]) == (1, 1, None)
    assert record["started"] <= record["ended"]
    assert record["seconds"] >= 0
    assert tree.left_over() == [tree.root / "out/.locks/made_up.one.lock"]


def test_a_record_states_software_machine_and_checkout(tree):
    assert tree.run(*ONE, text="one")[0] == 0
    record = tree.record()
    assert record["software"]["lock_sha256"] == sha256("numpy==0\n")
    assert record["software"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"torch", "numpy", "snakemake"} <= {
        name for name, version in record["software"]["packages"].items() if version
    }
    assert set(record["machine"]) == {"host", "system", "processor", "gpu_driver", "scheduler_job"}
    assert record["machine"]["scheduler_job"] == "4242"
    assert record["git"] == {"commit": None, "dirty": None}, "the copy of the tree is no git checkout"


def test_nothing_holds_the_environment(tree):
    tree.run(*ONE, text="one")
    tree.run(*ONE, text="one", raises="KeyError")
    files = [path for path in (tree.root / "out").rglob("*") if path.is_file()]
    assert len(files) >= 5
    assert [path for path in files if SECRET in path.read_text() or "SECRET_TOKEN" in path.read_text()] == []


def test_the_git_checkout_is_stated(tree, origin, tmp_path):
    copy = tmp_path / "checkout"
    shutil.copytree(origin, copy)
    (copy / "in.txt").write_text("bread")
    (copy / ".gitignore").write_text("out\n__pycache__\n")
    person = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "--quiet"], ["add", "."], [*person, "commit", "--quiet", "--message", "All"]):
        subprocess.run(["git", *arguments], cwd=copy, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=copy, capture_output=True, text=True, check=True).stdout
    checkout = Tree(copy)
    assert checkout.run(*ONE, text="one")[0] == 0
    assert checkout.record()["git"] == {"commit": head.strip(), "dirty": False}
    (copy / "in.txt").write_text("other bread")
    assert checkout.run(*ONE, text="one")[0] == 0
    assert checkout.record()["git"] == {"commit": head.strip(), "dirty": True}


def test_the_same_job_again_writes_the_same_bytes(tree):
    tree.run(*ONE, text="one")
    first = tree.record()
    (tree.root / "out/a.txt").unlink()
    tree.run(*ONE, "--anew", text="one")
    again = tree.record()
    assert {key for key in first if first[key] != again[key]} <= {"attempt", "started", "ended", "seconds", "digest"}
    assert (first["attempt"], again["attempt"]) == (1, 2)


def test_folders_are_replaced_whole(tree):
    outputs = ("--output", "folder", "out/results")
    tree.run(*outputs, files={"a.txt": "a", "old/b.txt": "b"})
    (tree.root / "out/results/.snakemake_timestamp").touch()
    assert [file["path"] for file in tree.record()["outputs"]] == ["out/results/a.txt", "out/results/old/b.txt"]
    tree.run(*outputs, files={"c.txt": "c"})
    assert [path.name for path in (tree.root / "out/results").rglob("*")] == ["c.txt"]
    assert tree.record()["outputs"] == [
        {"name": "folder", "path": "out/results/c.txt", "sha256": sha256("c"), "bytes": 1}
    ]


def test_a_folder_as_input_stands_for_its_files(tree):
    folder = tree.root / "bread"
    (folder / "old").mkdir(parents=True)
    for name in ("rye.txt", "old/wheat.txt", ".snakemake_timestamp"):
        (folder / name).write_text(name)
    assert tree.run("--input", "stock", "bread", "--output", "text", "out/a.txt", text="one")[0] == 0
    stock = [(file["name"], file["path"], file["sha256"]) for file in tree.record()["inputs"]]
    assert stock == [
        ("stock", "bread/old/wheat.txt", sha256("old/wheat.txt")),
        ("stock", "bread/rye.txt", sha256("rye.txt")),
    ]


def test_numerical_libraries_get_one_thread(tree):
    assert tree.run("--output", "text", "out/a.txt", step="threads") == (0, "")
    used = json.loads(tree.text("out/a.txt"))
    assert set(used) == {1}


def test_torch_is_made_repeatable_and_its_device_recorded(tree):
    assert tree.run("--output", "text", "out/a.txt", step="torch_step") == (0, "")
    assert tree.text("out/a.txt") == "[1, True, True], compiler loaded: False"
    device = tree.record()["device"]
    assert {"kind", "name", "cuda"} <= set(device)
    assert (device["deterministic_algorithms"], device["cudnn_benchmark"]) == (True, False)


# links ----------------------------------------------------------------------------------------------------------------


def digest_of(tree, path):
    return hashlib.sha256((tree.root / path).read_bytes()).hexdigest()


def test_an_input_is_linked_to_the_record_of_the_job_that_made_it(tree):
    tree.run(*ONE, text="one", name="first")
    second = ("--input", "text", "out/a.txt", "in.txt", "--output", "text", "out/b.txt")
    tree.run(*second, text="two", name="second")
    links = {read["path"]: read["record"] for read in tree.record("second")["inputs"]}
    assert links == {"out/a.txt": digest_of(tree, "out/records/first.json"), "in.txt": None}


def test_a_file_of_a_folder_is_linked_to_the_job_that_made_the_folder(tree):
    tree.run("--output", "folder", "out/stock", files={"rye.txt": "a", "old/wheat.txt": "b"}, name="first")
    tree.run("--input", "stock", "out/stock", "--output", "text", "out/b.txt", text="two", name="second")
    assert {read["record"] for read in tree.record("second")["inputs"]} == {digest_of(tree, "out/records/first.json")}


def test_an_altered_input_is_refused_until_it_is_what_its_job_wrote(tree):
    tree.run(*ONE, text="one", name="first")
    written = (tree.root / "out/a.txt").read_text()
    (tree.root / "out/a.txt").write_text("by hand")
    second = ("--input", "text", "out/a.txt", "--output", "text", "out/b.txt")
    status, errors = tree.run(*second, text="two", name="second")
    assert status == 1
    assert "its input out/a.txt is not what its job wrote; remove it, and start again" in errors
    assert not (tree.root / "out/b.txt").exists() and not (tree.root / "out/records/second.json").exists()
    (tree.root / "out/a.txt").write_text(written)
    tree.run(*second, text="two", name="second")
    assert {read["record"] for read in tree.record("second")["inputs"]} == {digest_of(tree, "out/records/first.json")}


def test_the_record_of_an_input_from_another_folder_is_copied_and_an_earlier_record_is_kept(tree):
    tree.run(*ONE, text="one", name="first")
    elsewhere = json.loads(tree.identity(text="two"))
    command = tree.command(json.dumps(elsewhere), "--input", "text", "out/a.txt", "--output", "text", "other/b.txt")
    command = [part.replace("out/logs/made_up", "other/logs/made_up") if "logs" in part else part for part in command]
    command[command.index("--root") + 1] = "other"
    subprocess.run(command, cwd=tree.root, check=True, capture_output=True)
    first = digest_of(tree, "out/records/first.json")
    assert digest_of(tree, f"other/linked_records/{first}.json") == first
    assert not (tree.root / "out/linked_records").exists()
    tree.run(*ONE, text="one", name="first")
    assert digest_of(tree, f"out/linked_records/{first}.json") == first != digest_of(tree, "out/records/first.json")


def test_links_are_found_again_where_the_notes_on_them_are_lost(tree):
    tree.run(*ONE, text="one", name="first")
    shutil.rmtree(tree.root / "out/.producers")
    tree.run("--input", "text", "out/a.txt", "--output", "text", "out/b.txt", text="two", name="second")
    assert [read["record"] for read in tree.record("second")["inputs"]] == [digest_of(tree, "out/records/first.json")]


@pytest.mark.parametrize("note", [b"\xff\x00", b"nobody", b"third"])
def test_links_are_found_again_where_a_note_on_them_is_damaged(tree, note):
    """Also where it names another job, or none."""
    tree.run(*ONE, text="one", name="first")
    tree.run("--output", "text", "out/c.txt", text="three", name="third")
    [pointer] = [
        path for path in (tree.root / "out/.producers").rglob("*") if path.is_file() and path.read_text() == "first"
    ]
    pointer.write_bytes(note)
    status, stderr = tree.run(
        "--input", "text", "out/a.txt", "--output", "text", "out/b.txt", text="two", name="second"
    )
    assert (status, "Traceback" in stderr) == (0, False)
    assert [read["record"] for read in tree.record("second")["inputs"]] == [digest_of(tree, "out/records/first.json")]
    assert pointer.read_text() == "first"


def test_a_jobs_result_is_on_the_disk_before_its_record(tree, tmp_path):
    """A record that survives a loss of power names only outputs that do, too."""
    trace = tmp_path / "trace.py"
    trace.write_text(TRACE)
    command = tree.command(tree.identity(text="one"), *ONE)
    program = [sys.executable, str(trace), *command[3:]]
    done = subprocess.run(program, cwd=tree.root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    steps = [line for line in done.stdout.splitlines() if ".producers" not in line and ".kept" not in line]
    assert steps == [
        "fsync .scratch/made_up/one/text/0/a.txt",
        "replace a.txt",
        "fsync .",
        "fsync records/made_up/.one.json",
        "replace records/made_up/one.json",
        "fsync records/made_up",
    ]


# what goes wrong ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        ({"raises": "ValueError", "half": True}, "no such thing"),
        ({"raises": "KeyError", "half": True}, r"KeyError('no such\n thing')"),
        ({"skip": 1}, "the step did not write b.txt"),
    ],
)
def test_a_failed_job_leaves_the_old_result_and_a_trace(tree, failure, sentence):
    both = (*ONE, "out/b.txt")
    assert tree.run(*both, text="one")[0] == 0
    before = {path: tree.text(path) for path in ("out/a.txt", "out/b.txt", "out/records/made_up/one.json")}
    status, stderr = tree.run(*both, text="two", **failure)
    assert status == 1
    message = f"made_up/one failed: {sentence} (log: out/logs/made_up/one.log)"
    assert stderr.splitlines() == ["  made_up/one  at work", message]
    assert {path: tree.text(path) for path in before} == before
    log = tree.text("out/logs/made_up/one.log")
    assert ("Traceback (most recent call last)" in log) == ("raises" in failure), "where it is of use"
    assert log.endswith(f" failed: {sentence}\n")
    last = tree.attempts()[-1]
    assert (last["attempt"], last["failed"] is None) == (2, False)
    assert not (tree.root / "out/.scratch/made_up/one").exists()


def test_a_first_failure_leaves_no_output_and_no_record(tree):
    assert tree.run(*ONE, text="one", raises="ValueError", half=True)[0] == 1
    assert not (tree.root / "out/a.txt").exists()
    assert not (tree.root / "out/records").exists()
    assert [entry.get("failed") for entry in tree.attempts()] == [None, "ValueError"]


def test_a_gpu_that_was_asked_for_and_is_not_there(tree, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "99")
    status, stderr = tree.run("--output", "text", "out/a.txt", "--gpu", "1", step="device_step")
    assert status == 1
    assert "a GPU was asked for (CUDA_VISIBLE_DEVICES=99), but torch sees none; check the driver, or unset it" in stderr


@pytest.mark.parametrize(("visible", "given", "seen"), [("99", [], ""), ("-1", ["--gpu", "1"], "-1")])
def test_a_job_without_a_gpu_computes_on_the_processor(tree, monkeypatch, visible, given, seen):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert tree.run("--output", "text", "out/a.txt", *given, step="device_step") == (0, "")
    device = tree.record()["device"]
    assert (device["kind"], device["visible_devices"]) == ("cpu", seen)


@pytest.mark.parametrize("number", ["-1", "one", "0.5"])
def test_a_number_of_gpus_that_is_none(tree, number):
    status, stderr = tree.run(*ONE, f"--gpu={number}", text="one")
    assert (status, stderr.splitlines()[-1].partition("error: ")[2]) == (
        2,
        f"argument --gpu: '{number}' is not a number of devices",
    )


def test_a_checkpoint_is_of_one_kind_of_device(tmp_path):
    """Numbers differ between kinds; which of two alike devices a job was lent decides nothing."""

    def key(kind, name, visible):
        device = {"kind": kind, "name": name, "visible_devices": visible}
        return _checkpoint(Identity("cell_search", {}, (), "0"), [], device, tmp_path / "a.pt", Silent()).key

    assert key("cuda", "H100", "0") == key("cuda", "H100", "1")
    assert len({key("cuda", "H100", "0"), key("cuda", "A100", "0"), key("cpu", None, "")}) == 3


def test_a_disk_without_space_is_one_sentence(capsys):
    """/dev/full takes no byte, so that not even the log does."""
    with suppress(OSError), open("/dev/full", "a") as log:
        _report_failure(OSError(errno.ENOSPC, "no space", "out/a.txt"), "made_up/one", log)
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("made_up/one failed: no space is left for out/a.txt; free some")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_job_that_is_asked_to_end_says_how_it_goes_on(tree, name):
    process = tree.start(tree.identity(text="one", ready="ready", go="go"), *ONE)
    wait_for((tree.root / "ready").exists, process)
    process.send_signal(signal.Signals[name])
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == TRY_AGAIN
    message = f"it was stopped ({name}); started again, it goes on from its checkpoint where it keeps one"
    log = "out/logs/made_up/one.log"
    assert stderr.splitlines() == ["  made_up/one  at work", f"made_up/one failed: {message} (log: {log})"]
    assert tree.attempts()[-1]["failed"] == "Stopped"
    assert not (tree.root / "out/.scratch/made_up/one").exists()
    assert tree.text(log).endswith(f" failed: {message}\n")
    assert "Traceback" not in tree.text(log), "Snakemake shows the logs of failed jobs"


def test_ctrl_c_is_not_for_a_job_in_the_background_of_a_script(tree):
    """Snakemake ignores it there, too, and would take the job for failed."""
    process = tree.start(tree.identity(text="one", ready="ready", go="go"), *ONE, heeds_ctrl_c=False)
    wait_for((tree.root / "ready").exists, process)
    process.send_signal(signal.SIGINT)
    (tree.root / "go").touch()
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (0, "  made_up/one  at work\n")


@pytest.mark.parametrize(("name", "module"), [("SIGINT", "signal"), ("SIGINT", "pydantic"), ("SIGTERM", "pydantic")])
def test_a_job_that_is_asked_to_end_while_its_modules_load(tree, name, module):
    (tree.root / f"{module}.py").write_text(
        "import time\nfrom pathlib import Path\nPath('ready').touch()\ntime.sleep(60)\n"
    )
    process = tree.start(tree.identity(text="one"), *ONE)
    wait_for((tree.root / "ready").exists, process)
    process.send_signal(signal.Signals[name])
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == TRY_AGAIN
    assert stderr == f"a job was stopped ({name}) before it began; start the workflow again\n"


def test_a_job_that_has_ended_is_not_stopped(tree):
    process = tree.start(tree.identity("late"), "--output", "text", "out/a.txt")
    wait_for((tree.root / "ready").exists, process)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    (tree.root / "go").touch()
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (0, "")
    assert tree.attempts()[-1]["failed"] is None


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("out", "out: there is a file where a folder should be; move it away, then start the workflow again"),
        ("out/logs", "out/logs: there is a file where a folder should be; move it away, then start the workflow again"),
        ("out/logs/made_up/one.log/x", "out/logs/made_up/one.log: there is a folder where a file should be; move it"),
    ],
)
def test_a_log_that_cannot_be_written_is_one_sentence(tree, place, message):
    (tree.root / place).parent.mkdir(parents=True, exist_ok=True)
    (tree.root / place).touch()
    status, stderr = tree.run(*ONE, text="one")
    assert status == 1
    assert stderr.startswith(f"made_up/one failed: {message}")
    assert len(stderr.splitlines()) == 1
    assert not (tree.root / "out/a.txt").exists()


def test_a_results_folder_that_cannot_be_written_is_one_sentence(tree):
    """Nobody, not even root, makes a file in a folder of the kernel's."""
    (tree.root / "out").symlink_to("/sys/kernel")
    status, stderr = tree.run(*ONE, text="one")
    assert status == 1
    assert re.match(r"made_up/one failed: (out|/sys/kernel)/.*: (there is no permission|its file system)", stderr)
    assert len(stderr.splitlines()) == 1


OWN = ["out/.locks", "out/attempts", "out/.scratch", "out/records/made_up", "out/.producers", "out/.kept", "out/logs"]
FILES = ["logs/made_up/one.log", "attempts/made_up/one.jsonl", "records/made_up/one.json", "linked_records"]


@pytest.mark.parametrize(
    "place", ["out/sub", "out/sub/deep", *OWN, "out/.checkpoints/made_up", *(f"out/{file}" for file in FILES)]
)
def test_a_link_inside_a_results_folder_is_refused_before_anything_is_done(tree, tmp_path_factory, place):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (tree.root / place).parent.mkdir(parents=True, exist_ok=True)
    (tree.root / place).symlink_to(elsewhere)
    status, stderr = tree.run("--input", "text", "in.txt", "--output", "text", "out/sub/deep/a.txt", text="one")
    what = "put what it leads to in its place, or make out itself the link, then start the workflow again"
    assert (status, stderr) == (1, f"made_up/one failed: {place}: a link inside a results folder; {what}\n")
    assert list(elsewhere.iterdir()) == []


def test_a_part_on_another_file_system_is_refused(tmp_path, monkeypatch):
    (tmp_path / "out/sub").mkdir(parents=True)
    monkeypatch.setattr(writable_paths, "_device", lambda folder: 2 if folder.name == "sub" else 1)
    writable_paths.check_places(tmp_path / "out", [tmp_path / "out/a.txt"])
    with pytest.raises(JobError, match=r"out/sub: another file system than that of .*out, to which finished results"):
        writable_paths.check_places(tmp_path / "out", [tmp_path / "out/sub/more/a.txt"])


@pytest.mark.parametrize("link", ["out", "out/study"])
def test_a_results_folder_that_is_a_link_to_another_file_system_works_and_verifies_clean(tree, link):
    if not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == os.stat(tree.root).st_dev:
        pytest.skip("there is no other file system at /dev/shm")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        (tree.root / link).parent.mkdir(exist_ok=True)
        (tree.root / link).symlink_to(elsewhere)
        command = [sys.executable, "-m", "workflow_scripts.run", "--root", "out/study"]
        command += ["--log", "out/study/logs/made_up/one.log", "--job", tree.identity(text="one", files={"b": "c"})]
        command += ["--output", "text", "out/study/sub/a.txt", "--output", "folder", "out/study/folder"]
        for _ in range(2):
            done = subprocess.run(command, cwd=tree.root, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
        assert (tree.root / "out/study/sub/a.txt").stat().st_dev == os.stat("/dev/shm").st_dev
        found = verify(read_ledger(tree.root / "out/study"), None)
        assert [each.kind for each in found.findings] == ["stale"], "the made-up step is not in this checkout"


def test_who_holds_a_lock_is_told(tree):
    first = tree.start(tree.identity(text="slow", ready="ready", go="go"), *ONE)
    wait_for((tree.root / "ready").exists, first)
    second = tree.start(tree.identity(text="slow", ready="ready", go="go"), *ONE)
    log = tree.root / "out/logs/made_up/one.log"
    wait_for(lambda: "another process makes the same outputs" in log.read_text(), second)
    assert f"process {first.pid}, scheduler Slurm, job 4242); waiting for it to end" in log.read_text()
    (tree.root / "go").touch()
    for process in (first, second):
        process.communicate(timeout=60)
    assert (first.returncode, second.returncode) == (0, 0)
    assert "the other process made them, from the same settings, code and inputs" in log.read_text()
    assert len(tree.attempts()) == 2, "one attempt, begun and ended"


def test_attempts_are_numbered_and_closed(tree):
    for settings in ({}, {"raises": "KeyError"}, {}):
        tree.run(*ONE, text="one", **settings)
    entries = tree.attempts()
    assert [entry["attempt"] for entry in entries] == [1, 1, 2, 2, 3, 3]
    assert [entry.get("failed", "started") for entry in entries] == [
        "started",
        None,
        "started",
        "KeyError",
        "started",
        None,
    ]
    assert all(entry["job"] == "4242" and entry["host"] for entry in entries[::2])
    assert tree.record()["attempt"] == 3


def test_a_missing_input_is_named(tree):
    (tree.root / "in.txt").unlink()
    status, stderr = tree.run(*ONE, text="one")
    assert (status, stderr) == (
        1,
        "made_up/one failed: the input in.txt does not exist (log: out/logs/made_up/one.log)\n",
    )
    assert not (tree.root / "out/a.txt").exists()


def test_a_job_of_other_code_is_refused(tree):
    identity = json.loads(tree.identity(text="one")) | {"code": "0" * 64}
    process = tree.start(json.dumps(identity), *ONE)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "failed: the code of this step changed after the workflow was started; start the workflow again (" in stderr
    assert not (tree.root / "out/a.txt").exists()


def test_code_changed_after_the_identity_was_made_is_refused(origin, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(origin, copy)
    (copy / "in.txt").write_text("bread")
    other = Tree(copy)
    step = copy / "workflow_scripts" / "steps" / "made_up.py"
    identity = other.identity(text="one")
    step.write_text(STEP.replace("FACTOR = 2", "FACTOR = 3  # more"))
    refused = other.start(identity, *ONE)
    assert "the code of this step changed" in refused.communicate(timeout=60)[1]
    step.write_text(STEP.replace("FACTOR = 2", "FACTOR = 2  # as before"))
    accepted = other.start(identity, *ONE)
    assert accepted.communicate(timeout=60)[1] == "  made_up/one  at work\n"
    assert (refused.returncode, accepted.returncode) == (1, 0)


def test_a_waived_job_whose_input_changed_says_how_to_go_on(tree):
    waiver = tree.root / "out/waivers/made_up/one.json"
    waiver.parent.mkdir(parents=True)
    waiver.touch()
    process = tree.start(json.dumps(json.loads(tree.identity(text="one")) | {"code": "0" * 64}), *ONE)
    stderr = process.communicate(timeout=60)[1]
    assert "is kept by a waiver, but an input changed; delete out/waivers/made_up/one.json to make it anew" in stderr


IDENTITY = {"step": "made_up", "settings": {}, "modules": [], "code": "0"}


@pytest.mark.parametrize(
    "identity",
    [
        *("{", "{}", '{"step": "made_up"}', "[" * 100_000),
        *(json.dumps({**IDENTITY, key: value}) for key, value in (("step", 1), ("settings", []), ("modules", None))),
        *(json.dumps({**IDENTITY, key: value}) for key, value in (("modules", [1]), ("code", {}))),
    ],
    ids=str.__len__,
)
def test_an_identity_that_is_none(tree, identity):
    process = tree.start(identity, *ONE)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "error: --job: " in stderr.splitlines()[-1]
    assert "Traceback" not in stderr


# results that were removed from outside -------------------------------------------------------------------------------

BOTH = (*ONE, "out/b.txt")
PUT_BACK = (
    "missing and put back from out/.kept, from the same settings, code and inputs; nothing was computed; "
    "to compute anew, run Snakemake with --force or --forcerun"
)


def kept(tree, name="made_up/one"):
    """The texts that are kept of a job, sorted."""
    files = (tree.root / "out/.kept" / name).iterdir()
    return sorted(file.read_text() for file in files if file.is_file())


def test_a_missing_output_is_put_back_and_not_computed(tree):
    tree.run(*BOTH, text="one")
    record, before = tree.text("out/records/made_up/one.json"), time.time_ns()
    (tree.root / "out/b.txt").unlink()
    status, stderr = tree.run(*BOTH, text="one")
    assert (status, stderr) == (0, f"  made_up/one  its output out/b.txt was {PUT_BACK}\n")
    assert stderr.split("  ")[-1] in tree.text("out/logs/made_up/one.log")
    assert tree.text("out/b.txt") == "one bread 1"
    assert (tree.root / "out/b.txt").stat().st_mtime_ns >= before - 10**9, "Snakemake takes old files for outdated"
    assert tree.text("out/records/made_up/one.json") == record
    begun, ended = tree.attempts()[-2:]
    assert (begun["attempt"], ended["attempt"], ended["failed"], ended["put_back"]) == (2, 2, None, 1)


def test_all_outputs_missing_are_put_back_again_and_again(tree):
    tree.run(*BOTH, text="one")
    for _ in range(2):
        for name in "ab":
            (tree.root / f"out/{name}.txt").unlink()
        assert tree.run(*BOTH, text="one") == (0, f"  made_up/one  2 of its outputs were {PUT_BACK}\n")
        assert [tree.text(f"out/{name}.txt") for name in "ab"] == ["one bread 0", "one bread 1"]


def test_kept_bytes_take_no_room_while_the_output_is_there(tree):
    tree.run(*BOTH, text="one")
    output = tree.root / "out/a.txt"
    assert (tree.root / "out/.kept/made_up/one" / sha256("one bread 0")).samefile(output)
    output.unlink()
    tree.run(*BOTH, text="one")
    assert (tree.root / "out/.kept/made_up/one" / sha256("one bread 0")).samefile(output)


@pytest.mark.parametrize("removed", ["whole", "part"])
def test_folders_empty_files_and_equal_files_are_put_back(tree, removed):
    files = {"a.txt": "", "b.txt": "", "deep/er/c.txt": "c"} | {
        f"n{number}/d.txt": str(number) for number in range(300)
    }
    arguments = ("--output", "folder", "out/results")
    tree.run(*arguments, files=files)
    (tree.root / "out/results/.snakemake_timestamp").touch()
    gone = "out/results" if removed == "whole" else "out/results/deep"
    shutil.rmtree(tree.root / gone)
    status, stderr = tree.run(*arguments, files=files)
    assert (status, "nothing was computed" in stderr) == (0, True)
    found = {
        path.relative_to(tree.root / "out/results").as_posix(): path.read_text()
        for path in (tree.root / "out/results").rglob("*.txt")
    }
    assert found == files


def test_anew_computes_although_the_result_is_kept(tree):
    tree.run(*ONE, text="one")
    (tree.root / "out/a.txt").unlink()
    assert tree.run(*ONE, "--anew", text="one") == (0, "  made_up/one  at work\n")
    assert tree.record()["attempt"] == 2
    assert "put_back" not in tree.attempts()[-1]


def test_a_job_that_is_the_folder_of_another_keeps_its_own(tree):
    inner = ("--output", "text", "out/inner.txt")
    tree.run(*inner, text="inner", name="made_up/one/inner")
    tree.run(*ONE, text="one")
    tree.run(*ONE, text="two")
    assert (kept(tree), kept(tree, "made_up/one/inner")) == (["two bread 0"], ["inner  0"])
    (tree.root / "out/inner.txt").unlink()
    assert "nothing was computed" in tree.run(*inner, text="inner", name="made_up/one/inner")[1]


def test_what_is_kept_is_replaced_when_the_job_succeeds_again(tree):
    tree.run(*BOTH, text="one")
    tree.run(*BOTH, text="two", raises="KeyError")
    assert kept(tree) == ["one bread 0", "one bread 1"], "a failure replaces nothing"
    tree.run(*BOTH, text="two")
    assert kept(tree) == ["two bread 0", "two bread 1"]


def _alter(path):
    path.write_text(path.read_text() + "!")


@pytest.mark.parametrize(
    ("change", "settings", "why"),
    [
        (lambda root: None, {"text": "two"}, "the record has other settings"),
        (lambda root: _alter(root / "in.txt"), {}, "its input in.txt does not match the record"),
        (lambda root: _alter(root / "out/b.txt"), {}, "out/b.txt is there and is not what was recorded"),
        (lambda root: _alter(next((root / "out/.kept/made_up/one").glob("*"))), {}, "were altered (out/.kept/"),
        (lambda root: shutil.rmtree(root / "out/.kept"), {}, "bytes of out/a.txt are not in out/.kept/made_up/one"),
        (lambda root: _alter(root / "out/records/made_up/one.json"), {}, "record cannot be trusted: it is not JSON"),
    ],
)
def test_what_does_not_match_is_computed_and_the_log_says_why(tree, change, settings, why):
    tree.run(*BOTH, text="one")
    (tree.root / "out/a.txt").unlink()
    for file in (tree.root / "out/.kept/made_up/one").iterdir():  # only that of the missing output is looked at
        if file.read_text() != "one bread 0":
            file.unlink()
    change(tree.root)
    status, stderr = tree.run(*BOTH, **({"text": "one"} | settings))
    assert (status, stderr) == (0, "  made_up/one  at work\n")
    log = tree.text("out/logs/made_up/one.log")
    assert "no earlier result is put back, because " in log
    assert why in log
    assert tree.record()["attempt"] == 2


@pytest.mark.parametrize(
    "inputs",
    [
        ("--input", "text", "in.txt"),
        ("--input", "text", "more.txt", "in.txt"),
        ("--input", "text", "in.txt", "--input", "other", "more.txt"),
    ],
)
def test_fewer_inputs_or_in_another_order_are_computed(tree, inputs):
    """As of a table of all searches, when the study has dropped one."""
    (tree.root / "more.txt").write_text("butter")
    tree.run("--input", "text", "in.txt", "more.txt", *ONE[3:], text="one")
    (tree.root / "out/a.txt").unlink()
    assert tree.run(*inputs, *ONE[3:], text="one") == (0, "  made_up/one  at work\n")
    assert "because the record names other inputs" in tree.text("out/logs/made_up/one.log")


def test_a_folder_of_inputs_that_lost_a_file_is_computed(tree):
    tree.run("--output", "folder", "out/stock", files={"a.txt": "a", "b.txt": "b"}, name="first")
    second = ("--input", "stock", "out/stock", "--output", "text", "out/b.txt")
    tree.run(*second, text="two", name="second")
    (tree.root / "out/b.txt").unlink()
    (tree.root / "out/stock/b.txt").unlink()
    assert tree.run(*second, text="two", name="second") == (0, "  second  at work\n")
    assert "because its input out/stock/b.txt does not match the record" in tree.text("out/logs/second.log")


def test_other_outputs_than_recorded_are_computed(tree):
    tree.run(*ONE, text="one")
    (tree.root / "out/a.txt").unlink()
    assert tree.run(*BOTH, text="one") == (0, "  made_up/one  at work\n")
    assert "because the record names other outputs" in tree.text("out/logs/made_up/one.log")


def test_a_result_that_cannot_be_kept_is_a_result(tree):
    (tree.root / "out").mkdir()
    (tree.root / "out/.kept").touch()
    status, stderr = tree.run(*ONE, text="one")
    assert status == 0
    assert "made_up/one  its outputs are not kept in out/.kept: " in stderr
    assert tree.text("out/a.txt") == "one bread 0"
    assert tree.attempts()[-1]["failed"] is None


def test_without_a_record_nothing_is_put_back(tree):
    tree.run(*ONE, text="one")
    (tree.root / "out/a.txt").unlink()
    (tree.root / "out/records/made_up/one.json").unlink()
    assert tree.run(*ONE, text="one") == (0, "  made_up/one  at work\n")


def test_a_result_of_code_that_is_gone_is_put_back(origin, tmp_path):
    """As for a waived job, whose code at hand is another."""
    copy = tmp_path / "copy"
    shutil.copytree(origin, copy)
    (copy / "in.txt").write_text("bread")
    tree = Tree(copy)
    identity = tree.identity(text="one")
    tree.start(identity, *ONE).communicate(timeout=60)
    (copy / "workflow_scripts/steps/made_up.py").write_text(STEP.replace("FACTOR = 2", "FACTOR = 3"))
    (copy / "out/a.txt").unlink()
    process = tree.start(identity, *ONE)
    assert "nothing was computed" in process.communicate(timeout=60)[1]
    assert tree.text("out/a.txt") == "one bread 0"


# several processes ----------------------------------------------------------------------------------------------------


def test_a_second_process_waits_for_the_first(tree):
    slow = {"text": "slow", "ready": "ready", "go": "go"}
    first = tree.start(tree.identity(**slow), *ONE)
    wait_for((tree.root / "ready").exists, first)
    second = tree.start(tree.identity(text="second"), *ONE)
    log = tree.root / "out/logs/made_up/one.log"
    wait_for(lambda: log.read_text().count(" made_up {") == 2, second)
    time.sleep(1)
    assert first.poll() is second.poll() is None
    assert len(tree.attempts()) == 1
    (tree.root / "go").touch()
    for process in (first, second):
        process.communicate(timeout=60)
    assert (first.returncode, second.returncode) == (0, 0)
    assert [(entry["attempt"], "started" in entry) for entry in tree.attempts()] == [
        (1, True),
        (1, False),
        (2, True),
        (2, False),
    ]
    assert tree.text("out/a.txt") == "second bread 0"
    assert tree.record()["attempt"] == 2


def test_a_killed_job_leaves_its_attempt_and_no_output_and_the_next_run_succeeds(tree):
    process = tree.start(tree.identity(text="one", half=True, ready="ready", go="go"), *ONE)
    wait_for((tree.root / "ready").exists, process)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert not (tree.root / "out/a.txt").exists()
    assert not (tree.root / "out/records").exists()
    assert [set(entry) for entry in tree.attempts()] == [{"attempt", "started", "host", "job"}]
    partial = [path for path in (tree.root / "out/.scratch").rglob("*") if path.is_file()]
    assert [path.read_text() for path in partial] == ["half"]

    assert tree.run(*ONE, text="one")[0] == 0
    assert tree.text("out/a.txt") == "one bread 0"
    assert tree.record()["attempt"] == 2
    assert not (tree.root / "out/.scratch/made_up/one").exists()


def test_what_a_killed_job_left_is_not_taken_for_an_output(tree):
    left = tree.root / "out/.scratch/made_up/one/text/0"
    left.mkdir(parents=True)
    (left / "a.txt").write_text("left over by a killed job")
    status, stderr = tree.run(*ONE, text="one", skip=0)
    assert (status, stderr.splitlines()[-1].partition(" (")[0]) == (
        1,
        "made_up/one failed: the step did not write a.txt",
    )


def test_a_log_outside_the_results_folder_is_a_usage_error(tree):
    command = tree.command(tree.identity(text="one"), "--output", "text", "out/a.txt")
    command[command.index("out/logs/made_up/one.log")] = "elsewhere/one.log"
    done = subprocess.run(command, cwd=tree.root, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "elsewhere/one.log is not in out/logs" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tree.root / "out/a.txt").exists()
