"""A results folder from a stranger: what was forged is found, and nothing outside it is read, waited for or written."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from provenance.forging import (
    FIGURE,
    ROOT,
    SEARCH_RECORD,
    TRAINING,
    TRAINING_RECORD,
    change,
    findings,
    forge,
    keep_linked,
    restated,
)
from unreadable_files import KINDS, make_unreadable

from workflow_scripts import audit, run
from workflow_scripts.provenance import hashing
from workflow_scripts.provenance.identity import combined, identity_text, step_code
from workflow_scripts.provenance.kept_outputs import put_back_after
from workflow_scripts.provenance.ledger import LedgerError, read_ledger
from workflow_scripts.provenance.links import link_inputs
from workflow_scripts.provenance.record import Mismatch, RecordError, digest_of, file_facts, read_record
from workflow_scripts.provenance.verify import verify
from workflow_scripts.provenance.waivers import Waiver, Waivers, rule_params
from workflow_scripts.rehearsal.made_up_results import Writer, make_results
from workflow_scripts.runtime.durable import write_durably
from workflow_scripts.runtime.untrusted_files import MOST_BYTES
from workflow_scripts.tables.files import sha256_of

REPORT_RECORD = "records/report.json"


def notes(folder):
    return verify(read_ledger(folder), None).notes


# names and fields of a record -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "field"),
    [
        ({"arguments": {"inputs": {}, "outputs": {"../../x": [f"{ROOT}/report.html"]}}}, "its field arguments"),
        ({"arguments": {"inputs": {"/x": ["data/cifar10.npz"]}, "outputs": {}}}, "its field arguments"),
        ({"job": ".report"}, "its field job"),
        ({"seconds": -1.0}, "its field seconds"),
        ({"threads": 0}, "its field threads"),
        ({"attempt": 0}, "its field attempt"),
        ({"seed": 5}, "it"),
        ({"started": {"@value": "now"}}, "its field started"),
        ({"ended": "2026-13-01T00:00:00+00:00"}, "its field ended"),
        ({"git": {"commit": "main", "dirty": None}}, "its field git"),
        ({"device": {"kind": ["a"]}}, "its field device"),
        ({"attempt": 10**300}, "its field attempt"),
        ({"seconds": 1e308}, "its field seconds"),
        (
            {"software": {"python": "3.11" + "." * 70 + " signed by ada", "packages": {}, "lock_sha256": None}},
            "its field software",
        ),
        ({"inputs": []}, "it"),
        ({"outputs": []}, "it"),
        ({"arguments": {"inputs": {}, "outputs": {"files": [f"{ROOT}/report.html", f"{ROOT}/records/x.json"]}}}, "it"),
        ({"arguments": {"inputs": {}, "outputs": {}}}, "it"),
    ],
)
def test_every_field_is_bounded(results, entries, field):
    forge(results / REPORT_RECORD, **entries)
    with pytest.raises(RecordError, match=rf"^{field} is not as a job writes it$"):
        read_record(results / REPORT_RECORD)


@pytest.mark.parametrize("field", ["host", "system", "processor"])
def test_a_fact_of_the_machine_is_printable(results, field):
    machine = json.loads((results / REPORT_RECORD).read_bytes())["machine"]
    forge(results / REPORT_RECORD, machine=machine | {field: "a\x1b[2K"})
    with pytest.raises(RecordError, match="its field machine"):
        read_record(results / REPORT_RECORD)


def test_sizes_are_compared(results):
    record = json.loads((results / REPORT_RECORD).read_bytes())
    [output] = record["outputs"]
    forge(results / REPORT_RECORD, outputs=[output | {"bytes": output["bytes"] + 1}])
    assert findings(results).keys() == {("altered", f"{ROOT}/report.html")}
    forge(results / REPORT_RECORD, outputs=[output | {"bytes": -5}])
    assert ("record", f"{ROOT}/{REPORT_RECORD}") in findings(results)


# records that vouch for what they should not --------------------------------------------------------------------------


def test_a_record_among_those_of_data_sets_vouches_for_no_result(results):
    content = b"foreign\n"
    (results / "tables/foreign.csv").write_bytes(content)
    path = f"{ROOT}/tables/foreign.csv"
    forged = results.parents[1] / "data/records/foreign.json"
    shutil.copy(results / REPORT_RECORD, forged)
    [output] = json.loads(forged.read_bytes())["outputs"]
    outputs = restated([output | {"path": path}], path, content)
    forge(forged, job="foreign", inputs=[], outputs=outputs, arguments={"inputs": {}, "outputs": {"files": [path]}})
    found = findings(results)
    assert found["record", "data/records/foreign.json"].endswith(f"it is that of {ROOT}/records/foreign.json")
    assert ("unrecorded", path) in found


@pytest.mark.parametrize("file", ["weights.pt", "history.csv"])
def test_an_output_that_nobody_read_exchanged_with_its_record_is_found(results, file):
    """The true record stays where its readers find it, so that every link holds."""
    keep_linked(results / TRAINING_RECORD, results)
    path = f"{ROOT}/{TRAINING}/{file}"
    (results / TRAINING / file).write_bytes(b"exchanged\n")
    outputs = json.loads((results / TRAINING_RECORD).read_bytes())["outputs"]
    forge(results / TRAINING_RECORD, outputs=restated(outputs, path, b"exchanged\n"))
    [((kind, place), cause)] = findings(results).items()
    assert (kind, place) == ("record", f"{ROOT}/{TRAINING_RECORD}")
    assert cause.startswith(f"it names another {path} than the record that evaluation_table/s1_cifar10 links to")
    assert not any("same bytes" in note for note in notes(results))


def test_a_job_made_again_from_other_settings_may_change_one_of_its_outputs(results):
    """As when a stop rule changes: readers of the outputs that stayed the same are put back, with the earlier link."""
    keep_linked(results / TRAINING_RECORD, results)
    path = f"{ROOT}/{TRAINING}/weights.pt"
    (results / TRAINING / "weights.pt").write_bytes(b"other weights\n")
    record = json.loads((results / TRAINING_RECORD).read_bytes())
    forge(
        results / TRAINING_RECORD,
        settings=record["settings"] | {"changed": 1},
        outputs=restated(record["outputs"], path, b"other weights\n"),
    )
    assert findings(results) == {}


def test_a_link_to_another_study_is_no_source(results):
    """A linked record of another folder's job would vouch for a file that nobody looks at."""
    report = json.loads((results / REPORT_RECORD).read_bytes())
    foreign = results / "linked_records/new.json"
    shutil.copy(results / SEARCH_RECORD, foreign)
    outputs = [each | {"path": each["path"].replace(ROOT, "results/other")} for each in report["inputs"]]
    outputs = [{key: value for key, value in each.items() if key != "record"} for each in outputs[:1]]
    given = {"inputs": {}, "outputs": {"files": [outputs[0]["path"]]}}
    forge(foreign, root="results/other", outputs=outputs, arguments=given)
    keep_linked(foreign, results)
    kept = max((results / "linked_records").iterdir(), key=lambda file: file.stat().st_mtime_ns)
    foreign.unlink()
    read = [outputs[0] | {"record": kept.stem}, *report["inputs"]]
    forge(results / REPORT_RECORD, inputs=read, arguments=report["arguments"])
    assert any("it is of a job in results/other" in cause for cause in findings(results).values())


