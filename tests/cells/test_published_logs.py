"""The published search logs: small made-up archives with every trap."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from workflow_scripts.cells import published_logs
from workflow_scripts.cells.published_logs import read_published_logs
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.steps import import_published_logs, search_tables
from workflow_scripts.study.cell_settings import StopRule
from workflow_scripts.tables.cell_tables import SEARCHES, SPECTRA
from workflow_scripts.tables.files import read_json
from workflow_scripts.tables.genotype import parse_genotype
from workflow_scripts.tables.search_run import SearchRun, read_search_run

SHARED = Path(__file__).parents[3] / "shared" / "published"
REAL = SHARED / "robustdarts-logs-s1.tar.gz"
needs_logs = pytest.mark.skipif(not REAL.is_file(), reason="the published logs are not next to this checkout")
LOGS = "RobustDARTS-commit/experiments/search_logs"
CELL = [("skip_connect", 0), ("skip_connect", 1)] * 4
TEXT = f"Genotype(normal={CELL}, normal_concat=range(2, 6), reduce={CELL}, reduce_concat=range(2, 6))"
OTHER = TEXT.replace("skip_connect", "sep_conv_3x3")
EPOCHS = 3
ERRORS = [50.0, 40.0, 30.0]
KEY = (3e-4, 0.0, 1)


def run_files(folder, seed, errors=ERRORS, stored=None, hessians=None, genotype=TEXT, **changes):
    """The files of one search; `stored` is what stands in the errors file, where not the errors."""
    log = "".join(
        f"x epoch {epoch} lr {0.1 - 0.01 * epoch:e}\nx valid_acc {100 - error:f}\nx genotype = {genotype}\n"
        for epoch, error in enumerate(errors)
    )
    series = {"train_acc": stored or errors, "valid_acc": stored or errors}
    curves = {**series, "train_loss": [1.0] * len(errors), "valid_loss": [2.0] * len(errors)}
    files = {"log": log, "errors": json.dumps(curves), "arch": genotype, **changes}
    if hessians is not None:
        lines = [
            json.dumps({"epoch": epoch, "H": matrix, "g": []}) for epoch, matrix in zip((0, 2), hessians, strict=True)
        ]
        files["derivatives"] = "\n".join(lines)
    names = {
        "log": f"log_{seed}.txt",
        "errors": f"errors_{seed}.json",
        "arch": f"arch_{seed}",
        "derivatives": f"derivatives_{seed}.json",
    }
    return {f"{LOGS}/s1/cifar10/{folder}/{names[kind]}": text for kind, text in files.items() if text is not None}


def shared_files(errors, genotypes):
    config = {"epochs": EPOCHS, "arch_weight_decay": 0.001, "unrolled": True, "nodes": 4}
    return {
        f"{LOGS}/config.yaml": yaml.safe_dump(config),
        f"{LOGS}/results_perf.yaml": yaml.safe_dump({"s1_cifar10": errors}),
        f"{LOGS}/results_arch.yaml": yaml.safe_dump({"s1_cifar10": genotypes}),
    }


def archive(path, files, *extra):
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
        for info in extra:
            tar.addfile(info)
    return path


def logs_of(tmp_path, files, errors=None, genotypes=None):
    errors = errors or {"0.0_0.0003": {1: 30.0}}
    genotypes = {"0.0_0.0003": {1: TEXT}} if genotypes is None else genotypes
    path = archive(tmp_path / "logs.tar.gz", {**shared_files(errors, genotypes), **files})
    return read_published_logs(path, "s1", "cifar10", Silent())


def anomalies(logs):
    return [f"{entry['search']}: {entry['what']}" for entry in logs.report["anomalies"]]


def test_a_search_in_our_form(tmp_path):
    hessian = np.diag([3.0, 1.0, -5.0]).tolist()  # the largest, not the largest in size
    logs = logs_of(tmp_path, run_files("0.0_0.0003-100", 1, hessians=[hessian, hessian]))
    assert anomalies(logs) == []
    run = logs.searches[KEY]
    assert run.history["valid_error_percent"].tolist() == run.history["train_error_percent"].tolist() == ERRORS
    assert run.history["learning_rate"].tolist() == pytest.approx([0.1, 0.09, 0.08])
    assert run.history["l2"].tolist() == [3e-4] * 3
    assert run.history["genotype"].tolist() == [parse_genotype(TEXT).text()] * 3
    assert (run.curvature_epochs, run.eigenvalues, run.hessians.shape) == ([0, 2], [3.0, 3.0], (2, 3, 3))
    assert run.outcome == {"outcome": "finished", "epochs": 3}
    assert run.settings["search"]["order"] == 2 and run.settings["search"]["epochs"] == EPOCHS
    assert run.settings["published"] == {"job": "100", "folder": "s1/cifar10/0.0_0.0003-100"}
    assert logs.report["complete_searches"] == logs.report["with_hessians"] == 1


@pytest.mark.parametrize("known", [True, False])
def test_accuracies_that_stand_for_errors_are_turned_round(tmp_path, known):
    """The file of results decides; where it has no entry, the log's last line."""
    files = run_files("0.0_0.0003-100", 1, stored=[100 - error for error in ERRORS])
    logs = logs_of(tmp_path, files, errors=None if known else {"other": {1: 0.0}})
    history = logs.searches[KEY].history
    assert history["valid_error_percent"].tolist() == history["train_error_percent"].tolist() == ERRORS
    lost = "0.0_0.0003-100, seed 1: results_perf.yaml has no entry for it; its log has the error"
    assert anomalies(logs) == ([] if known else [lost])
    assert logs.report["converted"] == ["0.0_0.0003-100, seed 1"]


