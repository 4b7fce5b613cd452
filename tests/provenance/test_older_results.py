"""Results that an older version of the workflow made are still read, and what was altered in them is still found.

`older_results.tar.xz` holds two results folders of the study `older_results.yaml`, made by commit 02ab28b: `first`, in
which one table was made twice and one result is kept by a waiver, and `again`, made anew with one more epoch of the
depth search. Left out is what no question needs: data sets, logs, `provenance.html` and the wrapper's own work.
"""

import json
import shutil
import tarfile
from pathlib import Path

import pytest
from provenance.forging import change, findings, forge

from workflow_scripts.audit import main
from workflow_scripts.provenance.identity import combined
from workflow_scripts.provenance.job_states import job_states
from workflow_scripts.provenance.ledger import read_ledger
from workflow_scripts.provenance.page import page_of
from workflow_scripts.provenance.study_of_results import study_of
from workflow_scripts.provenance.verify import verify
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.steps import depth_tables, derive_architectures, evaluation_table, search_tables
from workflow_scripts.study.job_plan import planned_of
from workflow_scripts.study.study import Study
from workflow_scripts.tables.architectures import read_architectures
from workflow_scripts.tables.catalogue import TABLES
from workflow_scripts.tables.genotype_training import CANDIDATES, EVALUATION_HISTORY
from workflow_scripts.tidy import tidy

