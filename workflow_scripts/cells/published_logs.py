"""The published search logs of RobustDARTS, read into the one on-disk form of a search; nothing in them is executed.

A search is one folder `<drop path>_<L2>-<job>` and one seed. Known traps are handled and named in the report: `*_acc`
holds the error in some jobs and the accuracy in others (`results_perf.yaml` always holds the error, and decides);
`results_arch.yaml` lost entries to a write race; a search that went NaN was run again as another job. The Hessians hold
the alphas' weight decay on their diagonal: the direction in which the softmax of an edge does not change has curvature
0 in the loss, and is an eigenvector with eigenvalue 1e-3 of every published Hessian.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import yaml

from workflow_scripts.data.archives import members
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.tables.genotype import parse_genotype
from workflow_scripts.tables.search_run import HISTORY, SearchRun

Key = tuple[float, float, int]  # L2, drop path, seed
LOGS = "search_logs"
FOLDER = re.compile(r"(?P<drop_path>[0-9]+(?:\.[0-9]+)?)_(?P<l2>[0-9]+(?:\.[0-9]+)?)-(?P<job>[0-9]+)")
FILE = re.compile(r"(?P<kind>derivatives|errors|log|arch)_(?P<seed>[0-9]+)(\.json|\.txt)?")
EPOCH = re.compile(r"epoch (\d+) lr (\S+)")
GENOTYPE = re.compile(r"genotype = (Genotype\(.*\))")
VALID_ACCURACY = re.compile(r"valid_acc ([0-9.]+)")
SERIES = ("train_acc", "train_loss", "valid_acc", "valid_loss")
SAME_PERCENT = 0.01  # two texts of one error differ by less
SYMMETRIC = 1e-3  # of a Hessian's largest entry: more than this is not rounding
SAME_EPOCHS = 10
LESS_THAN_AN_IMAGE = 1e-4  # percent of a validation set
ROUNDING = 1e-6  # of the weight decay in the Hessians, which are in float32
SETTINGS = (  # names in the published config.yaml that are ours too
    *("epochs", "batch_size", "init_channels", "layers", "learning_rate", "learning_rate_min", "momentum"),
    *("grad_clip", "arch_learning_rate", "arch_weight_decay"),
)


@dataclass
class PublishedLogs:
    """The complete searches of one space and data set; `report`: what was found and skipped, and why."""

    searches: dict[Key, SearchRun] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _SearchFiles:
    """The folder and the seed of one search's files."""

    folder: str
    seed: int

    @property
    def _parts(self) -> re.Match[str]:
        parts = FOLDER.fullmatch(self.folder)
        assert parts is not None
        return parts

    @property
    def name(self) -> str:
        return f"{self.folder}, seed {self.seed}"

    @property
    def key(self) -> Key:
        return float(self._parts["l2"]), float(self._parts["drop_path"]), self.seed

    @property
    def job(self) -> int:
        return int(self._parts["job"])

    @property
    def cell(self) -> tuple[str, int]:
        """Its place in the files of results."""
        return f"{self._parts['drop_path']}_{self._parts['l2']}", self.seed


class _Incomplete(Exception):
    """A log that does not hold a whole search; the message is the reason."""