def test_errors_that_stand_as_errors_are_kept_without_an_entry(tmp_path):
    logs = logs_of(tmp_path, run_files("0.0_0.0003-100", 1), errors={"other": {1: 0.0}})
    assert logs.searches[KEY].history["valid_error_percent"].tolist() == ERRORS
    assert logs.report["converted"] == []


def test_an_entry_of_another_run_is_named_and_the_log_decides(tmp_path):
    files = run_files("0.0_0.0003-100", 1, stored=[100 - error for error in ERRORS])
    logs = logs_of(tmp_path, files, errors={"0.0_0.0003": {1: 12.0}})
    assert logs.searches[KEY].history["valid_error_percent"].tolist() == ERRORS
    assert "results_perf.yaml gives its last validation error as 12.000 %, its errors file as 30" in anomalies(logs)[0]


def test_nothing_to_decide_by(tmp_path):
    log = "".join(f"x epoch {epoch} lr 0.1\nx genotype = {TEXT}\n" for epoch in range(EPOCHS))
    logs = logs_of(tmp_path, run_files("0.0_0.0003-100", 1, log=log), errors={"other": {1: 0.0}})
    assert not logs.searches
    assert "no file shows whether its values are errors or accuracies" in anomalies(logs)[0]


def test_values_that_are_neither_are_no_search(tmp_path):
    logs = logs_of(tmp_path, run_files("0.0_0.0003-100", 1, stored=[50.0, 40.0, 20.0]))
    assert not logs.searches
    assert "neither the error 30.000 % nor its accuracy" in anomalies(logs)[0]


def test_a_search_that_broke_and_was_run_again(tmp_path):
    broken = run_files("0.0_0.0003-100", 1, errors=ERRORS[:2])
    broken[f"{LOGS}/s1/cifar10/0.0_0.0003-100/log_1.txt"] += "x epoch 2 lr 0.08\nx train 350 nan 0.0 0.0\n"
    logs = logs_of(tmp_path, {**broken, **run_files("0.0_0.0003-200", 1)})
    assert logs.searches[KEY].settings["published"]["job"] == "200"
    reason = "skipped: its loss is not finite from epoch 2 on; job 200 is taken instead"
    assert anomalies(logs) == [f"0.0_0.0003-100, seed 1: {reason}"]


