"""The documents: every link leads somewhere, and every command they name is there."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(path for folder in (".", "docs", "findings", "config") for path in (ROOT / folder).glob("*.md"))


def anchors(text: str) -> set[str]:
    """The anchors of a document's headings, as they are made of their words."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_within_the_repository_resolves(document: Path) -> None:
    text = document.read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if path.startswith("http"):
            continue
        file = document if not path else document.parent / path
        assert file.exists(), f"{document.name}: {target}"
        if anchor:
            assert anchor in anchors(file.read_text()), f"{document.name}: {target}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_and_path_that_is_named_is_there(document: Path) -> None:
    text = document.read_text()
    verbs = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= verbs
    for module in set(re.findall(r"python -m (workflow_scripts\.\w+)", text)):
        path = ROOT.joinpath(*module.split("."))
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module
    for path in re.findall(r"`((?:workflow_scripts|rules|config|figures|profiles|docs|tests|envs)/[\w./-]+)`", text):
        # config/local.yaml is each person's own
        assert path == "config/local.yaml" or (ROOT / path).exists(), f"{document.name}: {path}"


def test_what_the_table_of_surprises_names_is_there() -> None:
    text = (ROOT / "docs" / "behaviour.md").read_text()
    tests = {
        name
        for file in (ROOT / "tests").rglob("*.py")
        for name in re.findall(r"^def (test_\w+)", file.read_text(), re.M)
    }
    assert set(re.findall(r"`(test_\w+)`", text)) <= tests
    assert len(re.findall(r"^\| (?!one expects|---)", text, re.M)) >= 30
    rows = re.findall(r"^\| (\d+) \|", (ROOT / "docs" / "behaviour_guesses.md").read_text(), re.M)
    assert rows == [str(number) for number in range(1, len(rows) + 1)]


def test_every_finding_is_listed_with_the_versions_that_it_installs() -> None:
    scripts = sorted(path for path in (ROOT / "findings").glob("*.sh") if path.name != "environment.sh")
    rows = re.findall(r"^\| `(\w+\.sh)` \| (.+?) \|", (ROOT / "findings" / "README.md").read_text(), re.M)
    assert [name for name, _ in rows] == [path.name for path in scripts]
    for path, (_, packages) in zip(scripts, rows, strict=True):
        installed = re.findall(r"([\w-]+)==([\d.]+)", path.read_text())
        assert all(tuple(package.split()) in installed for package in packages.split(", ")), path.name
    named = re.findall(r"`findings/(\w+\.sh)`", (ROOT / "docs" / "behaviour.md").read_text())
    assert set(named) == {path.name for path in scripts}


COMMANDS = (
    *("audit", "status", "plan", "check", "conformance", "benchmark", "run", "gather_claims"),
    *("export_network", "export_genotypes", "compare_studies", "publish"),
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", [command, "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(f"workflow_scripts.{command}", run_name="__main__")
    assert ended.value.code == 0
    assert f"python -m workflow_scripts.{command}" in capsys.readouterr().out


def test_the_citation_is_sound() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["license"] == "Apache-2.0"
    assert {reference["url"] for reference in citation["references"]} == {
        "https://arxiv.org/abs/1909.09656",
        "https://arxiv.org/abs/2002.02797",
    }


def test_the_pre_commit_hooks_are_sound_and_are_those_of_make_lint() -> None:
    programs = Path(sys.executable).parent
    subprocess.run([programs / "pre-commit", "validate-config", ROOT / ".pre-commit-config.yaml"], check=True)
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    commands = {hook["entry"].removeprefix(".venv/bin/").split(" --")[0] for hook in hooks}
    lint = (ROOT / "Makefile").read_text().partition("\nlint:")[2].partition("\nlock:")[0]
    assert commands == {re.sub(r" --.*| \..*", "", part.strip()) for part in re.findall(r"\$\(BIN\)/([^&\n]+)", lint)}
    assert all((programs / command.split()[0]).exists() for command in commands)
