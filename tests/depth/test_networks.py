"""One pass gives every depth, and a pruned network is the same function with fewer blocks."""

import pytest
import torch

from workflow_scripts.depth import posterior
from workflow_scripts.depth.networks import ConvolutionalNetwork, FullyConnectedNetwork, prune
from workflow_scripts.depth.published_networks import network_from_published, published_state


def fully_connected(max_depth=4):
    torch.manual_seed(5)
    return FullyConnectedNetwork(2, 6, 3, max_depth).double()


def convolutional(max_depth=2):
    torch.manual_seed(5)
    return ConvolutionalNetwork(1, 8, 4, 3, max_depth).double()


def points():
    return torch.randn(7, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def images():
    return torch.randn(5, 1, 12, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


CASES = [(fully_connected, points), (convolutional, images)]


def used(network, x):
    """The network with running statistics that differ from their start, in evaluation mode."""
    network.train()
    network(x)
    return network.eval()


def test_parameters_by_hand():
    count = sum(parameter.numel() for parameter in fully_connected().parameters())
    assert count == (2 * 6 + 6) + 4 * (6 * 6 + 6 + 2 * 6) + (6 * 3 + 3)
    with_paper_widths = ConvolutionalNetwork(1, 64, 32, 10, 1)
    block = 2 * 64 + (64 * 32 + 32) + 2 * 32 + (9 * 32 * 32 + 32) + 2 * 32 + (32 * 64 + 64)
    head = (64 * 64 + 64) + 2 * 64 + (64 * 10 + 10)
    assert sum(parameter.numel() for parameter in with_paper_widths.parameters()) == (25 * 64 + 64) + block + head


@pytest.mark.parametrize(("build", "inputs"), CASES)
def test_one_pass_equals_running_a_truncated_network_for_each_depth(build, inputs):
    network, x = used(build(), inputs()), inputs()
    logits = network(x)
    assert logits.shape == (network.max_depth + 1, len(x), 3)
    state = network.input_layer(x)
    torch.testing.assert_close(logits[0], network.head(state))
    for depth, block in enumerate(network.blocks, start=1):
        state = block(state)
        torch.testing.assert_close(logits[depth], network.head(state))
    torch.testing.assert_close(network.deepest(x), logits[-1])
    assert not torch.allclose(logits[0], logits[-1])


@pytest.mark.parametrize(("build", "inputs"), CASES)
def test_pruned_network_is_smaller_and_gives_the_full_networks_logits(build, inputs):
    network, x = used(build(), inputs()), inputs()
    logits = network(x)
    for depth in range(network.max_depth + 1):
        smaller = prune(network, depth)
        assert type(smaller) is type(network)
        assert smaller.max_depth == depth
        assert not any(name.startswith(f"blocks.{depth}.") for name in smaller.state_dict())
        torch.testing.assert_close(smaller(x), logits[: depth + 1])
    assert network.max_depth == len(logits) - 1


def test_pruned_prediction_needs_the_kept_blocks_only():
    network, x = used(fully_connected(), points()), points()
    log_q = torch.log_softmax(torch.tensor([0.1, 0.5, 1.0, 0.2, 0.3], dtype=torch.float64), 0)
    full = posterior.pruned_log_probabilities(network(x), log_q, 2)
    small = posterior.mixture_log_probabilities(prune(network, 2)(x), posterior.prune_log_q(log_q, 2))
    torch.testing.assert_close(small, full)


def test_pruned_network_has_its_own_weights():
    network = fully_connected()
    smaller = prune(network, 1)
    with torch.no_grad():
        smaller.input_layer.weight.zero_()
    assert network.input_layer.weight.abs().sum() > 0


def test_pruning_deeper_than_the_network_is_an_error():
    with pytest.raises(ValueError, match="4 blocks"):
        prune(fully_connected(), 5)


def test_networks_that_differ_in_depth_start_alike():
    shallow, deep = fully_connected(1).state_dict(), fully_connected(4).state_dict()
    for name, tensor in shallow.items():
        torch.testing.assert_close(deep[name], tensor)


def test_head_statistics_are_updated_once_a_depth_in_order():
    network, x = convolutional().train(), images()
    network(x)
    pool, mixing, _ = network.head
    state, mean = network.input_layer(x), torch.zeros(8, dtype=torch.float64)
    for block in [lambda unchanged: unchanged, *network.blocks]:
        state = block(state)
        mean = 0.9 * mean + 0.1 * torch.relu(mixing.layers[0](pool(state))).mean(0)
    torch.testing.assert_close(mixing.layers[2].running_mean, mean)
    assert mixing.layers[2].num_batches_tracked == network.max_depth + 1


def test_deepest_leaves_the_head_to_the_last_depth():
    network = convolutional().train()
    network.deepest(images())
    assert network.head[1].layers[2].num_batches_tracked == 1


@pytest.mark.parametrize(("build", "inputs"), CASES)
def test_published_names_go_there_and_back(build, inputs):
    network, x = used(build(), inputs()), inputs()
    state = published_state(network, torch.zeros(network.max_depth + 1))
    assert "stochstic_layers.0.block.0.weight" in state
    assert "prob_model.q_logits" in state
    torch.testing.assert_close(network_from_published(state).eval()(x), network(x))


@pytest.mark.parametrize("missing", ["stochstic_layers.1.block.2.bias", "output_layer.weight"])
def test_other_state_dicts_are_refused(missing):
    state = published_state(fully_connected(), None)
    del state[missing]
    with pytest.raises(ValueError, match="state dict"):
        network_from_published(state)