def test_a_later_run_with_the_same_bytes_is_noted_with_what_differs(results):
    keep_linked(results / SEARCH_RECORD, results)
    record = json.loads((results / SEARCH_RECORD).read_bytes())
    forge(
        results / SEARCH_RECORD,
        machine=record["machine"] | {"host": "elsewhere"},
        git={"commit": "0" * 40, "dirty": False},
        ended="2027-01-01T00:00:00+00:00",
    )
    assert findings(results) == {}
    [note] = [note for note in notes(results) if note.startswith("made again")]
    assert note.endswith("cell_search/s1_cifar10/darts/l2-0.0003_drop-0_seed-1 (machine, git)")


@pytest.mark.parametrize("how", ["order", "name"])
def test_the_note_on_a_later_run_is_not_silenced_by_how_its_outputs_are_listed(results, how):
    keep_linked(results / SEARCH_RECORD, results)
    record = json.loads((results / SEARCH_RECORD).read_bytes())
    outputs = record["outputs"][::-1] if how == "order" else [each | {"name": "other"} for each in record["outputs"]]
    forge(results / SEARCH_RECORD, outputs=outputs, machine=record["machine"] | {"host": "elsewhere"})
    lines = [*findings(results).values(), *(note for note in notes(results) if note.startswith("made again"))]
    assert any("machine" in line or "names another" in line for line in lines)