def test_stubs_are_skipped(tmp_path):
    stub = {f"{LOGS}/s1/cifar10/0.0_0.0009-100/log_1.txt": "x gpu device = 0\nx param size\n"}
    short = run_files("0.0_0.0027-100", 1, log="x epoch 0 lr 0.1\n")
    unreadable = run_files("0.0_0.0081-100", 1, errors=ERRORS)
    unreadable[f"{LOGS}/s1/cifar10/0.0_0.0081-100/errors_1.json"] = '{"train_acc": [1'
    logs = logs_of(tmp_path, {**stub, **short, **unreadable, **run_files("0.0_0.0003-100", 1)})
    assert list(logs.searches) == [KEY]
    first, second, third = anomalies(logs)
    assert "skipped: it has no errors file and 0 genotypes" in first
    assert "skipped: of 3 epochs it has 3 of errors, 0 genotypes and 1 begun" in second
    assert "skipped: its errors file cannot be read" in third


def test_a_search_that_ended_early_is_skipped(tmp_path):
    """Its files agree with each other, but hold fewer epochs than the published settings say."""
    logs = logs_of(tmp_path, run_files("0.0_0.0003-100", 1, errors=ERRORS[:2]), errors={"0.0_0.0003": {1: 40.0}})
    assert not logs.searches
    assert "skipped: of 3 epochs it has 2 of errors, 2 genotypes and 2 begun" in anomalies(logs)[0]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "null"])
def test_errors_that_are_no_numbers(tmp_path, value):
    curves = '{"train_acc": [3, 2, 1], "valid_acc": [50, 40, 30], "train_loss": [1, %s, 1], "valid_loss": [1, 1, 1]}'
    logs = logs_of(
        tmp_path,
        run_files("0.0_0.0003-100", 1, errors=ERRORS)
        | {f"{LOGS}/s1/cifar10/0.0_0.0003-100/errors_1.json": curves % value},
    )
    assert not logs.searches
    assert "skipped: train_loss in its errors file has a value that is not finite" in anomalies(logs)[0]


@pytest.mark.parametrize(("first", "second"), [(100, 200), (99, 100)])
def test_a_second_complete_run(tmp_path, first, second):
    """The job with the higher number is taken; a conversion of the other is not counted."""
    stored = [100 - error for error in ERRORS]
    files = run_files(f"0.0_0.0003-{first}", 1, stored=stored) | run_files(f"0.0_0.0003-{second}", 1)
    logs = logs_of(tmp_path, files)
    assert logs.searches[KEY].settings["published"]["job"] == str(second)
    reason = f"skipped: it is complete too, but not the last; job {second} is taken instead"
    assert anomalies(logs) == [f"0.0_0.0003-{first}, seed 1: {reason}"]
    assert logs.report["converted"] == []


def test_disagreeing_genotypes_are_named(tmp_path):
    files = {**run_files("0.0_0.0003-100", 1, arch=OTHER), **run_files("0.0_0.0003-100", 2, arch=None)}
    errors = {"0.0_0.0003": {1: 30.0, 2: 30.0}}
    logs = logs_of(tmp_path, files, errors, {"0.0_0.0003": {1: OTHER.replace("), (", "),\n    (")}})
    assert len(logs.searches) == 2
    assert [line.split(": ")[1].split(" (")[0] for line in anomalies(logs)] == [
        "its arch file holds another genotype than the end of its log",
        "results_arch.yaml holds another genotype than the end of its log",
        "it has no arch file",
        "results_arch.yaml has no entry for it",
    ]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ('{"epoch": 0, "H": [[1.0]]}\n{"epoch": 1, "H": [[1.', "line 2 of their file cannot be read"),
        ('{"epoch": 0, "H": [[NaN]]}', "that of epoch 0 is not a finite square matrix"),
        ('{"epoch": 0, "H": [[1.0, 2.0]]}', "that of epoch 0 is not a finite square matrix"),
        ('{"epoch": 0, "H": [[1.0]]}\n{"epoch": 2, "H": [[1.0, 0.0], [0.0, 1.0]]}', "they differ in size"),
        ('{"epoch": 0, "H": [[1.0, 0.5], [0.0, 1.0]]}', "that of epoch 0 is not symmetric"),
        ('{"epoch": 0, "H": [[1.0]]}', "they are of 1 epochs up to 0 instead of 2 up to 2"),
        ("", "they are of no epoch instead of 2 up to 2"),
    ],
)
def test_hessians_that_cannot_be_used(tmp_path, lines, reason):
    logs = logs_of(tmp_path, run_files("0.0_0.0003-100", 1, derivatives=lines))
    run = logs.searches[KEY]
    assert (run.curvature_epochs, run.eigenvalues, run.hessians) == ([], [], None)
    assert reason in anomalies(logs)[0] and logs.report["with_hessians"] == 0


