"""The documented rules of Snakemake's catalogue of workflows, and that what has a version states the same one.

Source of the rules: https://github.com/snakemake/snakemake-workflow-catalog, source/docs/about/adding_workflows.md;
`report` is where scripts/generate-catalog.py reads it, under `usage`.
"""

import re
import shlex
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
DEPLOYMENT = {"conda", "apptainer", "apptainer+conda"}


def settings() -> dict:
    return yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())


def test_the_rules_for_being_found_are_met() -> None:
    readme = (ROOT / "README.md").read_text().lower()
    assert "snakemake" in readme
    assert "workflow" in readme
    assert (ROOT / "Snakefile").is_file()
    assert list((ROOT / "rules").glob("*.smk"))
    assert not (ROOT / "workflow").exists(), "the catalogue would look for the Snakefile and the rules there"


def test_how_it_is_used_is_stated_in_the_documented_keys() -> None:
    usage = settings()["usage"]
    assert set(usage) == {"mandatory-flags", "software-stack-deployment", "report"}
    assert set(usage["mandatory-flags"]) == {"desc", "flags"}
    assert set(usage["software-stack-deployment"]) == DEPLOYMENT
    assert all(isinstance(each, bool) for each in (*usage["software-stack-deployment"].values(), usage["report"]))


def test_what_it_states_is_there() -> None:
    usage = settings()["usage"]
    flags = shlex.split(usage["mandatory-flags"]["flags"])
    options = dict(zip(flags[::2], flags[1::2], strict=True))
    assert (ROOT / options["--profile"] / "config.yaml").is_file()
    assert (ROOT / options["--configfile"]).is_file()
    text = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    assert usage["software-stack-deployment"]["conda"] == ("conda:" in text)
    assert usage["software-stack-deployment"]["apptainer"] == ("container:" in text)
    assert usage["report"] == ("report(" in text)


def test_every_key_of_a_study_is_in_the_instructions() -> None:
    from workflow_scripts.study.study import Study

    rows = re.findall(r"^\| (`.+?) \|", (ROOT / "config" / "README.md").read_text(), re.MULTILINE)
    assert {key for row in rows for key in re.findall(r"`(\w+)`", row)} == set(Study.model_fields)


def test_all_that_states_the_version_states_the_same() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    newest = re.search(r"^## (\S+?),? ", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert citation["version"] == newest[1] == version
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
