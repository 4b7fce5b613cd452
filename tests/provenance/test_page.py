"""The provenance page, as text: is everything there, once, in its state, and harmless?"""

import hashlib
import json
import re
import subprocess
import sys

import pytest

from workflow_scripts.provenance import page as module
from workflow_scripts.provenance.findings import Finding
from workflow_scripts.provenance.ledger import read_ledger
from workflow_scripts.provenance.page import page
from workflow_scripts.provenance.page_columns import columns
from workflow_scripts.provenance.page_data import KINDS, Shared, page_data
from workflow_scripts.provenance.record import canonical_bytes, sealed
from workflow_scripts.provenance.verify import verify
from workflow_scripts.rehearsal.made_up_results import make_results
from workflow_scripts.runtime.module_code import ROOT

MADE = "2026-11-25T12:00:00+00:00"
HOSTILE = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(1)> \u2028 \ud800 \" ' & `"
SEARCH = "cell_search/s1_cifar10/darts/l2-0.0003_drop-0_seed-1"


@pytest.fixture
def folder(tmp_path):
    return make_results(tmp_path, 8)


def data_of(folder):
    ledger = read_ledger(folder)
    return page_data(ledger, verify(ledger, None))


def embedded_data(text):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


def restored(data, number):
    """A shared value, put together as the page's script does."""
    item = data["shared"][number]
    if isinstance(item, dict):
        return item["is"]
    return {key: restored(data, part) for key, part in zip(data["shapes"][item[0]], item[1:], strict=True)}


def paths(data, named):
    return {name: [data["folders"][data["files"][n][0]] + data["files"][n][1] for n in files] for name, files in named}


def node(data, name):
    return next(each for each in data["nodes"] if each["name"] == name)


def rewrite(file, **fields):
    """Change a record's fields and seal it again, as a forger would."""
    record = json.loads(file.read_text())
    del record["digest"]
    file.write_bytes(canonical_bytes(sealed({**record, **fields})))


def test_every_record_is_there_whole(folder):
    data = data_of(folder)
    ledger = read_ledger(folder)
    for entry in ledger.entries():
        shown, record = node(data, entry.record.job), entry.record.model_dump(mode="json")
        assert shown["step"] == record["step"]
        facts = restored(data, shown["record"])
        assert facts.pop("record_sha256") == entry.sha256
        assert entry.file.as_posix().endswith(facts.pop("record"))
        told_elsewhere = ("job", "step", "inputs", "outputs", "arguments")
        assert facts == {key: value for key, value in record.items() if key not in told_elsewhere}
        for side in ("inputs", "outputs"):
            assert [path for each in paths(data, shown[side]).values() for path in each] == [
                each["path"] for each in record[side]
            ]
            files = [data["files"][number] for _, numbers in shown[side] for number in numbers]
            assert [(file[2], file[3]) for file in files] == [(each["sha256"], each["bytes"]) for each in record[side]]


def test_columns_go_from_data_to_report(folder):
    data = data_of(folder)
    assert all(each["state"] is None for each in data["nodes"])
    steps = {}
    for each in data["nodes"]:
        steps.setdefault(data["groups"][each["group"]]["column"], set()).add(each["step"])
    assert [steps[column] for column in sorted(steps)] == [
        {"fetch_data"},
        {"cell_search"},
        {"derive_architectures"},
        {"evaluate_genotype"},
        {"search_tables", "evaluation_table"},
        {"join_tables"},
        {"figure"},
        {"report"},
    ]


def test_steps_that_feed_each_other_take_several_columns():
    steps = ["search", "train", "choose", "train", "table"]
    assert columns(steps, [set(), {0}, {1}, {2}, {3, 1}]) == [0, 1, 2, 3, 4]


def test_sources_stand_left_of_their_readers_and_cycles_are_cut():
    assert columns(["", "a", "b", ""], [set(), {0}, {1, 3}, set()]) == [0, 1, 2, 1]
    assert sorted(columns(["a", "b"], [{1}, {0}])) == [0, 1]
    assert columns([], []) == []


def test_many_jobs_are_folded_into_named_groups(tmp_path):
    data = data_of(make_results(tmp_path, 40))
    members = [each["group"] for each in data["nodes"]]
    groups = {
        (group["step"], group["name"]): members.count(n) for n, group in enumerate(data["groups"]) if group["name"]
    }
    assert groups == {
        (step, f"s{space}_cifar10"): 10 for step in ("cell_search", "evaluate_genotype") for space in (1, 2, 3, 4)
    }
    assert all(group["folded"] for group in data["groups"] if group["name"])


