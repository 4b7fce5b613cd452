"""Networks from state dicts in the names of the published code, and back.

The published classes call blocks `stochstic_layers.I.block.N` (spelt so), the head `output_layer` and the parameter of
q `prob_model.q_logits`, which deterministic networks lack. Convolutional blocks appear a second time as
`stochstic_layers.I.net.N`. Source: cambridge-mlg/arch_uncert at commit d6bd84f.
"""

import re
from collections.abc import Mapping

from torch import Tensor, nn

from workflow_scripts.depth.networks import ConvolutionalNetwork, DepthNetwork, FullyConnectedNetwork

Q_LOGITS = "prob_model.q_logits"
_DUPLICATE = re.compile(r"^stochstic_layers\.\d+\.net\.")
_TO_OURS = (
    (re.compile(r"^stochstic_layers\.(\d+)\.block\."), r"blocks.\1.layers."),
    (re.compile(r"^output_layer\.1\.ops\."), "head.1.layers."),
    (re.compile(r"^output_layer\."), "head."),
)
_TO_PUBLISHED = (
    (re.compile(r"^blocks\.(\d+)\.layers\."), r"stochstic_layers.\1.block."),
    (re.compile(r"^head\.1\.layers\."), "output_layer.1.ops."),
    (re.compile(r"^head\."), "output_layer."),
)


def network_from_published(state: Mapping[str, Tensor]) -> DepthNetwork:
    """The network that a published state dict describes, in its precision; sizes are read off the tensors' shapes.

    Raises ValueError when the state dict is not one of the two published networks.
    """
    names = {name: tensor for name, tensor in state.items() if name != Q_LOGITS and not _DUPLICATE.match(name)}
    ours = {_rename(name, _TO_OURS): tensor for name, tensor in names.items()}
    depth = len({name.split(".")[1] for name in ours if name.startswith("blocks.")})
    network: DepthNetwork
    if "input_layer.weight" in ours and "head.weight" in ours:
        width, features = ours["input_layer.weight"].shape
        network = FullyConnectedNetwork(features, width, len(ours["head.weight"]), depth)
    elif "input_layer.0.weight" in ours and "head.2.weight" in ours:
        outer, channels = ours["input_layer.0.weight"].shape[:2]
        inner = len(ours["blocks.0.layers.2.weight"]) if depth else 1
        network = ConvolutionalNetwork(channels, outer, inner, len(ours["head.2.weight"]), depth)
    else:
        raise ValueError("the state dict has neither input_layer.weight nor input_layer.0.weight with its output_layer")
    network.to(next(iter(ours.values())).dtype)
    try:
        network.load_state_dict(ours)
    except RuntimeError as error:
        raise ValueError(f"the state dict is not that of a published depth network: {error}") from error
    return network


def published_state(network: DepthNetwork, q_logits: Tensor | None) -> dict[str, Tensor]:
    """The network's state in published names, with q's parameter where it has one."""
    state: dict[str, Tensor] = {}
    for name, tensor in network.state_dict().items():
        published = _rename(name, _TO_PUBLISHED)
        state[published] = tensor
        if isinstance(network, ConvolutionalNetwork) and name.startswith("blocks."):
            state[published.replace(".block.", ".net.", 1)] = tensor
    if q_logits is not None:
        state[Q_LOGITS] = q_logits.detach()
    return state


def q_logits_from_published(state: Mapping[str, Tensor], into: nn.Parameter) -> None:
    """Copy the parameter of q of a published LDN. Raises ValueError when the state dict has none of that size."""
    if Q_LOGITS not in state or state[Q_LOGITS].shape != into.shape:
        raise ValueError(f"the state dict has no {Q_LOGITS} with {len(into)} entries, so it is not an LDN that deep")
    into.data.copy_(state[Q_LOGITS])


def _rename(name: str, rules: tuple[tuple[re.Pattern[str], str], ...]) -> str:
    for pattern, replacement in rules:
        if pattern.match(name):
            return pattern.sub(replacement, name)
    return name
