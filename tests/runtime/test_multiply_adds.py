"""The count is torch's, on every kind of network."""

import pytest
import torch
from cells.tiny import alphas_of, batch_of, supernet
from torch.utils.flop_counter import FlopCounterMode

from workflow_scripts.cells.genotype_network import EvaluationNetwork
from workflow_scripts.depth.networks import ConvolutionalNetwork, FullyConnectedNetwork
from workflow_scripts.runtime.multiply_adds import count_multiply_adds
from workflow_scripts.tables.genotype import Genotype

CELL = (("sep_conv_3x3", 0), ("dil_conv_5x5", 1), ("skip_connect", 0), ("max_pool_3x3", 1)) * 2
IMAGES = batch_of(count=3)[0].float()


PASSES = {
    "supernet": lambda: supernet(dtype=torch.float32)(IMAGES, alphas_of(supernet(dtype=torch.float32))),
    "found": lambda: EvaluationNetwork(Genotype(CELL, CELL), 4, 5, 10, False)(IMAGES, 0.0, torch.Generator()),
    "images": lambda: ConvolutionalNetwork(3, 6, 3, 10, 2)(IMAGES),
    "deepest": lambda: ConvolutionalNetwork(3, 6, 3, 10, 2).deepest(IMAGES),
    "spirals": lambda: FullyConnectedNetwork(2, 5, 3, 4)(torch.ones(7, 2)),
}


@pytest.mark.parametrize("name", PASSES)
def test_the_count_is_that_of_torch(name):
    forward = PASSES[name]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        forward()
    assert count_multiply_adds(forward) * 2 == counter.get_total_flops() > 0


def test_nothing_is_counted_afterwards_and_an_error_leaves_no_counter():
    layer, calls = torch.nn.Linear(2, 3), []
    assert count_multiply_adds(lambda: layer(torch.ones(1, 2))) == 6
    with pytest.raises(ZeroDivisionError):
        count_multiply_adds(lambda: calls.append(layer(torch.ones(1, 2))) or 1 / 0)
    assert torch.nn.modules.module._global_forward_hooks == {}