STUDY = Path(__file__).with_name("older_results.yaml")
ROOT = "results/older"
ROOT_DIGEST = "8a2c00f0d05522efcbab7f96c76bf0e679b95179ef2bb57b3d25109f7085eec9"
"""Of the folder `first`, as the older version stated it."""
JOBS = 29
RUN = "l2-0.0003_drop-0_seed-1"
SEARCH = f"cells/searches/s4_digits/darts/{RUN}"
TRAINING = f"cells/evaluations/s4_digits/darts/{RUN}/seed-1"
DEPTH = "depth/max_depth_seed-1_spirals_ldn_D0-15_width-20"
DEPTH_RUN = f"{DEPTH}/max_depth_ldn_D2_width-20_seed-1"
SELECTION = "select_architecture/s4_digits/r_darts_l2/seed-1"
WITH_MORE_COLUMNS_NOW = ("evaluations", "depth_runs", "depth_posteriors", "depth_calibration")
"""Tables that are made again, because they have columns that the older version did not know."""


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two folders, not to be altered."""
    folder = tmp_path_factory.mktemp("older")
    with tarfile.open(Path(__file__).with_name("older_results.tar.xz")) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def older(unpacked: Path, tmp_path: Path) -> Path:
    """A copy of the first results folder, to be altered."""
    shutil.copytree(unpacked / "first", tmp_path / "base")
    return tmp_path / "base" / ROOT


def study(folder: Path) -> Study:
    found = study_of(read_ledger(folder), STUDY, None)
    assert found is not None
    return found


def unsound(folder: Path) -> dict[tuple[str, str], str]:
    """What verification finds besides stale results."""
    return {found: cause for found, cause in findings(folder).items() if found[0] != "stale"}


def audit(capsys: pytest.CaptureFixture[str], *arguments: object, status: int = 0) -> str:
    assert main([str(argument) for argument in arguments]) == status
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


# verify ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["first", "again"])
@pytest.mark.parametrize("with_study", [False, True])
def test_they_are_at_most_stale(unpacked, name, with_study):
    folder = unpacked / name / ROOT
    verdict = verify(read_ledger(folder), planned_of(study(folder)) if with_study else None)
    assert verdict.jobs == JOBS
    assert {finding.kind for finding in verdict.findings} <= {"stale"}
    assert all(finding.cause and "\n" not in finding.cause for finding in verdict.findings)
    assert len({finding.path for finding in verdict.findings}) == len(verdict.findings)


def test_what_their_study_says_otherwise_is_told_for_its_job(unpacked):
    folder = unpacked / "again" / ROOT
    stale = {finding.path: finding.cause for finding in verify(read_ledger(folder), planned_of(study(folder))).findings}
    assert "training.epochs: 4 -> 3" in stale[f"depth_search/{Path(DEPTH).name}"]


def test_their_root_digest_is_the_one_they_had(unpacked, capsys):
    folder = unpacked / "first" / ROOT
    assert read_ledger(folder).root_digest == ROOT_DIGEST
    output = audit(capsys, "verify", folder, "--against", ROOT_DIGEST, status=1)
    assert "root:" not in output
    assert f"waived: {SELECTION}: The longer training would choose the same architecture." in output
    assert "made again since they were read, with the same bytes: space_table" in output


def test_the_records_beside_data_sets_are_read(older):
    """As far as they are there: the data sets themselves are missed, by name."""
    records = older.parents[1] / "data/records"
    records.mkdir(parents=True)
    for entry in read_ledger(older).data_sets.values():
        shutil.copy(entry.file, records / f"{entry.record.job}.json")
    ledger = read_ledger(older)
    assert ledger.data.keys() == {"digits", "fashion_mnist"}
    missing = {("missing", "data/digits.npz"), ("missing", "data/fashion_mnist.npz")}
    assert {found for found in unsound(older) if found[1].startswith("data/")} == missing


@pytest.mark.parametrize(
    "file",
    [
        *(f"{SEARCH}/{name}" for name in ("settings.json", "history.csv", "curvature.npz", "alphas.npz")),
        f"cells/searches/s4_digits/darts_ada/{RUN}/discarded.csv",
        f"cells/searches/s4_fashion_mnist/random_ws/{RUN}/samples.csv",
        f"cells/architectures/s4_digits/darts/{RUN}.yaml",
        "cells/selections/s4_digits/r_darts_l2/seed-1/architecture.yaml",
        f"{TRAINING}/weights.pt",
        f"{DEPTH_RUN}/predictive_map.npz",
        *("architectures.yaml", "tables/search_spaces.csv", "figures/operation_counts.png", "report.html"),
    ],
)
def test_an_altered_file_is_found(older, file):
    content = (older / file).read_bytes()
    (older / file).write_bytes(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])
    [((kind, path), cause)] = unsound(older).items()
    assert (kind, path) == ("altered", f"{ROOT}/{file}")
    assert "it was altered after " in cause


@pytest.mark.parametrize("record", [f"cell_search/s4_digits/darts/{RUN}", "join_tables/searches", "report"])
def test_an_altered_record_is_found(older, record):
    change(older / f"records/{record}.json", b'"attempt": 1', b'"attempt": 2')
    assert unsound(older)["record", f"{ROOT}/records/{record}.json"].startswith("this record was altered or is damaged")


def test_a_record_altered_and_sealed_again_is_found_by_its_readers(older):
    forge(older / f"records/cell_search/s4_digits/darts/{RUN}.json", seconds=1.0)
    assert unsound(older).keys() == {("record", f"{ROOT}/records/cell_search/s4_digits/darts/{RUN}.json")}


def test_a_record_that_others_link_to_is_missed(older):
    for file in (older / "linked_records").iterdir():
        file.unlink()
    assert {kind for kind, _ in unsound(older)} == {"link", "record"}


def test_a_record_of_another_version_is_not_said_to_be_forged(older):
    forge(older / "records/report.json", version=1)
    assert unsound(older)["record", f"{ROOT}/records/report.json"] == (
        "this record was altered or is damaged: its version is 1, not 2, as another version of the workflow may have "
        "written it"
    )


def test_an_altered_copy_of_a_data_sets_record_is_found(older):
    [entry] = [each for each in read_ledger(older).input_records.values() if each.record.job == "fashion_mnist"]
    forge(entry.file, seconds=1.0)
    assert unsound(older).keys() == {("record", f"{ROOT}/linked_records/{entry.file.name}")}


def test_a_file_of_nobody_is_found(older):
    (older / "tables/by_hand.csv").write_text("1\n")
    assert unsound(older).keys() == {("unrecorded", f"{ROOT}/tables/by_hand.csv")}


def test_names_that_the_code_at_hand_does_not_have_make_a_result_stale_and_nothing_else(older, capsys, tmp_path):
    """As a step, a module and a setting have them that were named otherwise since."""
    modules = {"workflow_scripts.stages.page_of_results": "0" * 64}
    settings = {"heading": "Older results"}
    names = {"step": "page_of_results", "settings": settings, "modules": modules, "code": combined(modules)}
    forge(older / "records/report.json", **names)
    assert unsound(older) == {}
    assert "the code at hand cannot be compared" in findings(older)["stale", "report"]
    with_study = {each.path: each.cause for each in verify(read_ledger(older), planned_of(study(older))).findings}
    assert "step: page_of_results -> report" in with_study["report"]
    assert "heading=Older results" in audit(capsys, "why", older / "report.html")
    audit(capsys, "export", older, tmp_path / "crate")


# what else is asked ---------------------------------------------------------------------------------------------------


def test_why_tells_the_whole_ancestry(unpacked, capsys):
    folder = unpacked / "first" / ROOT
    output = audit(capsys, "why", folder / "report.html", "--all")
    for entry in read_ledger(folder).entries():
        assert f" {entry.record.job} " in output
    assert "source: data/sources/fashion_mnist/train-images-idx3-ubyte.gz, 26421856 bytes" in output


def test_why_hands_out_records_as_they_stand(unpacked, capsys):
    folder = unpacked / "first" / ROOT
    [first, *_] = json.loads(audit(capsys, "why", folder / "tables/evaluations.csv", "--json"))
    assert first == json.loads((folder / "records/join_tables/evaluations.json").read_bytes())


@pytest.mark.parametrize(
    "what", ["data/digits.npz", f"{ROOT}/{SEARCH}", "workflow_scripts.cells.search", "search.learning_rate=0.025"]
)
def test_affected_follows_files_modules_and_settings(unpacked, capsys, what):
    output = audit(capsys, "affected", what, unpacked / "first" / ROOT)
    assert f"  {ROOT}/tables/searches.csv" in output
    assert f"  {ROOT}/report.html" in output


def test_diff_names_the_first_cause(unpacked, older, capsys):
    first, again = (unpacked / name / ROOT for name in ("first", "again"))
    same = "every figure, table and architecture is the same bytes in both folders\n"
    assert audit(capsys, "diff", first, first) == same
    found = audit(capsys, "diff", first, again, status=1)
    assert found.startswith(
        "tables/depth_calibration.csv, tables/depth_posteriors.csv, tables/depth_runs.csv\n"
        f"  depth_search/{Path(DEPTH).name}: setting runs.{Path(DEPTH_RUN).name}.training.epochs: 3 -> 4\n"
        "  tables/depth_calibration.csv: 12 rows with other values\n"
    )
    change(older / "tables/searches.csv", b"darts", b"DARTS")
    assert audit(capsys, "diff", first, older, status=1).startswith(
        f"tables/searches.csv\n  in {older} it does not match its record; see verify\n"
    )


def test_export_writes_a_crate_that_holds_the_same_records(unpacked, capsys, tmp_path):
    audit(capsys, "export", unpacked / "first" / ROOT, tmp_path / "crate")
    graph = json.loads((tmp_path / "crate/ro-crate-metadata.json").read_bytes())["@graph"]
    assert next(each for each in graph if each["@id"] == "./")["name"] == "Older results"
    assert read_ledger(tmp_path / "crate" / ROOT).root_digest == ROOT_DIGEST
    assert unsound(tmp_path / "crate" / ROOT) == {}


def test_the_page_shows_every_job(older):
    text = page_of(read_ledger(older), study(older)).read_text()
    for entry in read_ledger(older).entries():
        assert f'"{entry.record.job}"' in text
    assert unsound(older) == {}


def test_tidy_removes_no_result(older):
    (older / ".checkpoints/cell_search").mkdir(parents=True)
    (older / ".checkpoints/cell_search/dropped.pt").write_text("left behind")
    removed = tidy(older, {job.name for job in planned_of(study(older))})
    assert removed.files == {"checkpoints": 1}
    assert read_ledger(older).root_digest == ROOT_DIGEST
    assert unsound(older) == {}


def test_status_misses_only_the_data_sets_and_the_verdicts(older):
    found = job_states(planned_of(study(older)), ROOT, older.parents[1])
    assert {job_state.job.name for job_state in found if job_state.state == "missing"} == {
        "claims",
        "digits",
        "fashion_mnist",
    }
    assert {job_state.state for job_state in found} <= {"missing", "stale", "follows", "may follow", "fresh"}


# what runs left, as `make figures` reads it ---------------------------------------------------------------------------


def test_their_tables_are_read(unpacked):
    folder = unpacked / "first" / ROOT
    for file in (folder / "tables").rglob("*.csv"):
        if file.stem in WITH_MORE_COLUMNS_NOW:
            with pytest.raises(ValueError, match=f"not a readable table {file.stem} .*run the study again"):
                TABLES[file.stem].read(file)
        else:
            TABLES[file.stem].read(file)
    assert len(EVALUATION_HISTORY.read(folder / TRAINING / "history.csv")) == 1
    assert len(CANDIDATES.read(folder / "cells/selections/s4_digits/r_darts_l2/seed-1/candidates.csv")) == 2
    assert len(read_architectures(folder / "architectures.yaml")) == 5


@pytest.mark.parametrize("group", ["s4_digits", "s4_fashion_mnist"])
def test_tables_are_made_of_their_searches_and_trainings(unpacked, tmp_path, group):
    cells = unpacked / "first" / ROOT / "cells"
    histories = sorted((cells / "searches" / group).glob("*/*/history.csv"))
    runs = [{"run": RUN, "methods": [history.parent.parent.name]} for history in histories]
    rule = {"window": 1, "factor": 1.001, "start": 0, "delta": 1}
    names = ("searches", "search_epochs", "curvature", "spectra")
    tables = {name: [tmp_path / f"{name}.csv"] for name in names}
    search_tables.run({"stop": rule}, {"history": histories}, tables, Silent())
    assert len(TABLES["searches"].read(tables["searches"][0])) == len(histories)

    found = [tmp_path / f"{number}.yaml" for number in range(len(histories))]
    derive_architectures.run({"stop": rule, "runs": runs}, {"history": histories}, {"architecture": found}, Silent())
    assert all(read_architectures(file) for file in found)

    inputs = {
        "outcome": sorted((cells / "evaluations" / group).glob("*/*/*/outcome.json")),
        "architectures": [cells / f"architectures/{group}.yaml", *(cells / "selections" / group).rglob("*.yaml")],
    }
    table = tmp_path / "evaluations.csv"
    evaluation_table.run({"epochs": [1] * len(inputs["outcome"])}, inputs, {"evaluations": [table]}, Silent())
    assert len(TABLES["evaluations"].read(table)) == len(inputs["outcome"])


def test_tables_are_made_of_their_depth_searches(unpacked, tmp_path):
    tables = {name: [tmp_path / f"{name}.csv"] for name in ("depth_runs", "depth_posteriors", "depth_calibration")}
    depth_tables.run({}, {"folder": [unpacked / "first" / ROOT / DEPTH]}, tables, Silent())
    for name, [file] in tables.items():
        assert len(TABLES[name].read(file)) > 0


def test_a_depth_search_with_a_setting_of_another_name_is_told_in_a_sentence(older, tmp_path):
    file = older / DEPTH_RUN / "settings.json"
    change(file, b'"prior_decay"', b'"decay"')
    with pytest.raises(ValueError, match="this is not a readable depth run of this version") as raised:
        depth_tables.run({}, {"folder": [older / DEPTH]}, {}, Silent())
    assert str(raised.value).startswith(f"{file}: ")
    assert "\n" not in str(raised.value)
