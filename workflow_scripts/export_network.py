"""Write a trained network as one file that runs without this project: ONNX, or an exported program of torch.

    python -m workflow_scripts.export_network FOLDER network.onnx
    python -m workflow_scripts.export_network FOLDER network.pt2

FOLDER is that of a training from scratch, results/<study>/cells/evaluations/.../seed-<n>, or of a depth network,
results/<study>/depth/<group>/<run>, which is pruned at the depth that its posterior chose. The file takes images as
they are stored, uint8 (n, channels, side, side), and normalises them itself; of spirals it takes standardised points
(n, 2). It gives class probabilities (n, classes). It is written only where its outputs are ours, to 1e-5. A record of
what it was made from is written beside it, to FILE.json.
"""

import contextlib
import io
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from workflow_scripts.cells.trained_network import load_found_network
from workflow_scripts.depth.trained_network import load_depth_network
from workflow_scripts.export_record import write_with_record
from workflow_scripts.runtime.command_line import documented_parser, print_error, print_lines
from workflow_scripts.study.cell_job_settings import Images

TOLERANCE = 1e-5
"""Largest difference between a probability of the file and ours."""
KINDS = (".onnx", ".pt2")
INPUT, OUTPUT = "images", "probabilities"
Predict = Callable[[Tensor], Tensor]


def main(arguments: list[str] | None = None) -> int:
    """Write the network the command line names; returns the exit status."""
    parser = documented_parser("export_network", __doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="of a training or of a depth network")
    parser.add_argument("file", type=Path, metavar="FILE", help="what to write; its name ends in .onnx or .pt2")
    options = parser.parse_args(arguments)
    if options.file.suffix not in KINDS:
        parser.error(f"FILE is {options.file}; its name must end in .onnx or .pt2")
    try:
        print_lines(export(options.folder, options.file))
    except (ValueError, OSError) as error:
        print_error(error)
        return 1
    return 0


def export(folder: Path, file: Path) -> str:
    """Write the network of a folder to a file; a line that says what it is. Raises ValueError where it cannot be."""
    if not folder.is_dir():
        raise ValueError(f"{folder}: there is no such folder")
    try:
        predict, module, images, name = _network(folder)
    except ValueError as error:
        raise ValueError(str(error) if str(error).startswith(str(folder)) else f"{folder}: {error}") from None
    example = _examples(images, 2)
    if file.suffix == ".onnx":
        content, run, packages = _onnx(module, example, name)
    else:
        content, run, packages = _program(module, example)
    difference = 0.0
    for number in (1, 2, 5):
        some = _examples(images, number)
        difference = max(difference, float((run(some) - predict(some)).abs().max()))
    if not difference <= TOLERANCE:
        raise ValueError(f"{folder}: the exported network differs by {difference:.1e} from ours; nothing was written")
    kind, shape = str(example.dtype).removeprefix("torch."), ["n", *example.shape[1:]]
    facts = {
        "input": {"name": name, "type": kind, "shape": shape},
        "output": {"name": OUTPUT, "type": "float32", "shape": ["n", predict(example).shape[1]]},
        "differs_at_most": TOLERANCE,
        "software": {package: version(package) for package in packages},
    }
    used = [
        path for path in (folder / "weights.pt", folder / "outcome.json", folder / "settings.json") if path.exists()
    ]
    write_with_record(file, content, used, facts)
    given = f"{kind} {name} ({', '.join(map(str, shape))})"
    return f"{file}: {given} to {OUTPUT}, which differ from ours by {difference:.0e} at most"


def _network(folder: Path) -> tuple[Predict, nn.Module, Images | None, str]:
    """How we predict, the plain module, the images it takes or None for points, and the name of its input."""
    if (folder / "settings.json").exists():  # of a depth network alone
        deep = load_depth_network(folder)
        return deep.predict, deep.module(), deep.images, INPUT if deep.images is not None else "points"
    found = load_found_network(folder)
    return found.predict, found.module(), found.images, INPUT


def _examples(images: Images | None, number: int) -> Tensor:
    generator = torch.Generator().manual_seed(number)
    if images is None:
        return torch.randn((number, 2), generator=generator)
    shape = (number, images.channels, images.side, images.side)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def _exported(module: nn.Module, example: Tensor) -> ExportedProgram:
    """A program for any number of images; what names files of this machine is taken out."""
    program = torch.export.export(module, (example,), dynamic_shapes=({0: Dim("n")},))
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
    return program


def _program(module: nn.Module, example: Tensor) -> tuple[bytes, Predict, list[str]]:
    """An exported program's file, how it is run, and the packages that made it."""
    content = io.BytesIO()  # a path would enter the bytes
    torch.export.save(_exported(module, example), content)
    loaded = torch.export.load(io.BytesIO(content.getvalue())).module()

    def run(given: Tensor) -> Tensor:
        with torch.no_grad():
            computed: Tensor = loaded(given)
        return computed

    return content.getvalue(), run, ["torch"]


def _onnx(module: nn.Module, example: Tensor, name: str) -> tuple[bytes, Predict, list[str]]:
    """The same for ONNX. Raises ValueError where its packages are not installed."""
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401  which torch needs
    except ImportError as error:
        raise ValueError(f"ONNX needs the package {error.name}; install the extras with `make .venv/.extras`") from None
    with contextlib.redirect_stdout(io.StringIO()):  # torch's report of each step
        made: Any = torch.onnx.export(
            _exported(module, example), dynamo=True, input_names=[name], output_names=[OUTPUT], verbose=False
        )
    content = made.model_proto.SerializeToString(deterministic=True)
    onnx.checker.check_model(content)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def run(given: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {name: given.numpy()})[0])

    return content, run, ["torch", "onnx", "onnxscript", "onnxruntime"]


if __name__ == "__main__":
    sys.exit(main())