def read_published_logs(archive: Path, space: str, data_set: str, progress: Progress) -> PublishedLogs:
    """Every complete search of a space and data set in an archive of the published repository.

    Raises ValueError, in one sentence, when the archive is damaged, or has no log of that space and data set.
    """
    files, shared = _read(archive, space, data_set)
    if not files:
        raise ValueError(f"{archive}: it has no search logs of {space} on {data_set}")
    try:
        errors = _results(shared, "results_perf.yaml", f"{space}_{data_set}")
        genotypes = _results(shared, "results_arch.yaml", f"{space}_{data_set}")
        search = _search_settings(_yaml(shared, "config.yaml"))
    except ValueError as error:
        raise ValueError(f"{archive}: {error}") from None
    taken: dict[Key, _SearchFiles] = {}
    converted: set[_SearchFiles] = set()
    skipped: list[tuple[Key, dict[str, str]]] = []
    anomalies: list[dict[str, str]] = []
    logs = PublishedLogs()
    ordered = sorted(files, key=lambda place: (place.key, place.job))
    for number, place in enumerate(ordered):
        parts, key = files[place], place.key
        progress.advance(number + 1, len(files), place.name)
        try:
            history, was_accuracy = _history(parts, errors.get(place.cell), key[0], search["epochs"])
        except _Incomplete as error:
            skipped.append((key, {"search": place.name, "what": f"skipped: {error}"}))
            anomalies.append(skipped[-1][1])
            continue
        if key in taken:  # the jobs of one search come in order
            skipped.append((key, {"search": taken[key].name, "what": "skipped: it is complete too, but not the last"}))
            anomalies.append(skipped[-1][1])
        taken[key] = place
        if was_accuracy:
            converted.add(place)
        epochs, hessians, trouble = _hessians(parts.get("derivatives"), search)
        for what in (*trouble, *_disagreements(history, parts, errors.get(place.cell), genotypes.get(place.cell))):
            anomalies.append({"search": place.name, "what": what})
        logs.searches[key] = SearchRun(
            settings={
                "space": space,
                "images": {"data_set": data_set},
                "l2": key[0],
                "drop_path": key[1],
                "seed": key[2],
                "search": search,
                "published": {"job": str(place.job), "folder": f"{space}/{data_set}/{place.folder}"},
            },
            history=HISTORY.frame(history),
            curvature_epochs=epochs,
            eigenvalues=[] if hessians is None else np.linalg.eigvalsh(hessians)[:, -1].tolist(),
            hessians=hessians,
            outcome={"outcome": "finished", "epochs": len(history)},
        )
    for key, entry in skipped:
        if key in taken:
            entry["what"] += f"; job {taken[key].job} is taken instead"
    why = {taken[key].name: _degenerate(run) for key, run in logs.searches.items()}
    curved = [run.hessians for run in logs.searches.values() if run.hessians is not None]
    logs.report = {
        "archive": archive.name,
        "space": space,
        "data_set": data_set,
        "complete_searches": len(logs.searches),
        "with_hessians": len(curved),
        "hessian_sizes": sorted({int(hessians.shape[-1]) for hessians in curved}),
        "anomalies": anomalies,
        "degenerate": [{"search": name, "what": what} for name, what in why.items() if what is not None],
        "converted": [place.name for place in taken.values() if place in converted],  # accuracies turned into errors
    }
    return logs


def _read(archive: Path, space: str, data_set: str) -> tuple[dict[_SearchFiles, dict[str, str]], dict[str, bytes]]:
    """The files of every search by kind, and the YAML files that all share."""

    def place(name: str) -> tuple[str, ...] | None:
        parts = PurePosixPath(name).parts
        return parts[3:] if len(parts) > 3 and parts[1:3] == ("experiments", LOGS) else None

    def wanted(name: str) -> bool:
        parts = place(name)
        if parts is None:
            return False
        if len(parts) == 1:
            return parts[0].endswith(".yaml")
        return len(parts) == 4 and parts[:2] == (space, data_set) and bool(FOLDER.fullmatch(parts[2]))

    files: dict[_SearchFiles, dict[str, str]] = {}
    shared: dict[str, bytes] = {}
    for name, content in members(archive, wanted):
        parts = place(name)
        assert parts is not None
        file = FILE.fullmatch(parts[-1])
        if len(parts) == 1:
            shared[parts[0]] = content
        elif file is not None:
            kinds = files.setdefault(_SearchFiles(parts[2], int(file["seed"])), {})
            kinds[file["kind"]] = content.decode("utf-8", errors="replace")
    return files, shared


