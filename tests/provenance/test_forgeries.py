"""Whatever is done to a results folder is found, changes the root digest, or is what docs/provenance.md excludes.

Alterations, links, odd files and records edited and sealed again are drawn at random; the same ones in every run.
"""

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from provenance.forging import ROOT, forge, keep_linked, restated

from workflow_scripts import audit
from workflow_scripts.provenance.ledger import read_ledger
from workflow_scripts.provenance.record import RecordError, digest_of, read_record
from workflow_scripts.provenance.verify import verify
from workflow_scripts.rehearsal.made_up_results import make_results

SECRET = b"a secret outside the results folder"
ACTIONS = ("alter", "delete", "swap", "add", *("edit a record",) * 2, *("exchange an output",) * 3)
HOW_MANY = (1, 1, 1, 2, 2, 3)
"""Actions at once: mostly one, because a second one that is found would hide that the first is not."""
FOLDERS = (
    "",
    "logs",
    "logs/.x.1",
    "records",
    "linked_records",
    "waivers",
    "attempts",
    "tables",
    "figures",
    "scheduler/a/1",
)
FOLDERS += (".scratch/a", ".locks", ".kept/report", ".checkpoints", "cells/searches/s1_cifar10", "records/cell_search")
NAMES = (
    "a.log",
    "a.json",
    "a.jsonl",
    ".a.json.7",
    ".evil.json",
    ".searches.csv.77",
    "provenance.html",
    "script.sh",
    "0" * 64,
)
NAMES += (".snakemake_timestamp", "a\x1b[2K.csv", "a\nclean", os.fsdecode(b"\xff"), "-", "\u202egpj.png", "a.csv")
KINDS = ("file", "empty file", "link to a file", "link to a folder", "pipe", "folder")
VALUES = (
    None,
    True,
    -1,
    1e308,
    "",
    "..",
    "a\x1b[2K",
    "\ud800",
    [],
    {},
    {"@id": "x"},
    "../../x",
    "0" * 64,
    2**70,
    "report",
)
FIELDS = ("root", "job", "step", "settings", "chosen_modules", "code", "modules", "arguments", "inputs", "outputs")
FIELDS += (
    "software",
    "machine",
    "device",
    "threads",
    "seed",
    "git",
    "attempt",
    "started",
    "ended",
    "seconds",
    "version",
)
COMMANDS = (["why", "report.html"], ["affected", "data/cifar10.npz", "."], ["page", "."])


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The folder a made-up workflow with one search ran in, its root digest, and a folder next to it with a secret."""
    top = tmp_path_factory.mktemp("forgeries")
    make_results(top / "base", searches=1)
    (top / "outside").mkdir()
    (top / "outside/secret.log").write_bytes(SECRET)
    return top, read_ledger(top / "base" / ROOT).root_digest


class Forger:
    """Draws what is done to a results folder."""

    def __init__(self, results, outside, draw):
        self.results, self.outside, self.draw = results, outside, draw

    def one_of(self, choices):
        return self.draw(st.sampled_from(list(choices)))

    def act(self):
        getattr(self, self.one_of(ACTIONS).replace(" ", "_"))()

    def files(self):
        places = (self.results, self.results.parents[1] / "data")
        return sorted(path for place in places for path in place.rglob("*") if path.is_file() and not path.is_symlink())

    def alter(self):
        file = self.one_of(self.files())
        content = file.read_bytes() or b"?"
        place = self.draw(st.integers(0, len(content) - 1))
        file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])

    def delete(self):
        self.one_of(self.files()).unlink()

    def swap(self):
        one, other = self.one_of(self.files()), self.one_of(self.files())
        content = one.read_bytes()
        one.write_bytes(other.read_bytes())
        other.write_bytes(content)

    def add(self):
        folder = self.results / self.one_of(FOLDERS)
        file, kind = folder / self.one_of(NAMES), self.one_of(KINDS)
        if file.exists() or file.is_symlink() or any(part.is_file() for part in file.parents):
            return
        folder.mkdir(parents=True, exist_ok=True)
        if kind in ("file", "empty file"):
            file.write_bytes(b"{}" if kind == "file" else b"")
        elif kind == "pipe":
            os.mkfifo(file)
        elif kind == "folder":
            file.mkdir()
            (file / "more.txt").write_text("1")
        else:
            file.symlink_to(self.outside / "secret.log" if kind == "link to a file" else self.outside)

    def record(self, several_outputs=False):
        """The file of a sound record, perhaps copied to where its readers find it; None where there is none."""
        files = [file for file in sorted((self.results / "records").rglob("*.json")) if _is_record(file)]
        if several_outputs:
            files = [file for file in files if len(json.loads(file.read_bytes())["outputs"]) > 1]
        if not files:
            return None
        file = self.one_of(files)
        if self.draw(st.booleans()):
            keep_linked(file, self.results)
        return file

    def edit_a_record(self):
        file = self.record()
        if file is not None:
            forge(file, **{self.one_of(FIELDS): self.one_of(VALUES)})

    def exchange_an_output(self):
        file = self.record(several_outputs=self.draw(st.booleans()))
        outputs = [] if file is None else json.loads(file.read_bytes())["outputs"]
        if outputs:
            path = self.one_of(outputs)["path"]
            (self.results.parents[1] / path).parent.mkdir(parents=True, exist_ok=True)
            (self.results.parents[1] / path).write_bytes(b"exchanged")
            forge(file, outputs=restated(outputs, path, b"exchanged"))


def _is_record(file):
    try:
        read_record(file)
    except (FileNotFoundError, RecordError):
        return False
    return True


def snapshot(folder):
    """Every file, link and pipe below a folder, with its content or kind."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            found[path.relative_to(folder).as_posix()] = "odd"
        elif path.is_file():
            found[path.relative_to(folder).as_posix()] = path.read_bytes()
    return found


