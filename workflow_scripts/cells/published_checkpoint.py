"""The published supernets: the weights that the RobustDARTS code saved for RS-ws, read into a `Supernet`.

Such a file, `search_logs_RandomNAS/<space>/<data set>/0.2_0.0003-<job>/weights_<task>.pt`, is a state dict of 2019. It
is untrusted: only tensors are read from it, and nothing in it is executed. With `chosen` the network then runs any
architecture of its space as RS-ws scored it.

Names. Our modules are named as the published ones (`ours -> published` is the identity), so a file must hold exactly
our tensors, of our shapes, but for the counters that the PyTorch of 2019 did not save: every BatchNorm has a
`num_batches_tracked`, which plays no part at a fixed momentum and is 0 here. Nothing in a file is left unused: the
published network keeps its alphas outside its state, and its other modules (`global_pooling`, `_bns`) have none.
"""

from typing import BinaryIO

import torch
from torch import Tensor

from workflow_scripts.cells.supernet import Supernet
from workflow_scripts.study.search_spaces import load_space

STEM_WIDTHS = 3  # the stem is this many times as wide as the first cells
UNSAVED = ".num_batches_tracked"
LARGEST = 10_000_000  # values in a checkpoint; the published ones have 0.7 million


def load_published_supernet(stream: BinaryIO, space: str) -> Supernet:
    """The supernet of a published checkpoint on the CPU, in float32, its sizes read off the tensors.

    Raises ValueError, in one sentence, for a file that is not a checkpoint of a supernet of `space`.
    """
    try:
        content = torch.load(stream, map_location="cpu", weights_only=True)
    except Exception as error:  # what an untrusted file can raise has no end
        raise ValueError(f"the checkpoint is not readable ({' '.join(str(error).split())[:160]})") from None
    saved = _tensors(content)
    candidates = load_space(space)
    channels, layers, classes = _sizes(saved)
    with torch.device("meta"):  # shapes alone: nothing is drawn
        network = Supernet(
            candidates["normal"],
            candidates["reduce"],
            channels,
            layers,
            classes,
            image_channels=saved["stem.0.weight"].shape[1],
        )
    state = {}
    for name, wanted in network.state_dict().items():
        if name.endswith(UNSAVED) and name not in saved:
            state[name] = torch.zeros((), dtype=torch.long)
            continue
        if name not in saved:
            raise ValueError(f"the checkpoint is not of a supernet of {space}: it lacks {name}")
        value = saved.pop(name)
        if value.shape != wanted.shape or value.dtype != wanted.dtype:
            found, right = (f"{str(one.dtype).split('.')[1]} {tuple(one.shape)}" for one in (value, wanted))
            raise ValueError(f"the checkpoint is not of a supernet of {space}: {name} is {found}, not {right}")
        state[name] = value.contiguous()
    if saved:
        raise ValueError(f"the checkpoint is not of a supernet of {space}: it also holds {min(saved)}")
    network.load_state_dict(state, assign=True)
    return network


def _tensors(content: object) -> dict[str, Tensor]:
    if not isinstance(content, dict) or not content:
        raise ValueError("the checkpoint is not a state dict")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ValueError(
                f"the checkpoint is not a state dict: it holds {str(name)[:80]}, which is not a named tensor"
            )
        if value.layout != torch.strided or value.device.type != "cpu":
            raise ValueError(f"the checkpoint is not a state dict: {name[:80]} is not a plain tensor")
    if sum(value.numel() for value in content.values()) > LARGEST:
        raise ValueError(f"the checkpoint has more than {LARGEST} values")
    return dict(content)


def _sizes(saved: dict[str, Tensor]) -> tuple[int, int, int]:
    """Channels of the first cells, cells, and classes."""
    for name, axes in (("stem.0.weight", 4), ("classifier.weight", 2)):
        if name not in saved or saved[name].ndim != axes:
            raise ValueError(f"the checkpoint is not of a supernet: it has no {name} with {axes} axes")
    width, classes = len(saved["stem.0.weight"]), len(saved["classifier.weight"])
    cells = {name.split(".")[1] for name in saved if name.startswith("cells.")}
    if (
        cells != {str(index) for index in range(len(cells))}
        or width % STEM_WIDTHS
        or not width
        or not 0 < len(cells) <= 100
    ):
        raise ValueError("the checkpoint is not of a supernet: its cells or its stem are not of the right number")
    return width // STEM_WIDTHS, len(cells), classes
