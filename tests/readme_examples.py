"""The commands and files that the README, and the documents on extending and on results, give a reader."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from workflow.workflow_copy import ROOT, copy_workflow, edit, one_depth_network

DOCUMENTS = ("README.md", "docs/extending.md", "docs/results.md")
TEXT = "\n".join((ROOT / document).read_text() for document in DOCUMENTS)
RUN_BY_CI = ("make test",)
"""Not run by a test, because they run the tests; .ci/run runs them."""


def blocks(language: str) -> list[str]:
    """The code blocks of one language, in their order."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    return [block for named, block in found if named == language]


def commands() -> list[str]:
    """Every command line, in its order, without its comment."""
    lines = [line for block in blocks("") for line in block.splitlines()]
    return [re.split(r"\s+# ", line)[0] for line in lines]


def examples() -> dict[str, str]:
    """The files that the documents show how to add, not those they show how to change: path and content."""
    found = {}
    for language in ("yaml", "python"):
        for block in blocks(language):
            if (named := re.match(r"# (\S+/\S+)\n", block)) and not (ROOT / named[1]).exists():
                found[named[1]] = block[named.end() :]
    return found


def small_clone(folder: Path) -> Path:
    """A clone as a reader has it, with the environment at hand and small versions of the README's studies.

    Its `.venv` is a folder of links: if `make` installs again, as it does where the folder is older than the lock, it
    removes the links and not the environment at hand, which they share.
    """
    tree = copy_workflow(folder)
    for file in ("Makefile", "LICENSE", "CITATION.cff"):
        shutil.copy2(ROOT / file, tree / file)
    for study in ("demo", "laptop", "paper"):
        shutil.copy2(tree / "config/tiny.yaml", tree / f"config/{study}.yaml")
        edit(tree / f"config/{study}.yaml", "study: tiny", f"study: {study}")
        # the space that docs/extending.md adds has other operations, whose loops would have to be compiled
        edit(tree / f"config/{study}.yaml", "init_channels: 16", "init_channels: 2")
        one_depth_network(tree / f"config/{study}.yaml")
    for study in ("laptop", "paper"):  # no more than planned
        edit(tree / f"config/{study}.yaml", "curvature: {kind: dominant, every: 1}", "curvature: {kind: none}")
        edit(tree / f"config/{study}.yaml", "methods: [darts, darts_es]", "methods: [darts]")
    # the README's commands run it twice, and look into the one search that is left, under the name it has in the demo
    edit(tree / "config/demo.yaml", "data_sets: [digits]", "data_sets: [fashion_mnist_8x8]")
    edit(tree / "config/demo.yaml", "l2: [3.0e-4, 6.0e-2]", "l2: [1.0e-1]")
    edit(tree / "config/demo.yaml", "epochs: 6", "epochs: 2")
    (tree / ".venv").mkdir()
    for part in ("bin", "lib"):
        (tree / ".venv" / part).symlink_to(Path(sys.prefix) / part)
    shutil.copy2(Path(sys.prefix) / "pyvenv.cfg", tree / ".venv/pyvenv.cfg")
    for mark in (".installed", ".extras"):
        (tree / ".venv" / mark).touch()
    return tree


def run(tree: Path, command: str, environment: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    """Type a command in a tree, as a reader does in a shell: not inside the `make test` that runs the tests, where
    `make` would also print the folders that it enters."""
    shell = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return subprocess.run(
        ["bash", "-c", command],
        cwd=tree,
        env={**shell, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
