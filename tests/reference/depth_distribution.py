"""How the plain reference ends after the paper's 8000 epochs, over seeds: python -m tests.reference.depth_distribution

Training at this learning rate is chaotic, so two correct implementations agree in distribution only. The plain loop
takes about a minute a run; what it found is kept in tests/depth/reference_distribution.csv, which this prints anew.
"""

import sys

import torch

from workflow_scripts.depth.published_networks import published_state
from workflow_scripts.depth.run_setup import build, load
from workflow_scripts.reference import depth
from workflow_scripts.study.depth_settings import DepthRun

DEPTHS = (5, 10)
SEEDS = tuple(range(1, 9))
EPOCHS = 8000
COLUMNS = ("max_depth", "seed", "expected_depth", "d_opt", "negative_log_likelihood", "test_error_percent")


def learnt_run(max_depth: int, seed: int) -> DepthRun:
    """The run that both implementations make: the paper's spirals and width, never stopped early."""
    training = {"epochs": EPOCHS, "patience": EPOCHS}
    return DepthRun(model="ldn", max_depth=max_depth, data_seed=seed, weight_seed=seed, training=training)


def main() -> None:
    torch.set_num_threads(1)
    print(*COLUMNS, sep=",", flush=True)
    for max_depth in DEPTHS:
        for seed in SEEDS:
            run = learnt_run(max_depth, seed)
            data = load(run)
            (x, y), (x_test, y_test) = data.train, data.test
            network = depth.fully_connected_network(2, run.width, max_depth, 2, learnt=True)
            network.load_state_dict(published_state(build(run).network, torch.zeros(max_depth + 1)))
            config = {"method": "LDN", "max_depth": max_depth, "prior_decay": run.prior_decay, "epochs": EPOCHS}
            config |= {"learning_rate": 0.1, "momentum": 0.5, "weight_decay": 0.0}
            nll = depth.train(network, x, y, config)["negative_log_likelihood"]
            network.eval()
            with torch.no_grad():
                q = network.prob_model()
                wrong = depth.mixture_probabilities(q, network(x_test)).argmax(dim=-1) != y_test
            numbers = (depth.expected_depth(q), nll[-500:].median().item(), 100 * wrong.double().mean().item())
            row = (numbers[0], depth.optimal_depth(q), *numbers[1:])
            print(max_depth, seed, *(f"{number:.6g}" for number in row), sep=",", flush=True)


if __name__ == "__main__":
    sys.exit(main())