def test_states_of_files_and_jobs(folder):
    (folder / f"cells/searches/{SEARCH.removeprefix('cell_search/')}/alphas.npz").write_bytes(b"other")
    (folder / "figures/test_error.png").unlink()
    (folder / "notes.txt").write_text("stray")
    (folder / "records/report.json").write_text("{}")
    ledger = read_ledger(folder)
    verdict = verify(ledger, None)
    verdict.findings.append(Finding("stale", SEARCH, "setting l2: 1 -> 2", SEARCH))
    verdict.waived.append(Finding("waived", "join_tables/searches", "good enough", "join_tables/searches"))
    verdict.findings.append(Finding("root", "results/made_up", "another digest"))
    data = page_data(ledger, verdict)
    states = {each["name"]: each["state"] for each in data["nodes"] if each["state"]}
    assert states == {
        SEARCH: "altered",  # the worst of its two
        "figure_test_error": "missing",
        "join_tables/searches": "waived",
        "report": "record",
        "results/made_up/notes.txt": "unrecorded",
        "results/made_up/report.html": "unrecorded",
    }
    found = {(kind, path): number for kind, path, _, _, number in data["findings"]}
    assert found["root", "results/made_up"] is None
    assert data["nodes"][found["stale", SEARCH]]["name"] == SEARCH
    assert len(data["findings"]) == len(verdict.findings) + 1
    assert f"<dd>{len(verdict.findings)}, 1 waived</dd>" in page(ledger, verdict, "Made up")


def test_the_worst_state_is_the_first_of_the_kinds(folder):
    ledger = read_ledger(folder)
    verdict = verify(ledger, None)
    verdict.findings = [Finding(kind, SEARCH, "cause", SEARCH) for kind in reversed(KINDS)]
    assert node(page_data(ledger, verdict), SEARCH)["state"] == next(iter(KINDS))


def test_a_link_to_a_record_that_is_gone(folder):
    (folder / "records/derive_architectures_s1_cifar10.json").unlink()
    data = data_of(folder)
    source = node(data, "results/made_up/cells/architectures/s1_cifar10/darts/l2-0.0003_drop-0_seed-1.yaml")
    assert (source["kind"], source["state"]) == ("file", "link")


def test_hostile_text_stays_text(folder):
    record = folder / f"records/{SEARCH}.json"
    settings = {HOSTILE: {"__proto__": HOSTILE}, "seed": 1}  # the seed that the record states
    rewrite(record, settings=settings)
    ledger = read_ledger(folder)
    text = page(ledger, verify(ledger, None), HOSTILE)
    text.encode()
    assert text.count("<script") == 3 and text.count("</script>") == 3
    assert text.count("<!--") == 0 and "<img" not in text
    data = embedded_data(text)
    assert restored(data, node(data, SEARCH)["record"])["settings"] == settings


def test_only_the_page_s_own_scripts_may_run(folder):
    ledger = read_ledger(folder)
    text = page(ledger, verify(ledger, None), "Made up")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy and "http" not in policy
    assert not re.search(r'(src|href)="(?!#|data:)', text.split("<script")[0])


def test_the_page_is_the_same_but_for_its_time(folder):
    ledger = read_ledger(folder)
    verdict = verify(ledger, None)
    assert page(ledger, verdict, "Made up", made=MADE) == page(read_ledger(folder), verdict, "Made up", made=MADE)
    assert "2026-11-25 12:00:00 UTC" in page(ledger, verdict, "Made up", made=MADE)


def test_whether_files_were_hashed_is_said(folder):
    ledger = read_ledger(folder)
    verdict = verify(ledger, None)
    unhashed = page(ledger, verdict, "Made up", rehashed=False)
    assert "No file was hashed again" in unhashed
    assert "There are no findings among the records; no file was hashed." in unhashed
    assert f"<dd>{len(verdict.findings)} among the records</dd>" in unhashed
    text = page(ledger, verdict, "Made up")
    assert "All files were hashed again" in text
    assert "There are no findings." in text and "among the records" not in text
    assert "python -m workflow_scripts.audit verify results/made_up" in text
    assert verdict.root_digest in text


def test_1500_jobs_take_a_few_megabytes(tmp_path):
    ledger = read_ledger(make_results(tmp_path, 740))
    text = page(ledger, verify(ledger, None), "Made up")
    assert len(ledger.jobs) == 1497
    assert len(text) < 3_000_000


def test_shared_values_are_kept_once():
    shared = Shared()
    first, second = shared.add({"a": 1, "b": {"c": [1, 2]}}), shared.add({"a": 1, "b": {"c": [1, 2]}})
    assert first == second
    assert len(shared.items) == 4
    assert len({shared.add(value) for value in (1, 1.0, True, "1", None, [], {})}) == 7
    assert shared.items[shared.add(2**60)] == {"is": str(2**60)}


def test_each_part_of_the_script_is_there_and_uses_only_those_before_it():
    assert {file.stem for file in module.FOLDER.glob("*.js")} == set(module.PARTS)
    names, earlier = [], ""
    for part in module.PARTS:
        text = (module.FOLDER / f"{part}.js").read_text()
        assert text.startswith("// ")
        own = re.findall(r"^(?:function|const|let) (?:\{ )?(\w+)", text, re.MULTILINE)
        assert own or part == module.PARTS[-1], part
        assert [name for name in own if re.search(rf"(?<![\w.$-]){name}\b", earlier)] == [], part
        names += own
        earlier += re.sub(r'//.*|/\*\*.*|"[^"\n]*"|\b\w+(?=:)', "", text)  # without comments, texts and keys
    assert len(set(names)) == len(names)


def test_the_library_is_the_one_that_is_told_of():
    digest = hashlib.sha256(module.LIBRARY.read_bytes()).hexdigest()
    assert digest in (module.LIBRARY.parent / "README.md").read_text()
    assert (module.LIBRARY.parent / "cytoscape.LICENSE").is_file()


def test_the_page_is_made_without_torch():
    code = "import sys, workflow_scripts.provenance.page; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "False"
