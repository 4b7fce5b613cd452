"""The commands of rules: what people wrote, and every path, reaches the wrapper as it is."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from snakemake.io import apply_wildcards

from workflow_scripts.runtime.job_command import job_command
from workflow_scripts.study import figure_modules
from workflow_scripts.study.depth_settings import Depth, expand

ROOT = Path(__file__).parents[2]
TITLE = r"Is $\lambda_{max}$ {title} {{of}} a $(collapse) 'sign'?"
RUN = "a run; $(touch `here`) 'of' mine"


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    """The commands that a study with such a title would run, by the step; one file is asked for by such a name."""
    study = yaml.safe_load((ROOT / "tests/workflow/tiny.yaml").read_text()) | {"title": TITLE, "description": TITLE}
    file = tmp_path_factory.mktemp("study") / "odd.yaml"
    file.write_text(yaml.safe_dump(study | {"study": "never_run"}))
    group = next(iter(expand(Depth.model_validate(study["depth"]))))
    targets = ["results/never_run/report.html", f"results/never_run/run_pictures/{group}/{RUN}.png"]
    options = ["--dry-run", "--nolock", "--printshellcmds", "--configfile", str(file)]
    snakemake = Path(sys.executable).with_name("snakemake")
    done = subprocess.run(
        [snakemake, *targets, *options], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = re.findall(
        r"^Shell command: (python -m workflow_scripts\.run .*)$", done.stdout + done.stderr, re.MULTILINE
    )
    words = [shlex.split(line) for line in lines]
    return {json.loads(each[each.index("--job") + 1])["step"]: each for each in words}


def test_braces_in_a_title_are_no_wildcards(commands):
    words = commands["report"]
    settings = json.loads(words[words.index("--job") + 1])["settings"]
    assert (settings["title"], settings["description"]) == (TITLE, TITLE)


def test_a_path_is_one_word_of_the_command(commands):
    words = commands["depth_run_picture"]
    assert Path(words[words.index("--log") + 1]).name == f"{RUN}.log"
    assert [Path(word).name for word in words if word.endswith((".png", ".pdf"))] == [f"{RUN}.pdf", f"{RUN}.png"]


def test_a_folder_is_one_word_of_the_command():
    words = shlex.split(job_command("results/a b;c", "log", "{}", ""))
    assert words[words.index("--root") + 1] == "results/a b;c"


def test_braces_in_the_title_of_a_figure_are_no_wildcards(tmp_path, monkeypatch):
    (tmp_path / "odd.py").write_text(f"TABLES, CATEGORY = (), 'cells'\nTITLE = {TITLE!r}\nCATEGORY = 'cells'\n")
    monkeypatch.setattr(figure_modules, "FOLDER", tmp_path)
    label = figure_modules.snakemake_report_entry("odd", "odd.rst")["labels"]["figure"]
    assert apply_wildcards(label, {}).replace("\N{WORD JOINER}", "") == TITLE