@pytest.mark.parametrize("place", ["log", "arch", "results"])
def test_code_in_a_genotype_is_not_run(tmp_path, place):
    mark = tmp_path / "ran"
    code = f"__import__('pathlib').Path('{mark}').touch()"
    text = f"Genotype(normal={code}, normal_concat=[], reduce=[], reduce_concat=[])"
    changes = {"log": {"genotype": text}, "arch": {"arch": text}, "results": {}}[place]
    filed = {"0.0_0.0003": {1: text if place == "results" else TEXT}}
    logs = logs_of(tmp_path, run_files("0.0_0.0003-100", 1, **changes), genotypes=filed)
    assert not mark.exists()
    reason = {
        "log": "skipped: its log cannot be read (not a genotype text: a part is not a literal",
        "arch": "its arch file holds another genotype",
        "results": "results_arch.yaml holds another genotype",
    }
    assert reason[place] in anomalies(logs)[0]
    assert len(logs.searches) == (place != "log")


def test_code_in_yaml_is_not_run(tmp_path):
    mark = tmp_path / "ran"
    files = shared_files({}, {}) | run_files("0.0_0.0003-100", 1)
    files[f"{LOGS}/config.yaml"] = f"epochs: !!python/object/apply:os.mkdir ['{mark}']\n"
    with pytest.raises(ValueError, match=r"its config.yaml is not a readable YAML mapping"):
        read_published_logs(archive(tmp_path / "logs.tar.gz", files), "s1", "cifar10", Silent())
    assert not mark.exists()


@pytest.mark.parametrize("content", ["{s1_cifar10: [1]}", "{s1_cifar10: {a: {1: [2]}}}", "{s1_cifar10: {a: b}}"])
def test_results_in_another_layout(tmp_path, content):
    files = shared_files({}, {}) | run_files("0.0_0.0003-100", 1)
    files[f"{LOGS}/results_perf.yaml"] = content
    with pytest.raises(ValueError, match=r"its results_perf.yaml is not laid out as the published one"):
        read_published_logs(archive(tmp_path / "logs.tar.gz", files), "s1", "cifar10", Silent())


def test_an_archive_that_is_cut_short(tmp_path):
    path = archive(tmp_path / "logs.tar.gz", run_files("0.0_0.0003-100", 1))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match="damaged or cut short"):
        read_published_logs(path, "s1", "cifar10", Silent())


def test_a_link_in_the_archive_is_refused(tmp_path):
    link = tarfile.TarInfo(f"{LOGS}/s1/cifar10/0.0_0.0003-100/log_1.txt")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    path = archive(tmp_path / "logs.tar.gz", run_files("0.0_0.0003-100", 2), link)
    with pytest.raises(ValueError, match="is a link or a device"):
        read_published_logs(path, "s1", "cifar10", Silent())


def test_an_archive_without_the_space(tmp_path):
    path = archive(tmp_path / "logs.tar.gz", run_files("0.0_0.0003-100", 1))
    with pytest.raises(ValueError, match="it has no search logs of s3 on svhn"):
        read_published_logs(path, "s3", "svhn", Silent())


def steady(errors, hessian=None):
    """A search of which the last validation errors are these."""
    return SearchRun(
        settings={"search": {"arch_weight_decay": 0.001}},
        history=pd.DataFrame({"valid_error_percent": [90.0, *errors]}),
        curvature_epochs=[0],
        eigenvalues=[0.0],
        hessians=None if hessian is None else np.array([hessian]),
        outcome={},
    )