def test_a_record_that_leaves_out_what_was_read_is_found(results):
    keep_linked(results / TRAINING_RECORD, results)
    record = json.loads((results / TRAINING_RECORD).read_bytes())
    outputs = [each for each in record["outputs"] if not each["path"].endswith("outcome.json")]
    (results / TRAINING / "outcome.json").unlink()
    given = record["arguments"] | {"outputs": {"files": [each["path"] for each in outputs]}}
    forge(results / TRAINING_RECORD, outputs=outputs, arguments=given)
    assert ("missing", f"{ROOT}/{TRAINING}/outcome.json") in findings(results)


def test_altered_data_is_found_also_where_the_records_of_data_sets_are_gone(results):
    data = results.parents[1] / "data"
    shutil.rmtree(data / "records")
    assert findings(results) == {}
    change(data / "cifar10.npz")
    assert findings(results).keys() == {("altered", "data/cifar10.npz")}


def test_data_that_no_job_made_is_found(tmp_path, monkeypatch):
    make_results(tmp_path, searches=1)
    (tmp_path / "data/records/cifar10.json").unlink()
    (tmp_path / "data/cifar10.npz").write_text("by hand\n")
    monkeypatch.chdir(tmp_path)
    given = {"data": ["data/cifar10.npz"]}
    Writer().job(ROOT, "report", "report", {"study": "made_up"}, given, [f"{ROOT}/report.html"])
    cause = findings(tmp_path / ROOT)["altered", "data/cifar10.npz"]
    assert "report read it in a state that no recorded job wrote" in cause


def fetched(results, name, sha256, size, module="workflow_scripts.data.sets.cifar10"):
    """State in the data set's record, and in the copy that is linked to, that it was made from a fetched file."""
    file = results.parents[1] / "data/records/cifar10.json"
    source = {"name": "source", "path": f"data/sources/cifar10/{name}", "sha256": sha256, "bytes": size, "record": None}
    code = step_code("fetch_data", [module])
    before = read_ledger(results).data["cifar10"].sha256
    forge(file, inputs=[source], chosen_modules=[module], modules=code, code=combined(code))
    (results / "linked_records" / f"{before}.json").unlink()
    keep_linked(file, results)
    after = next(path.stem for path in (results / "linked_records").iterdir())
    for record in (results / "records").rglob("*.json"):
        content = json.loads(record.read_bytes())
        if any(read["record"] == before for read in content["inputs"]):
            forge(
                record,
                inputs=[
                    read | {"record": after if read["record"] == before else read["record"]}
                    for read in content["inputs"]
                ],
            )


CIFAR = ("cifar-10-binary.tar.gz", "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd", 170052171)


def test_a_fetched_file_is_compared_with_the_entry_of_its_data_set(results):
    cause = {}
    for case, (name, sha256, size) in {
        "true": CIFAR,
        "content": (CIFAR[0], "0" * 64, CIFAR[2]),
        "size": (*CIFAR[:2], 1),
        "name": ("other.tar.gz", *CIFAR[1:]),
    }.items():
        fetched(results, name, sha256, size)
        cause[case] = findings(results).get(("altered", f"data/sources/cifar10/{name}"))
    assert cause["true"] is None
    assert "its sha256 is 00000000" in cause["content"]
    assert "(1 bytes), which the data set's module does not name" in cause["size"]
    assert cause["name"].endswith("the data set's module names no file other.tar.gz")


def test_a_step_that_fetches_nothing_has_no_fetched_input(results):
    record = json.loads((results / REPORT_RECORD).read_bytes())
    more = {"name": "source", "path": "data/sources/x", "sha256": "0" * 64, "bytes": 1, "record": None}
    forge(results / REPORT_RECORD, inputs=[*record["inputs"], more])
    assert findings(results)["altered", "data/sources/x"].endswith("its step report fetches no file")