def is_excluded(place, content):
    """Whether the documents say that nothing vouches for a file at this place below the results folder."""
    parts, name = place.split("/"), place.rsplit("/", 1)[-1]
    if content == "odd":
        return False
    if name == ".snakemake_timestamp":
        return content == b""
    if len(parts) > 1 and parts[0] in (".scratch", ".locks", ".checkpoints", ".producers"):
        return True
    traces = {"logs": ".log", "attempts": ".jsonl"}
    temporary = {"records": ".json.7", "linked_records": ".json.7", "waivers": ".json.7"}
    suffix = traces.get(parts[0]) or temporary.get(parts[0])
    return (len(parts) > 1 and suffix is not None and name.endswith(suffix)) or place in (
        "provenance.html",
        "scheduler/a/1/script.sh",
    )


def may_be_forged(before, after, changed):
    """Whether all that changed are records that nothing links to, later runs with the same bytes, or later runs from
    something else that wrote what others read as before; and their outputs.

    Of these the documents say that only the root digest tells.
    """
    allowed = set()
    inputs = [each for content in _records(before) + _records(after) for each in content["inputs"]]
    linked = {each["record"] for each in inputs}
    read = {each["path"].removeprefix(f"{ROOT}/") for each in inputs}
    for place in (place for place in changed if place.startswith("records/")):
        old, new = (_parsed(each.get(place)) for each in (before, after))
        if old is None:
            continue
        outputs = {each["path"].removeprefix(f"{ROOT}/") for each in old["outputs"]}
        if digest_of(before[place]) not in linked:
            allowed |= {place} | outputs
        elif new is not None and new["outputs"] == old["outputs"]:
            allowed |= {place}
        elif new is not None and any(new.get(key) != old[key] for key in ("step", "settings", "code", "inputs")):
            allowed |= {place} | outputs - read
    unlinked = {place for place in changed if place.startswith("linked_records/") and Path(place).stem not in linked}
    copied = {f"linked_records/{digest_of(before[place])}.json" for place in allowed if place in before}
    return changed <= allowed | unlinked | copied


def _data_set(results):
    file = results.parents[1] / "data/cifar10.npz"
    return file.read_bytes() if file.is_file() else None


def _records(folder):
    return [content for place, each in folder.items() if place.startswith("records/") and (content := _parsed(each))]


def _parsed(content):
    try:
        value = json.loads(content) if isinstance(content, bytes) else None
    except ValueError:
        return None
    return (
        value
        if isinstance(value, dict) and isinstance(value.get("inputs"), list) and isinstance(value.get("outputs"), list)
        else None
    )


def test_nothing_forged_passes(small, tmp_path, capsys, request):
    top, digest = small
    before, outside = snapshot(top / "base" / ROOT), snapshot(top / "outside")

    @settings(
        max_examples=request.config.getoption("--forgeries"),
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def check(data):
        shutil.rmtree(tmp_path / "tried", ignore_errors=True)
        shutil.copytree(top / "base", tmp_path / "tried" / "base")
        results = tmp_path / "tried" / "base" / ROOT
        forger = Forger(results, top / "outside", data.draw)
        for _ in range(data.draw(st.sampled_from(HOW_MANY), label="actions")):
            forger.act()
        after = snapshot(results)
        changed = {place for place in before.keys() | after.keys() if before.get(place) != after.get(place)}
        counted = {place for place in changed if not is_excluded(place, after.get(place, b""))}
        ledger = read_ledger(results)
        found = verify(ledger, None).findings
        if _data_set(results) != _data_set(top / "base" / ROOT):
            assert found, "the data set was altered"
        if counted:
            assert found or may_be_forged(before, after, counted), counted
            assert verify(ledger, None, digest).findings, counted
        assert audit.main(["verify", str(results)]) == (1 if found else 0)
        crate = tmp_path / "tried" / "crate"
        assert audit.main(["export", str(results), str(crate)]) in ((0, 2) if found else (0,))
        assert not any(SECRET in content for content in snapshot(crate).values() if content != "odd")
        assert "odd" not in snapshot(crate).values()
        for command, *rest in COMMANDS:
            assert audit.main([command, *(str(results / each) for each in rest)]) in (0, 1, 2)
        assert "\x1b" not in "".join(capsys.readouterr())
        assert snapshot(top / "outside") == outside

    check()
