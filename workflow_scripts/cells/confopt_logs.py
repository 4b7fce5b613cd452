"""The search logs of ConfigurableOptimizer, read into the one on-disk form of a search; nothing in them is executed.

A log holds, for each epoch, loss and accuracy on the weights' images and on the validation images, and then both alpha
matrices (normal, reduction), where the alphas are trained: LoRA-DARTS begins with ten epochs without. It has no
eigenvalues, and its test accuracies are a surrogate's, not of a trained network, so they are left out. Its settings are
not in it: `L2` and `DROP_PATH` are the defaults of the repository's DARTS profile (src/confopt/profiles at commit
0764c304).
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from workflow_scripts.cells.discretisation import strongest_edges
from workflow_scripts.study.search_spaces import NODES, Space
from workflow_scripts.tables.genotype import Genotype
from workflow_scripts.tables.search_run import HISTORY, SearchRun

L2, DROP_PATH = 3e-4, 0.0
PREFIXES = {"confopt": "darts", "confopt_lora": "lora_darts"}
"""By source, how the names of its files begin; space and seed follow."""
MOST_BYTES = 1 << 20
"""Of a log; the largest has 67 kilobytes."""
NUMBER = r"-?[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?"
LINE = re.compile(
    rf"\[(\d+)-(\d+)\] (?P<part>Search: Model metrics|Evaluation:)\s*: loss=({NUMBER}), accuracy@1=({NUMBER})%"
)
ALPHA = re.compile(r"alpha ([01]) is Parameter containing:\ntensor\((\[\[[^a-df-z]*\]\])")


@dataclass(frozen=True)
class ConfoptLog:
    """A search with its alphas: per cell kind (epochs, edges, operations), of the epochs (m,) that have some."""

    search: SearchRun
    alphas: dict[str, np.ndarray]


def read_confopt_log(path: Path, space: str, candidates: Space, data_set: str, seed: int) -> ConfoptLog:
    """One log as a search. Raises ValueError, in one sentence that names the file, where it is not as published."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES} bytes, more than any of the published logs")
        return _read(path.read_text(encoding="utf-8"), path.name, space, candidates, data_set, seed)
    except ValueError as error:
        raise ValueError(f"{path}: this is not such a log ({error})") from None


def _read(text: str, file: str, space: str, candidates: Space, data_set: str, seed: int) -> ConfoptLog:
    metrics: dict[str, list[tuple[float, float]]] = {"Search: Model metrics": [], "Evaluation:": []}
    ends = []  # of each epoch's last line of metrics, where its alphas follow
    for found in LINE.finditer(text):
        values, epochs = metrics[found["part"]], int(found[2])
        values.append((float(found[4]), float(found[5])))
        if int(found[1]) != len(values):
            raise ValueError(f"epoch {found[1]} stands where epoch {len(values)} should")
        if found["part"] == "Evaluation:":
            ends.append(found.end())
    training, evaluation = metrics.values()
    if not evaluation or len(training) != len(evaluation) or len(evaluation) != epochs:
        raise ValueError(f"it has {len(training)} epochs trained and {len(evaluation)} evaluated")
    if not all(0 <= accuracy <= 100 for _, accuracy in training + evaluation):
        raise ValueError("an accuracy is not between 0 and 100 %")
    rows, alphas = list[dict[str, object]](), dict[int, dict[str, np.ndarray]]()
    for epoch, (begin, end) in enumerate(zip(ends, [*ends[1:], len(text)], strict=True)):
        alphas |= {epoch: matrices} if (matrices := _alphas(text[begin:end], candidates, epoch)) else {}
        genotype = None
        if epoch in alphas:
            cells = (
                strongest_edges(candidates[kind], torch.from_numpy(values).softmax(-1), NODES)
                for kind, values in alphas[epoch].items()
            )
            genotype = Genotype(*cells).text()
        rows.append(
            {
                "epoch": epoch,
                "learning_rate": None,
                "l2": L2,
                "train_loss": training[epoch][0],
                "train_error_percent": 100 - training[epoch][1],
                "valid_loss": evaluation[epoch][0],
                "valid_error_percent": 100 - evaluation[epoch][1],
                "genotype": genotype,
            }
        )
    if epochs - 1 not in alphas:
        raise ValueError("its last epoch has no alphas")
    settings = {
        "space": space,
        "images": {"data_set": data_set},
        "l2": L2,
        "drop_path": DROP_PATH,
        "seed": seed,
        "search": {"epochs": epochs},
        "published": {"file": file},
    }
    outcome = {"outcome": "finished", "epochs": epochs}
    kinds = {kind: np.stack([found[kind] for found in alphas.values()]) for kind in ("normal", "reduce")}
    return ConfoptLog(
        SearchRun(settings, HISTORY.frame(rows), [], [], None, outcome), {"epoch": np.array(list(alphas)), **kinds}
    )


def _alphas(text: str, candidates: Space, epoch: int) -> dict[str, np.ndarray]:
    """The two matrices that follow an epoch's metrics; empty where there is none."""
    found = {}
    for number, matrix in ALPHA.findall(text):
        kind = ("normal", "reduce")[int(number)]
        rows = [re.findall(NUMBER, row) for row in matrix.split("],")]
        if kind in found or [len(row) for row in rows] != [len(names) for names in candidates[kind]]:
            raise ValueError(f"the alphas of epoch {epoch + 1} are not of this space")
        found[kind] = np.array(rows, dtype=np.float64)
    if len(found) == 1 or len(found) != text.count("alpha "):
        raise ValueError(f"the alphas of epoch {epoch + 1} cannot be read")
    return found