# names, links and what is no file -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place",
    [
        "logs/.x.1/a.log",
        "tables/.searches.csv.77",
        ".report.html.77",
        "records/.evil.json",
        "records/.evil.77",
        "logs/.a.log.77",
        "attempts/.a.jsonl.77",
        "linked_records/.evil",
        ".locks",
    ],
)
def test_a_name_that_looks_like_the_wrappers_hides_nothing(results, place):
    (results / place).parent.mkdir(parents=True, exist_ok=True)
    if (results / place).is_dir():
        shutil.rmtree(results / place)
    (results / place).write_text("1")
    expected = "record" if place.endswith("evil.json") else "unrecorded"
    if place == "logs/.x.1/a.log":
        assert findings(results) == {}  # a log, wherever it lies below logs/
    else:
        assert findings(results).keys() == {(expected, f"{ROOT}/{place}")}


@pytest.mark.parametrize(
    "place", ["logs/.x.1/a.log", ".scratch/a", "attempts/.a.jsonl.7", ".locks/deep/b", "records/c.json"]
)
def test_a_link_is_found_wherever_it_is(results, tmp_path, place):
    (tmp_path / "secret").write_text("secret")
    (results / place).parent.mkdir(parents=True, exist_ok=True)
    (results / place).symlink_to(tmp_path / "secret")
    assert "it is a link to elsewhere, not a file" in findings(results)["unrecorded", f"{ROOT}/{place}"]


def test_a_linked_folder_is_found_and_not_entered(results, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/a.log").write_text("1")
    (results / "logs").symlink_to(tmp_path / "folder")
    assert findings(results).keys() == {("unrecorded", f"{ROOT}/logs")}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["records/a.json", "linked_records/a.json", "waivers/a.json", "attempts/a.jsonl"])
def test_what_could_be_waited_for_is_not_opened(results, place, kind):
    file = results / place
    file.parent.mkdir(exist_ok=True)
    make_unreadable(file, kind, MOST_BYTES)
    change(results / "report.html")
    ledger = read_ledger(results)
    verdict = verify(ledger, None)
    assert any(finding.path == f"{ROOT}/report.html" for finding in verdict.findings), "the others are still told"
    if kind != "vast file":
        assert any(finding.path == f"{ROOT}/{place}" for finding in verdict.findings)
    elif place.startswith("attempts"):
        assert any("traces of attempts that cannot be read: a" in note for note in verdict.notes)
    else:
        assert any(place.split("/")[0] in finding.path for finding in verdict.findings)


def test_a_result_that_is_a_pipe_or_claims_any_size_is_not_read(results):
    (results / "report.html").unlink()
    os.mkfifo(results / "report.html")
    with (results / "tables/searches.csv").open("wb") as file:
        file.truncate(1 << 40)
    found = findings(results)
    assert ("missing", f"{ROOT}/report.html") in found
    assert found["unrecorded", f"{ROOT}/report.html"] == "it is not a regular file"
    assert found["altered", f"{ROOT}/tables/searches.csv"].endswith(f"found {1 << 40} bytes, which were not read")


def test_a_result_that_nobody_may_read_hides_no_other_finding(results, monkeypatch):
    def read(path):
        if path.name == "report.html":
            raise PermissionError(13, "Permission denied", str(path))
        return sha256_of(path)

    monkeypatch.setattr(hashing, "sha256_of", read)
    change(results / "tables/searches.csv")
    found = findings(results)
    assert found.keys() == {("altered", f"{ROOT}/report.html"), ("altered", f"{ROOT}/tables/searches.csv")}
    assert found["altered", f"{ROOT}/report.html"].endswith("bytes, which were not read")


def test_a_folder_without_any_sound_record_cannot_be_read(results):
    for file in (results / "records").rglob("*.json"):
        file.unlink()
        os.mkfifo(file)
    with pytest.raises(LedgerError, match=r"no file in records/ can be read as a record: it is not a regular file"):
        read_ledger(results)


def test_a_name_that_no_terminal_shows_is_shown_escaped(results, capsys):
    (results / "tables" / "a\x1b[2Kclean\nb.csv").write_text("1")
    (results / "tables" / os.fsdecode(b"\xff.csv")).write_text("1")
    change(results / "report.html")
    assert audit.main(["verify", str(results)]) == 1
    output = capsys.readouterr().out
    assert "\x1b" not in output
    assert f"unrecorded: {ROOT}/tables/a\\x1b[2Kclean\\nb.csv: no record" in output
    assert f"unrecorded: {ROOT}/tables/\\udcff.csv: no record" in output
    assert f"altered: {ROOT}/report.html" in output
    assert output.splitlines()[-1] == "3 findings"