def _history(
    parts: dict[str, str], filed_error: float | None, l2: float, epochs: int
) -> tuple[list[dict[str, Any]], bool]:
    """The rows of a search's history, and whether the log had its errors as accuracies. Raises _Incomplete."""
    log = parts.get("log", "")
    genotypes, begun = GENOTYPE.findall(log), EPOCH.findall(log)
    nan = re.search(r"\bnan\b", log)
    if nan:
        before = EPOCH.findall(log[: nan.start()])
        raise _Incomplete(f"its loss is not finite from epoch {before[-1][0] if before else 0} on")
    if "errors" not in parts:
        raise _Incomplete(f"it has no errors file and {len(genotypes)} genotypes, so it did not end")
    try:
        curves = json.loads(parts["errors"])
        series = {name: np.array(curves[name], dtype=np.float64) for name in SERIES}
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise _Incomplete(f"its errors file cannot be read ({error})") from None
    lengths = sorted({values.size for values in series.values()})
    in_order = [number for number, _ in begun] == [str(epoch) for epoch in range(epochs)]
    if lengths != [epochs] or len(genotypes) != epochs or not in_order:
        raise _Incomplete(
            f"of {epochs} epochs it has {lengths[0]} of errors, {len(genotypes)} genotypes and {len(begun)} begun"
        )
    for name, values in series.items():
        if values.ndim != 1 or not np.isfinite(values).all():
            raise _Incomplete(f"{name} in its errors file has a value that is not finite")
    try:
        rates = [float(rate) for _, rate in begun]
        texts = [parse_genotype(text).text() for text in genotypes]
    except ValueError as error:
        raise _Incomplete(f"its log cannot be read ({error})") from None
    was_accuracy = _is_accuracy(float(series["valid_acc"][-1]), filed_error, _logged_error(log))
    percent = {
        part: (100 - series[f"{part}_acc"] if was_accuracy else series[f"{part}_acc"]).tolist()
        for part in ("train", "valid")
    }
    return [
        {
            "epoch": epoch,
            "learning_rate": rates[epoch],
            "l2": l2,
            "train_loss": float(series["train_loss"][epoch]),
            "train_error_percent": percent["train"][epoch],
            "valid_loss": float(series["valid_loss"][epoch]),
            "valid_error_percent": percent["valid"][epoch],
            "genotype": texts[epoch],
        }
        for epoch in range(epochs)
    ], was_accuracy


def _logged_error(log: str) -> float | None:
    """The last validation error of a log, which holds accuracies."""
    accuracies = VALID_ACCURACY.findall(log)
    try:
        return 100 - float(accuracies[-1])
    except (IndexError, ValueError):
        return None


def _is_accuracy(last: float, *errors: float | None) -> bool:
    """Whether `last` is an accuracy, by the first of the known errors that it fits at all. Raises _Incomplete."""
    known = [error for error in errors if error is not None]
    for error in known:
        if abs(last - error) < SAME_PERCENT:
            return False
        if abs(100 - last - error) < SAME_PERCENT:
            return True
    if not known:
        raise _Incomplete("no file shows whether its values are errors or accuracies")
    raise _Incomplete(f"its last validation value {last:.3f} is neither the error {known[0]:.3f} % nor its accuracy")


