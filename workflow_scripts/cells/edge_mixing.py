"""How an edge of the supernet mixes its operations in an epoch of a search: by softmax, or as a kind of search says.

A kind of search with a mixing of its own is a file of `mixings/` that defines `mix(alpha, names, share)`: the weights
(edges, operations) for the alphas of one cell kind, whose edges have operations of these names; `share` of the search
is over, 0 in its first epoch and 1 in its last.
"""

import importlib

from workflow_scripts.cells.supernet import Alphas, Candidates, Mixing, softmax
from workflow_scripts.study.cell_job_settings import SearchJob
from workflow_scripts.study.method_modules import mixing_module


def mixing_of(job: SearchJob, candidates: dict[str, Candidates], share: float) -> Mixing:
    """The mixing of a search when a share of it is over. Raises ValueError where the kind's file defines no `mix`."""
    if job.mixing is None:
        return softmax
    module = importlib.import_module(mixing_module(job.mixing))
    if not hasattr(module, "mix"):
        raise ValueError(f"mixings/{job.mixing}.py does not define mix(alpha, names, share)")
    kinds = Alphas._fields
    return lambda alphas: Alphas(
        *(module.mix(alpha, candidates[kind], share) for kind, alpha in zip(kinds, alphas, strict=True))
    )