def test_a_terminal_that_cannot_show_a_name_loses_no_finding(results):
    (results / "tables/a\N{RIGHTWARDS ARROW}.csv").write_text("1")
    command = [sys.executable, "-m", "workflow_scripts.audit", "verify", str(results)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=environment)
    assert done.returncode == 1, done.stderr
    assert "tables/a\\u2192.csv: no record" in done.stdout


def test_words_of_a_record_are_shown_escaped(results, capsys):
    forge(results / REPORT_RECORD, settings={"title": "a\x1b[2K\u202e"})
    assert audit.main(["why", str(results / "report.html")]) == 0
    assert audit.main(["affected", "title=a\x1b[2K\u202e", str(results)]) in (0, 2)
    output = "".join(capsys.readouterr())
    assert "\x1b" not in output
    assert "\u202e" not in output


@pytest.mark.parametrize("content", ["{}", "[" * 100_000, '{"job": "../../x"}'])
def test_a_bad_waiver_is_one_sentence_in_every_command(results, capsys, content):
    (results / "waivers").mkdir()
    (results / "waivers/a.json").write_text(content)
    assert audit.main(["verify", str(results)]) == 1
    assert "waivers/a.json: this is not a waiver; delete it" in capsys.readouterr().out
    assert audit.main(["page", str(results)]) == 0
    assert audit.main(["why", str(results / "report.html")]) == 0
    with pytest.raises(SystemExit, match=r"waivers/a\.json: this is not a waiver; delete it"):
        rule_params(SimpleNamespace(places=SimpleNamespace(results=str(results))))


def test_a_bad_waiver_ends_no_sound_one(results):
    sound = {"version": 1, "job": "report", "reason": "a", "made": "2026-01-01T00:00:00+00:00", "changes": []}
    sound |= {"record": "0" * 64, "identity": "0" * 64}
    (results / "waivers").mkdir()
    (results / "waivers/report.json").write_text(json.dumps(sound))
    (results / "waivers/broken.json").write_text("{}")
    assert list(Waivers(results).all) == ["report"]


def test_no_waiver_is_written_through_a_link(results, tmp_path):
    (tmp_path / "outside").mkdir()
    (results / "waivers").symlink_to(tmp_path / "outside")
    waiver = Waiver(
        job="a", reason="a", made="2026-01-01T00:00:00+00:00", record="0" * 64, identity="0" * 64, changes=[]
    )
    with pytest.raises(ValueError, match="waivers: a link inside a results folder"):
        Waivers(results).write(waiver)
    assert not list((tmp_path / "outside").iterdir())


def test_a_waiver_in_another_jobs_place_is_none(results):
    waiver = {"version": 1, "job": "report", "reason": "a", "made": "2026-01-01T00:00:00+00:00", "changes": []}
    (results / "waivers").mkdir()
    (results / "waivers/other.json").write_text(json.dumps(waiver | {"record": "0" * 64, "identity": "0" * 64}))
    assert "this is not a waiver" in findings(results)["record", f"{ROOT}/waivers"]


# running a recorded job again -----------------------------------------------------------------------------------------


@pytest.fixture
def made(tmp_path, monkeypatch):
    """The folder of a workflow with one real job, which makes a few images up, and one that reads them."""
    (tmp_path / "here/data/records").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    settings = {"module": "workflow_scripts.data.sets.digits", "images": 2}
    identity = identity_text("made_up_data", settings, (settings["module"],))
    output = ["--output", "data", "results/one/made_up.npz"]
    assert run.main(["--root", "results/one", "--log", "results/one/logs/make.log", "--job", identity, *output]) == 0
    return tmp_path / "here"