@pytest.mark.parametrize(
    ("errors", "hessian", "reason"),
    [
        ([81.0] * 10, None, "all images get one class: the validation error is 81.000 % in the last 10 epochs"),
        ([81.0] * 10, np.eye(2) * np.float32(0.001), "so that the dominant eigenvalue is 0.001"),
        ([81.0] * 10, np.array([[0.001, 1e-6], [1e-6, 0.001]]), "in the last 10 epochs"),
        ([81.0] * 9 + [80.99], None, None),
        ([81.0] * 8, None, None),
        (np.linspace(20, 10, 10).tolist(), np.eye(2) * 0.001, None),
    ],
)
def test_a_network_that_tells_no_images_apart(errors, hessian, reason):
    found = published_logs._degenerate(steady(errors, hessian))
    assert (found is None) == (reason is None)
    assert reason is None or found.endswith(reason)


def test_a_space_of_which_no_logs_were_published(tmp_path):
    settings = {"space": "s2", "data_set": "cifar10", "runs": [], "access": {"mirrors": [], "offline": True}}
    with pytest.raises(ValueError, match=r"^the published search logs are of the search spaces s1 and s3, not of s2$"):
        import_published_logs.run(settings, {}, {}, Silent())


def imported(tmp_path, monkeypatch, mirror, runs):
    """Run the step; the folder of each run, and the files it says it read."""
    monkeypatch.chdir(tmp_path)
    folders = [tmp_path / "published" / f"run-{number}" for number in range(len(runs))]
    outputs = {kind: [folder / name for folder in folders] for kind, name in import_published_logs.FILES.items()}
    outputs["report"] = [tmp_path / "published" / "import.json"]
    settings = {
        "space": "s1",
        "data_set": "cifar10",
        "runs": runs,
        "access": {"mirrors": [str(mirror)], "offline": True},
    }
    return folders, import_published_logs.run(settings, {}, outputs, Silent())


def test_the_step_reads_a_local_checkout(tmp_path, monkeypatch):
    files = {**shared_files({"0.0_0.0003": {1: 30.0}}, {"0.0_0.0003": {1: TEXT}}), **run_files("0.0_0.0003-100", 1)}
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    checkout = tmp_path / "RobustDARTS-commit"
    (folder,), read = imported(tmp_path, monkeypatch, checkout, [{"l2": 3e-4, "drop_path": 0.0, "seed": 1}])
    assert read_search_run(folder).history["valid_error_percent"].tolist() == ERRORS
    assert [path.name for path in read["source"]] == ["checkout.tar"]
    assert read_json(tmp_path / "published" / "import.json")["complete_searches"] == 1
    with pytest.raises(ValueError, match=r"1 of the 1 searches asked for are not .* it has L2 \[0.0003\]"):
        imported(tmp_path, monkeypatch, checkout, [{"l2": 3e-3, "drop_path": 0.0, "seed": 1}])


# The real archive: more in test_real_published_logs.py. ---------------------------------------------------------------


@needs_logs
def test_real_tables(tmp_path, monkeypatch):
    runs = [{"l2": 3e-4, "drop_path": 0.0, "seed": 1}, {"l2": 2187e-4, "drop_path": 0.8, "seed": 3}]
    folders, _ = imported(tmp_path, monkeypatch, SHARED, runs)
    outputs = {name: [tmp_path / f"{name}.csv"] for name in ("searches", "search_epochs", "curvature", "spectra")}
    histories = {"history": [folder / "history.csv" for folder in folders]}
    search_tables.run({"stop": StopRule().model_dump()}, histories, outputs, Silent())
    searches = SEARCHES.read(outputs["searches"][0])
    assert searches["stop_epoch"].tolist()[0] == 10 and searches["stop_epoch"].isna().tolist() == [False, True]
    spectra = SPECTRA.read(outputs["spectra"][0])
    assert len(spectra) == 56 and spectra["eigenvalue"].is_monotonic_decreasing
