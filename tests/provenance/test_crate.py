"""A crate holds what was verified and nothing else, is there completely or not at all, and is opened by other tools."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from provenance.forging import ROOT, SEARCH, SEARCH_RECORD, forge, keep_linked, restated
from rocrate.rocrate import ROCrate

from workflow_scripts.provenance import crate as crate_module
from workflow_scripts.provenance.crate import export
from workflow_scripts.provenance.ledger import read_ledger
from workflow_scripts.provenance.verify import verify

REPORT = "records/report.json"
CONTEXTS = Path(__file__).with_name("crate_contexts.json")
PROFILE = "provenance-run-crate-0.5"


@pytest.fixture
def target(tmp_path):
    (tmp_path / "handed_on").mkdir()
    return tmp_path / "handed_on" / "crate"


def graph(crate):
    return {entity["@id"]: entity for entity in json.loads((crate / "ro-crate-metadata.json").read_text())["@graph"]}


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def refused(results, target, match):
    """Exporting is refused in one sentence, and nothing is left, not even a part."""
    with pytest.raises(ValueError, match=match) as caught:
        export(read_ledger(results), target)
    assert "\n" not in str(caught.value)
    assert list(target.parent.iterdir()) == []


def meanwhile(monkeypatch, change):
    """Do something between verification and copying."""
    verified = crate_module.require_sound

    def then(ledger, what):
        verified(ledger, what)
        assert ledger.root_digest
        change()

    monkeypatch.setattr(crate_module, "require_sound", then)


# what is in a crate ---------------------------------------------------------------------------------------------------


def test_a_crate_holds_what_was_verified_and_nothing_else(results, target):
    for place in ("logs/report.log", "attempts/report.jsonl", "provenance.html", ".locks/report"):
        (results / place).parent.mkdir(exist_ok=True)
        (results / place).write_text("{}")
    export(read_ledger(results), target)
    ledger = read_ledger(results)
    recorded = {each.path for entry in ledger.entries() for each in entry.record.outputs}
    of_audit = {f"{ROOT}/{name}" for name in files(results) if name.startswith(("records/", "linked_records/"))}
    own = {"Snakefile", "ro-crate-metadata.json"}
    assert files(target) == recorded | of_audit | own | {"data/records/cifar10.json"}
    assert verify(read_ledger(target / ROOT), None).findings == []
    assert read_ledger(target / ROOT).root_digest == ledger.root_digest
    for path in recorded:
        entity = graph(target)[path]
        content = (target / path).read_bytes()
        assert (entity["sha256"], entity["contentSize"]) == (hashlib.sha256(content).hexdigest(), str(len(content)))


@pytest.mark.parametrize("place", ["logs/.x.1", "logs/x", "records/.x.1", "linked_records/.x", "attempts/.x.1"])
def test_what_lies_behind_a_link_is_never_in_a_crate(results, target, tmp_path, place):
    secret = tmp_path / "elsewhere"
    secret.mkdir()
    for name in ("secret.log", "secret.json", "secret.jsonl"):
        (secret / name).write_text("secret")
    (results / place).mkdir(parents=True)
    for name in ("secret.log", "secret.json", "secret.jsonl"):
        (results / place / name).symlink_to(secret / name)
    (results / place / "folder").symlink_to(secret)
    try:
        export(read_ledger(results), target)
    except ValueError:
        assert list(target.parent.iterdir()) == []
    else:
        assert not any("secret" in name for name in files(target))


def test_what_a_stale_job_read_is_told_with_its_own_checksum(results, target):
    """The search ran again with another history; what was derived of the earlier one is still there."""
    keep_linked(results / SEARCH_RECORD, results)
    outputs = json.loads((results / SEARCH_RECORD).read_bytes())["outputs"]
    history = f"{ROOT}/{SEARCH}/history.csv"
    before = next(each["sha256"] for each in outputs if each["path"] == history)
    (results / SEARCH / "history.csv").write_text("anew\n")
    now = hashlib.sha256(b"anew\n").hexdigest()
    forge(results / SEARCH_RECORD, outputs=restated(outputs, history, b"anew\n"))
    export(read_ledger(results), target)
    entities = graph(target)
    assert entities[history]["sha256"] == now
    action = entities["#run-results%2Fmade_up%2Fderive_architectures_s1_cifar10"]
    assert {"@id": f"#sha256-{before}"} in action["object"]


# complete or not at all ----------------------------------------------------------------------------------------------


def test_a_file_that_changes_after_it_was_verified_is_not_exported(results, target, monkeypatch):
    meanwhile(monkeypatch, lambda: (results / "tables/searches.csv").write_text("other"))
    refused(results, target, r"tables/searches\.csv: it was changed after it had been verified")


def test_a_record_that_changes_after_it_was_verified_is_not_exported(results, target, monkeypatch):
    meanwhile(monkeypatch, lambda: forge(results / REPORT, seconds=2.0))
    refused(results, target, r"records/report\.json: it was changed after it had been verified")


def test_records_that_came_after_verification_are_not_exported(results, target, monkeypatch):
    (results / "waivers").mkdir()
    meanwhile(monkeypatch, lambda: (results / "waivers/report.json").write_text("{}"))
    refused(results, target, "its records changed while they were copied")


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("link", "not a regular file"),
        ("fifo", "not a regular file"),
        ("folder", "a link is on the way to it"),
        ("gone", "it is not there any more"),
    ],
)
def test_no_link_and_no_pipe_is_followed_for_the_same_bytes(results, target, tmp_path, monkeypatch, what, why):
    """What a record names is in a crate only as a regular file that lies in the results folder itself."""
    place = results / "tables" / ("searches.csv" if what != "folder" else "")

    def exchange():
        place.rename(tmp_path / "elsewhere")
        if what == "fifo":
            os.mkfifo(place)
        elif what != "gone":
            place.symlink_to(tmp_path / "elsewhere")

    meanwhile(monkeypatch, exchange)
    refused(results, target, why)


@pytest.mark.parametrize("place", ["file/crate", "loop", "n" * 300])
def test_of_an_impossible_place_the_one_asked_for_is_named(results, target, place):
    (target.parent / "file").write_text("a file")
    (target.parent / "loop").symlink_to("loop")
    with pytest.raises(OSError) as caught:
        export(read_ledger(results), target.parent / place)
    assert caught.value.filename == str(target.parent / place)
    assert sorted(path.name for path in target.parent.iterdir()) == ["file", "loop"]


def test_an_empty_folder_takes_the_crate(results, target):
    target.mkdir()
    export(read_ledger(results), target)
    assert (target / "ro-crate-metadata.json").is_file()
    with pytest.raises(ValueError, match="it exists already"):
        export(read_ledger(results), target)


def test_a_recorded_file_never_takes_the_place_of_the_crates_own(results, target):
    (results.parents[1] / "ro-crate-metadata.json").write_text("{}")
    read = {
        "name": "png",
        "path": "ro-crate-metadata.json",
        "sha256": hashlib.sha256(b"{}").hexdigest(),
        "bytes": 2,
        "record": None,
    }
    record = json.loads((results / REPORT).read_bytes())
    inputs = record["arguments"]["inputs"] | {"more": ["ro-crate-metadata.json"]}
    arguments = record["arguments"] | {"inputs": inputs}
    forge(results / REPORT, inputs=[*record["inputs"], read], arguments=arguments)
    refused(results, target, "another file is copied to the same place")


# text only ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["title", "description"])
@pytest.mark.parametrize("value", [{"@id": "https://example.org/evil"}, ["a", "b"], 1, None])
def test_a_title_that_is_no_text_is_refused(results, target, field, value):
    forge(results / REPORT, settings={"study": "made_up", field: value})
    refused(results, target, f"report: its record's {field} is not text")


def test_markup_and_control_characters_become_plain_text(results, target):
    title, description = "<script>alert(1)</script>", "a\nb \x1b[2J \ud800"
    forge(results / REPORT, settings={"title": title, "description": description})
    export(read_ledger(results), target)
    text = (target / "ro-crate-metadata.json").read_text()
    assert "<" not in text
    root = graph(target)["./"]
    assert root["name"] == "\u2039script\u203aalert(1)\u2039/script\u203a"
    assert root["description"] == "a\nb \ufffd[2J \ufffd"


@pytest.mark.parametrize("field", ["started", "ended"])
@pytest.mark.parametrize("value", ["<b>now</b>", "2026-01-01", "9999999-01-01T00:00:00+00:00", ""])
def test_a_time_that_is_none_is_refused(results, target, field, value):
    forge(results / REPORT, **{field: value})
    refused(results, target, rf"only sound results are exported.*its field {field} is not as a job writes it")


# other tools ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def crate(original, tmp_path_factory):
    target = tmp_path_factory.mktemp("crates") / "crate"
    export(read_ledger(original / ROOT), target)
    return target


def test_rocrate_and_runcrate_open_it(crate):
    read = ROCrate(crate)
    actions = [entity for entity in read.contextual_entities if entity.type == "CreateAction"]
    assert len(actions) == len(list((crate / ROOT / "records").rglob("*.json"))) + 2, "and the data set, and the whole"
    report = next(action for action in actions if action["name"] == "report")
    assert [part.id for part in report["result"]] == [f"{ROOT}/report.html"]
    program = Path(sys.executable).with_name("runcrate")
    output = subprocess.run([program, "report", crate], capture_output=True, text=True, check=True).stdout
    assert output.count("action: ") == len(actions)
    assert f"{ROOT}/figures/test_error.png" in output


def required_by_the_profiles(crate, tmp_path, monkeypatch):
    """What roc-validator misses of the 85 required checks of the five profiles, without a network.

    The two contexts, which the validator would fetch, are answered from a file: the terms that our crates use, and
    their addresses in those contexts. A term that is not in it is a finding.
    """
    from rocrate_validator import services
    from rocrate_validator.models import ValidationSettings
    from rocrate_validator.utils.http import HttpRequester

    terms = json.loads(CONTEXTS.read_text())

    class Answer:
        status_code = 200
        headers = {"Content-Type": "application/ld+json"}  # noqa: RUF012

        def __init__(self, address):
            self.text = json.dumps({"@context": terms[address]})

        def json(self):
            return json.loads(self.text)

    asked = ValidationSettings(
        rocrate_uri=str(crate),
        profile_identifier=PROFILE,
        requirement_severity="REQUIRED",
        offline=True,
        cache_path=tmp_path / "cache",
    )
    monkeypatch.setattr(HttpRequester().session, "get", lambda address, **_: Answer(address))
    result = services.validate(asked)
    statistics = result.statistics.to_dict()
    assert statistics["total_skipped_checks"] == 0
    assert statistics["total_checks"] >= 85
    assert PROFILE in statistics["profiles"]
    return [f"{issue.check.identifier}: {issue.message}" for issue in result.get_issues()]


def test_roc_validator_finds_all_that_the_profiles_require(crate, tmp_path, monkeypatch):
    assert required_by_the_profiles(crate, tmp_path, monkeypatch) == []
