"""Compare our computations with reference vectors.

    python -m workflow_scripts.conformance FILE [FILE ...]

Each FILE holds inputs and the values a reference computed from them in float64. Every expected quantity is computed
again with our code and printed with its shape, its relative error and a verdict.
Exit status: 0 when all agree, 1 when one does not, 2 when a file cannot be used.
"""

import math
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from workflow_scripts.cells import conformance as cells
from workflow_scripts.depth import conformance as depth
from workflow_scripts.runtime.command_line import documented_parser

KINDS = {**cells.KINDS, **depth.KINDS}

# Relative tolerances in float64. The second-order gradient holds a finite difference; the Hessian and states after
# training steps gather rounding over many operations.
TOLERANCE = 1e-9
TOLERANCES = {
    "grad_alphas_second_order": 1e-6,
    "hessian": 1e-8,
    "parameters_after_step": 1e-8,
    "state_dict_after": 1e-8,
}
ABSOLUTE = 1e-12  # for a tensor whose expected values are all zero


class BadVector(Exception):
    """A file that cannot be used as a reference vector; its text is one sentence."""


def load_vector(path: Path) -> dict[str, Any]:
    """A reference vector, read without executing anything. Raises BadVector."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a refused file gets one sentence
            vector = torch.load(path, weights_only=True, map_location="cpu")
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise BadVector(f"{path}: cannot be read ({error.strerror})") from None
    except Exception:
        raise BadVector(f"{path}: not a reference vector (torch.load with weights_only=True refuses it)") from None
    if not isinstance(vector, dict) or not {"kind", "config", "expected"} <= set(vector):
        raise BadVector(f"{path}: a reference vector has the keys kind, config and expected")
    if not isinstance(vector["expected"], dict) or not vector["expected"]:
        raise BadVector(f"{path}: its expected values are not a dictionary with at least one quantity")
    if not isinstance(vector["kind"], str) or vector["kind"] not in KINDS:
        raise BadVector(f"{path}: unknown kind {vector['kind']!r}; known are {', '.join(KINDS)}")
    return vector


def leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every quantity of a nested mapping with its dotted name."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{name}/")
        else:
            yield prefix + name, value


def error_of(ours: Any, expected: Any) -> float:
    """Relative error ||ours - expected|| / ||expected||; for texts and absent values 0 when equal, else infinite."""
    if expected is None or isinstance(expected, str):
        return 0.0 if ours == expected else math.inf
    if ours is None:
        return math.inf
    ours, expected = (torch.as_tensor(value, dtype=torch.float64) for value in (ours, expected))
    if ours.shape != expected.shape:
        return math.inf
    difference, size = float((ours - expected).norm()), float(expected.norm())
    if size == 0:
        return 0.0 if difference <= ABSOLUTE else math.inf
    relative = difference / size
    return relative if math.isfinite(relative) else math.inf


def compare(vector: dict[str, Any]) -> list[tuple[str, str, float, bool]]:
    """Per expected quantity its name, shape, relative error and whether it agrees."""
    ours = dict(leaves(KINDS[vector["kind"]](vector)))
    rows = []
    for name, expected in leaves(vector["expected"]):
        error = error_of(ours.get(name), expected)
        rows.append((name, _shape(expected), error, error <= TOLERANCES.get(name.split("/")[0], TOLERANCE)))
    return rows


def _shape(expected: Any) -> str:
    if expected is None or isinstance(expected, str):
        return "absent" if expected is None else "text"
    return str(tuple(torch.as_tensor(expected).shape))


def main(arguments: list[str] | None = None) -> int:
    """Compare every file given on the command line; returns the exit status."""
    parser = documented_parser("conformance", __doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    torch.set_num_threads(1)
    disagreements = 0
    try:
        for path in parser.parse_args(arguments).files:
            vector = load_vector(path)
            try:
                rows = compare(vector)
            except Exception as error:  # whatever the inputs of a file from elsewhere lead to
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise BadVector(f"{path}: its inputs do not fit its kind {vector['kind']} ({reason})") from None
            print(f"{path}: {vector['kind']}")
            for name, shape, distance, agrees in rows:
                print(f"  {name:60s} {shape:16s} {distance:9.2e}  {'agrees' if agrees else 'DISAGREES'}")
            wrong = sum(not agrees for *_, agrees in rows)
            print(f"  {len(rows) - wrong} of {len(rows)} quantities agree")
            disagreements += wrong
    except BadVector as error:
        print(error, file=sys.stderr)
        return 2
    return 1 if disagreements else 0


if __name__ == "__main__":
    sys.exit(main())
