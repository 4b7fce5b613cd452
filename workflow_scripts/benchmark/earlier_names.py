"""Today's names for what an earlier checkout has under another one.

What measures imports by today's names. The tables hold the names of commit 02ab28b, the build that the targets of
docs/performance.md are ratios to; what a checkout has under today's name stays.
"""

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from typing import Any

MODULES = {
    "workflow_scripts.cells.bilevel_step": "workflow_scripts.cells.bilevel",
    "workflow_scripts.cells.genotype_network": "workflow_scripts.cells.evaluation_network",
    "workflow_scripts.cells.genotype_training": "workflow_scripts.cells.evaluation",
    "workflow_scripts.cells.random_search_with_weight_sharing": "workflow_scripts.cells.random_search",
    "workflow_scripts.data.image_batches": "workflow_scripts.data.images",
    "workflow_scripts.depth.run_setup": "workflow_scripts.depth.runs",
    "workflow_scripts.study.cell_job_settings": "workflow_scripts.study.cell_jobs",
    "workflow_scripts.study.cell_settings": "workflow_scripts.study.cells",
    "workflow_scripts.study.depth_settings": "workflow_scripts.study.depth",
    "workflow_scripts.study.search_spaces": "workflow_scripts.study.spaces",
}
"""Today's module, and the earlier one."""
NAMES = {
    ("workflow_scripts.cells.bilevel_step", "Randomness"): "Noise",
    ("workflow_scripts.cells.random_search_with_weight_sharing", "random_architecture"): "random_choice",
}
"""Today's module and name in it, and the earlier name."""
OPTIMIZERS = "workflow_scripts.cells.optimizers"


def give_todays_names() -> None:
    """Let imports by today's names find what the checkout on the path has; what it has not stays missing."""
    for today, earlier in MODULES.items():
        if find_spec(today) is None and find_spec(earlier) is not None:
            sys.modules[today] = import_module(earlier)
    for (name, today), earlier in NAMES.items():
        module = import_module(name)
        if not hasattr(module, today) and hasattr(module, earlier):
            setattr(module, today, getattr(module, earlier))
    if find_spec(OPTIMIZERS) is None:
        stand_in = module_from_spec(ModuleSpec(OPTIMIZERS, None))
        stand_in.weight_optimizer = _weight_optimizer  # type: ignore[attr-defined]
        sys.modules[OPTIMIZERS] = stand_in


def _weight_optimizer(network: Any, settings: Any, l2: float, alone: bool = False) -> Any:
    """As commit 02ab28b made it in each place that needed one; `alone` made no difference."""
    import torch

    rate, momentum = settings.learning_rate, settings.momentum
    return torch.optim.SGD(network.parameters(), rate, momentum, weight_decay=l2, foreach=True)
