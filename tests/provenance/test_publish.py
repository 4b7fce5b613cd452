"""A published folder: what is in it, that others can check it, and what is refused."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml
from provenance.forging import ROOT, change, findings
from provenance.test_crate import graph, required_by_the_profiles

from workflow_scripts import publish
from workflow_scripts.data.data_set import load_entry
from workflow_scripts.provenance.ledger import read_ledger
from workflow_scripts.provenance.signature import sign, signed_text
from workflow_scripts.publishing.data_terms import data_terms
from workflow_scripts.publishing.result import result_of
from workflow_scripts.rehearsal.made_up_results import Writer

AUTHORS = "Doe, Jane; The Group"
ZENODO = {
    *("title", "upload_type", "description", "creators", "publication_date", "version", "access_right", "license"),
    *("keywords", "references", "related_identifiers", "notes"),
}
"""Of the attributes that https://developers.zenodo.org/#representation documents, those that are written."""


def published(results, target, *more):
    return publish.main([str(results), str(target), "--authors", AUTHORS, *more])


def checksums(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def extracted(folder, target):
    """The crate, taken out of its zip as the README of the folder says."""
    (file,) = folder.glob("*.crate.zip")
    subprocess.run([sys.executable, "-m", "zipfile", "-e", file, target], check=True)
    return target


@pytest.fixture(scope="session")
def folder(original, tmp_path_factory):
    target = tmp_path_factory.mktemp("published") / "made_up"
    assert published(original / ROOT, target) == 0
    return target


def test_a_folder_has_all_that_is_handed_on_and_no_data_set(folder, tmp_path):
    documents = {"README.md", "CITATION.cff", "LICENSE", "DATA_TERMS.md"}
    assert {path.name for path in folder.iterdir()} == documents | {".zenodo.json", "made_up.crate.zip"}
    crate = extracted(folder, tmp_path / "crate")
    assert {path.name for path in crate.iterdir()} == documents | {"Snakefile", "ro-crate-metadata.json", "results"}
    for name in documents:
        assert (crate / name).read_bytes() == (folder / name).read_bytes()
    assert findings(crate / ROOT) == {}


def test_the_lines_of_its_readme_check_it(folder, tmp_path):
    unpack, check = (folder / "README.md").read_text().split("```\n")[1].splitlines()
    program = Path(sys.executable)
    subprocess.run(["bash", "-c", unpack.replace(" crate", f" {tmp_path}/crate")], cwd=folder, check=True)
    command = check.replace("python", str(program), 1).replace("crate/", f"{tmp_path}/crate/")
    done = subprocess.run(["bash", "-c", command], cwd=publish.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "clean: every file matches its record" in done.stdout


def test_the_same_results_give_the_same_bytes(folder, results, tmp_path):
    assert published(results, tmp_path / "made_up") == 0
    assert checksums(tmp_path / "made_up") == checksums(folder)


def test_citation_and_zenodo_file_state_what_the_records_say(folder, results):
    ledger = read_ledger(results)
    day = max(entry.record.ended for entry in ledger.entries())[:10]
    citation = yaml.safe_load((folder / "CITATION.cff").read_text())
    zenodo = json.loads((folder / ".zenodo.json").read_text())
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()  # required by the format
    assert set(zenodo) == ZENODO
    for stated in (citation["version"], zenodo["version"]):
        assert ledger.root_digest.startswith(stated)
    assert citation["date-released"] == zenodo["publication_date"] == day
    assert citation["authors"] == [{"family-names": "Doe", "given-names": "Jane"}, {"name": "The Group"}]
    assert zenodo["creators"] == [{"name": "Doe, Jane"}, {"name": "The Group"}]
    software = yaml.safe_load((publish.ROOT / "CITATION.cff").read_text())
    assert [each["title"] for each in citation["references"]] == [
        each["title"] for each in (software, *software["references"])
    ]


def test_the_terms_of_every_data_set_are_stated(folder):
    text, entry = (folder / "DATA_TERMS.md").read_text(), load_entry("cifar10")
    for stated in (entry.licence, entry.citation, *entry.files[0].addresses, entry.files[0].forms[0].sha256):
        assert stated in text


def test_pictures_of_ones_own_are_among_the_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    writer = Writer()
    for name, files in (("flowers", 60), ("unread", 1)):
        stated = {"data_set": name, "files": files, "sha256": "5" * 64}
        writer.job("data", name, "own_data", stated, {}, [f"data/{name}.npz"])
    writer.job("results/own", "report", "report", {"title": "Own"}, {"data": ["data/flowers.npz"]}, ["results/own/a"])
    result = result_of(read_ledger(Path("results/own")), ("Doe",))
    text = data_terms(result.data_sets, result.own_pictures)
    assert "## flowers\n" in text and "in files: 60;" in text and f"sha256 `{'5' * 64}`" in text
    assert "Licence: not known" in text
    assert "unread" not in text


def test_the_crate_states_what_workflowhub_extracts(folder, tmp_path, monkeypatch):
    """Workflow RO-Crate 1.0: name, description, author and license of the root, the workflow and its language."""
    crate = extracted(folder, tmp_path / "crate")
    entities = graph(crate)
    root, descriptor = entities["./"], entities["ro-crate-metadata.json"]
    assert all(isinstance(root[key], str) and root[key] for key in ("name", "description"))
    assert [entities[author["@id"]]["name"] for author in root["author"]] == ["Doe, Jane", "The Group"]
    assert root["license"] == "https://spdx.org/licenses/Apache-2.0"
    assert {"@id": "https://w3id.org/workflowhub/workflow-ro-crate/1.0"} in descriptor["conformsTo"]
    workflow = entities[root["mainEntity"]["@id"]]
    assert {"File", "SoftwareSourceCode", "ComputationalWorkflow"} <= set(workflow["@type"])
    assert workflow["programmingLanguage"]["@id"].endswith("workflow-ro-crate#snakemake")
    readme = entities["README.md"]
    assert (readme["about"], readme["encodingFormat"]) == ({"@id": "./"}, "text/markdown")
    (file,) = folder.glob("*.crate.zip")
    assert "ro-crate-metadata.json" in ZipFile(file).namelist()
    assert required_by_the_profiles(crate, tmp_path, monkeypatch) == []


def test_signatures_can_be_checked_with_openssh_alone(results, tmp_path):
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    (tmp_path / "signers").write_text(f"jane {key.with_suffix('.pub').read_text()}")
    ledger = read_ledger(results)
    sign(results, signed_text(ledger.root, ledger.root_digest), key)
    assert published(results, tmp_path / "made_up") == 0
    readme = (tmp_path / "made_up/README.md").read_text()
    command = next(line for line in readme.splitlines() if line.startswith("ssh-keygen"))
    command = command.replace("SIGNERS", str(tmp_path / "signers")).replace("WHO", "jane")
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path / "made_up", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 'Good "root-digest@nas-robust" signature' in done.stdout


def test_a_signature_over_other_results_is_refused(results, tmp_path, capsys):
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    sign(results, signed_text(ROOT, "0" * 64), key)
    assert published(results, tmp_path / "made_up") == 2
    assert "it is not over these results as they are" in capsys.readouterr().err
    assert not (tmp_path / "made_up").exists()


def test_results_with_faults_are_not_published_and_the_faults_are_named(results, tmp_path, capsys):
    change(results / "tables/searches.csv")
    assert published(results, tmp_path / "made_up") == 1
    told = capsys.readouterr().err
    assert "nothing is published" in told
    assert "altered: results/made_up/tables/searches.csv" in told
    assert list(tmp_path.iterdir()) == [results.parents[1]]


def test_a_study_that_has_not_ended_is_refused(results, tmp_path, capsys):
    (results / "records/report.json").unlink()
    (results / "report.html").unlink()
    assert published(results, tmp_path / "made_up") == 2
    assert "the study has no report yet" in capsys.readouterr().err
    assert not (tmp_path / "made_up").exists()


def test_a_folder_that_is_there_is_left_alone(results, tmp_path, capsys):
    (tmp_path / "made_up").mkdir()
    assert published(results, tmp_path / "made_up") == 2
    assert "it exists already" in capsys.readouterr().err
    assert list((tmp_path / "made_up").iterdir()) == []


@pytest.mark.parametrize(("stated", "why"), [(" ; ", "needs an author"), ("a\x1bb", "printable")])
def test_authors_are_never_invented(results, tmp_path, capsys, stated, why):
    assert publish.main([str(results), str(tmp_path / "made_up"), "--authors", stated]) == 2
    assert why in capsys.readouterr().err


def test_without_authors_it_is_the_person_that_git_knows(monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.name")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "Jane Doe")
    assert publish._authors(None) == ("Jane Doe",)


def test_a_data_set_whose_terms_are_not_known_is_refused(results, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("workflow_scripts.data.data_set.FOLDER", Path(tmp_path))
    monkeypatch.setitem(sys.modules, "workflow_scripts.data.sets.cifar10", None)
    assert published(results, tmp_path / "made_up") == 2
    assert "the terms of data set cifar10 are not known" in capsys.readouterr().err


def test_make_publish_takes_any_name_as_it_is(original, tmp_path):
    tree = tmp_path / "clone"
    shutil.copytree(original, tree)
    for part in ("workflow_scripts", "figures", "config", "envs"):
        shutil.copytree(publish.ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("Makefile", "Snakefile", "CITATION.cff", "LICENSE"):
        shutil.copy2(publish.ROOT / part, tree)
    (tree / ".venv").mkdir()
    for part in ("bin", "lib", "pyvenv.cfg"):
        (tree / ".venv" / part).symlink_to(Path(sys.prefix) / part)
    (tree / ".venv/.installed").touch()
    authors = """AUTHORS=O'Brien, Ann; The "$(HOME)" `Group`"""
    command = ["make", "--no-print-directory", "publish", "STUDY=made_up", authors.replace("$", "$$")]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    citation = yaml.safe_load((tree / "published/made_up/CITATION.cff").read_text())
    assert citation["authors"] == [
        {"family-names": "O'Brien", "given-names": "Ann"},
        {"name": 'The "$(HOME)" `Group`'},
    ]
