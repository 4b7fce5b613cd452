"""The genotype: its derivation from the alphas, its text and back."""

import ast
from collections import namedtuple

import torch

# The representation of this tuple is the published text form.
Genotype = namedtuple("Genotype", "normal normal_concat reduce reduce_concat")


def strongest_edges(alphas: torch.Tensor, edges: list[list[str]], nodes: int = 4) -> list[tuple[str, int]]:
    """The two strongest edges of every node, strongest first, each with its strongest operation.

    `alphas` (14, K). Strength is the softmax weight over ALL K operations, `none` being left out only of the choice.
    Python's `sorted` and `max` both keep the first of equals, so ties go to the lower index.
    """
    weights = torch.softmax(alphas.detach(), dim=-1).tolist()
    gene, start = [], 0
    for node in range(nodes):
        best = []
        for predecessor in range(node + 2):
            edge = start + predecessor
            choices = [k for k, name in enumerate(edges[edge]) if name != "none"]
            k = max(choices, key=weights[edge].__getitem__)
            best.append((weights[edge][k], edges[edge][k], predecessor))
        strongest = sorted(best, key=lambda entry: -entry[0])[:2]
        gene += [(name, predecessor) for _, name, predecessor in strongest]
        start += node + 2
    return gene


def derive_genotype(alphas: dict[str, torch.Tensor], space: dict[str, list[list[str]]]) -> Genotype:
    """The genotype of two alpha matrices (14, K); the cell's output concatenates its four nodes."""
    return Genotype(
        normal=strongest_edges(alphas["normal"], space["normal"]),
        normal_concat=range(2, 6),
        reduce=strongest_edges(alphas["reduce"], space["reduce"]),
        reduce_concat=range(2, 6),
    )


def parse_genotype(text: str) -> Genotype:
    """Read the text form `Genotype(normal=[...], normal_concat=range(2, 6), ...)` without executing it."""
    fields: dict[str, object] = {}
    call = ast.parse(text, mode="eval").body
    assert isinstance(call, ast.Call)
    for keyword in call.keywords:
        assert keyword.arg is not None
        if isinstance(keyword.value, ast.Call):
            fields[keyword.arg] = range(*[ast.literal_eval(argument) for argument in keyword.value.args])
        else:
            fields[keyword.arg] = ast.literal_eval(keyword.value)
    return Genotype(**fields)