def snapshot(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


def replay(path):
    command = [sys.executable, "-m", "workflow_scripts.audit", "replay", str(path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=environment)


def test_a_job_that_runs_again_writes_nothing_here(made):
    shutil.rmtree(made / "results/one/.producers")
    before = snapshot(made)
    done = replay("results/one/made_up.npz")
    assert done.returncode == 0, done.stderr
    assert "1 of 1 files are the same bytes" in done.stdout
    assert snapshot(made) == before


def test_the_notes_on_who_made_what_are_written_in_the_jobs_own_folder_only(results, monkeypatch):
    """A job that runs again reads the audited folder, where these notes may be missing."""
    monkeypatch.chdir(results.parents[1])
    shutil.rmtree(results / ".producers")
    given = {"figure": [Path(ROOT) / "figures/test_error.png", Path("data/cifar10.npz")]}
    before = snapshot(results)
    facts = link_inputs(file_facts(given), given, Path("again"))
    assert [fact["record"] for fact in facts] == [
        digest_of((results / "records/figure_test_error.json").read_bytes()),
        digest_of(Path("data/records/cifar10.json").read_bytes()),
    ]
    assert snapshot(results) == before


def test_a_forged_key_is_never_a_path(made):
    record = made / "results/one/records/make.json"
    forge(record, arguments={"inputs": {}, "outputs": {"../../../../moved": ["results/one/made_up.npz"]}})
    before = snapshot(made.parent)
    done = replay("results/one/made_up.npz")
    assert done.returncode == 2
    assert "its field arguments is not as a job writes it" in done.stderr
    assert snapshot(made.parent) == before


def test_a_temporary_name_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "kept").write_text("1")
    (tmp_path / f".page.html.{os.getpid()}").symlink_to(tmp_path / "kept")
    write_durably(tmp_path / "page.html", b"2")
    assert (tmp_path / "kept").read_text() == "1"
    assert (tmp_path / "page.html").read_text() == "2"


def test_nothing_is_put_back_through_a_link(made):
    Path("results/one/made_up.npz").rename("taken.npz")
    shutil.rmtree("results/one/.kept/make")
    Path("elsewhere").mkdir()
    Path("results/one/.kept/make").symlink_to(Path("elsewhere").absolute())
    record = read_record(Path("results/one/records/make.json"))
    shutil.copy("taken.npz", Path("elsewhere") / record.outputs[0].sha256)
    with pytest.raises(Mismatch, match=r"results/one/\.kept/make is a link"):
        put_back_after(record, Path("results/one"))


CONFINED = """
import os, shutil, sys, tempfile
from pathlib import Path
from workflow_scripts.runtime.confined import ROOT, confine
inside, outside = Path(sys.argv[1]), Path(sys.argv[2])
confine(inside)
cache = ROOT / "workflow_scripts" / "runtime" / "__pycache__"  # where numba first looks whether it can write
cache.mkdir(exist_ok=True)
tempfile.TemporaryFile(dir=cache).close()
(inside / "a").write_text("1"); (inside / "a").rename(inside / "b"); (inside / "c").mkdir(); shutil.rmtree(inside / "c")
(inside / "link").symlink_to(outside)
tries = [
    lambda: (outside / "new").write_text("1"),
    lambda: (outside / "kept").open("a"),
    lambda: (inside / "link" / "new").write_text("1"),
    lambda: (inside / ".." / outside.name / "kept").unlink(),
    lambda: (outside / "kept").rename(inside / "taken"),
    lambda: (inside / "b").rename(outside / "kept"),
    lambda: (outside / "folder").mkdir(),
    lambda: (outside / "link").symlink_to(inside),
    lambda: shutil.rmtree(outside),
    lambda: os.truncate(outside / "kept", 0),
]
for number, each in enumerate(tries):
    try:
        each()
    except PermissionError as error:
        assert "may not write outside its own folder" in str(error), error
        continue
    sys.exit(f"number {number} was not refused")
(outside / "kept").read_text()
"""


def test_a_confined_process_changes_nothing_elsewhere(tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "kept").write_text("1")
    before = snapshot(outside)
    command = [sys.executable, "-c", CONFINED, str(inside), str(outside)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert snapshot(outside) == before


def test_why_says_of_an_altered_file_that_this_is_not_its_ancestry(results, capsys):
    assert audit.main(["why", str(results / FIGURE)]) == 0
    assert capsys.readouterr().err == ""
    (results / FIGURE).write_bytes(b"another picture")
    assert audit.main(["why", str(results / FIGURE)]) == 1
    said = capsys.readouterr()
    assert said.out.startswith(f"{ROOT}/{FIGURE}\n")
    assert f"This is the ancestry of another file: altered: {ROOT}/{FIGURE}: " in said.err