def _hessians(text: str | None, search: dict[str, Any]) -> tuple[list[int], np.ndarray | None, list[str]]:
    """Epochs and Hessians (m, n, n) of a derivatives file, and what is wrong with it; one that lacks any is left out.

    A part would be worse than none: its last Hessian would pass for the final one.
    """
    if text is None:
        return [], None, []
    epochs: list[int] = []
    hessians: list[np.ndarray] = []
    for number, line in enumerate(text.splitlines()):
        try:
            entry = json.loads(line)
            hessian = np.array(entry["H"], dtype=np.float64)
            epoch = int(entry["epoch"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return [], None, [f"its Hessians are left out: line {number + 1} of their file cannot be read"]
        square = hessian.ndim == 2 and hessian.shape[0] == hessian.shape[1] and hessian.size > 0
        if not square or not np.isfinite(hessian).all():
            return [], None, [f"its Hessians are left out: that of epoch {epoch} is not a finite square matrix"]
        if np.abs(hessian - hessian.T).max() > SYMMETRIC * np.abs(hessian).max():
            return [], None, [f"its Hessians are left out: that of epoch {epoch} is not symmetric"]
        epochs.append(epoch)
        hessians.append((hessian + hessian.T) / 2)
    last = search["epochs"] - 1
    expected = sorted({*range(0, last, search["curvature"]["every"]), last})
    if epochs != expected:
        held = f"of {len(epochs)} epochs up to {epochs[-1]}" if epochs else "of no epoch"
        return [], None, [f"its Hessians are left out: they are {held} instead of {len(expected)} up to {last}"]
    if len({len(hessian) for hessian in hessians}) > 1:
        return [], None, ["its Hessians are left out: they differ in size"]
    return epochs, np.stack(hessians), []


def _degenerate(run: SearchRun) -> str | None:
    """Why a search says nothing about its space: its network no longer tells images apart; None where it does."""
    errors = run.history["valid_error_percent"].iloc[-SAME_EPOCHS:]
    if len(errors) < SAME_EPOCHS or errors.max() - errors.min() > LESS_THAN_AN_IMAGE:
        return None
    what = f"all images get one class: the validation error is {errors.iloc[-1]:.3f} % in the last {SAME_EPOCHS} epochs"
    decay = run.settings["search"].get("arch_weight_decay", 0.0)
    rest = 0.0 if run.hessians is None else np.abs(run.hessians[-1] - decay * np.eye(len(run.hessians[-1]))).max()
    if run.hessians is None or rest > ROUNDING * decay:
        return what
    return f"{what}; the last Hessian is the alphas' weight decay alone, so that the dominant eigenvalue is {decay:g}"


def _disagreements(
    history: list[dict[str, Any]], parts: dict[str, str], filed_error: float | None, filed: str | None
) -> Iterator[str]:
    """Where the end of a search's history differs from the other files."""
    error = history[-1]["valid_error_percent"]
    for source, other in (("its log", _logged_error(parts["log"])), ("results_perf.yaml", filed_error)):
        if other is not None and abs(other - error) >= SAME_PERCENT:
            yield f"{source} gives its last validation error as {other:.3f} %, its errors file as {error:.3f} %"
    if filed_error is None:
        yield "results_perf.yaml has no entry for it; its log has the error"
    last = history[-1]["genotype"]
    if "arch" not in parts:
        yield "it has no arch file"
    elif not _same_genotype(parts["arch"], last):
        yield "its arch file holds another genotype than the end of its log"
    if filed is None:
        yield "results_arch.yaml has no entry for it (lost when several jobs wrote the file); its log has the genotype"
    elif not _same_genotype(filed, last):
        yield "results_arch.yaml holds another genotype than the end of its log"


def _same_genotype(text: str, expected: str) -> bool:
    try:
        return parse_genotype(" ".join(text.split())).text() == expected
    except ValueError:
        return False


def _results(shared: dict[str, bytes], file: str, group: str) -> dict[tuple[str, int], Any]:
    """A results file's entries of one space and data set, by (setting, seed). Raises ValueError."""
    kinds = (str,) if file == "results_arch.yaml" else (float, int)
    try:
        settings = _yaml(shared, file).get(group, {})
        found = {(str(name), int(seed)): value for name, seeds in settings.items() for seed, value in seeds.items()}
    except (AttributeError, TypeError):
        found = {("", 0): None}
    if not all(isinstance(value, kinds) for value in found.values()):
        raise ValueError(f"its {file} is not laid out as the published one")
    return found


def _yaml(shared: dict[str, bytes], file: str) -> dict[str, Any]:
    """A YAML file's mapping, empty where the file is absent; safe loading, which makes plain values only."""
    try:
        value = yaml.load(shared.get(file, b"{}"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ValueError(f"its {file} is not a readable YAML mapping")
    return value


def _search_settings(config: dict[str, Any]) -> dict[str, Any]:
    """The published settings under our names."""
    settings = {name: config[name] for name in SETTINGS if name in config}
    try:
        return {
            **settings,
            "epochs": int(config.get("epochs", 50)),
            "order": 2 if config.get("unrolled", True) else 1,
            "validation_fraction": 1 - float(config.get("train_portion", 0.5)),
            "curvature": {"kind": "full", "every": max(1, int(config.get("report_freq_hessian", 2))), "images": None},
        }
    except (TypeError, ValueError):
        raise ValueError("its config.yaml is not laid out as the published one") from None
