"""How methods, data sets and amounts are named, as the papers do and in their order, in figures and in the report."""

from collections.abc import Iterable

METHOD_NAMES = {
    "darts": "DARTS",
    "darts_es": "DARTS-ES",
    "darts_ada": "DARTS-ADA",
    "r_darts_dp": "R-DARTS(DP)",
    "r_darts_l2": "R-DARTS(L2)",
    "random_ws": "RS-ws",
}
"""In the order of the paper's table."""
PUBLISHED_METHOD_NAMES = {"gdas": "GDAS", "darts_pt": "DARTS+PT", "darts_pt_fixed": "DARTS+PT, fixed"}
"""Methods of other papers, of which values on these spaces are published; `darts_pt` also runs here. Fixed: the alphas
are not trained."""
DATA_SET_NAMES = {
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "svhn": "SVHN",
    "mnist": "MNIST",
    "fashion_mnist": "Fashion-MNIST",
    "fashion_mnist_8x8": "Fashion-MNIST 8×8",
}

SELECTING = ("r_darts_l2", "r_darts_dp")
"""Methods that choose among the architectures of several searches."""

PUBLISHED_LOGS = {
    "published": "DARTS, published log",
    "confopt": "DARTS, log of 2024",
    "confopt_lora": "LoRA-DARTS, log of 2024",
}
"""Searches that are read from others' logs: RobustDARTS; ConfigurableOptimizer's DARTS and LoRA-DARTS."""

GENOTYPES = "genotypes"
"""What stands as search and as method of an architecture that was given as text; no search found it."""

DEGENERATE = ("noise", "skip_connect")
"""Operations that learn nothing and take over where a search collapses: figures and the report count them."""


def method_name(method: str) -> str:
    """A method as the papers write it; one they do not have by its own name."""
    return (METHOD_NAMES | PUBLISHED_METHOD_NAMES).get(method, method.replace("_", " "))


def method_order(method: str) -> tuple[int, str]:
    """Sorts methods as the paper's table lists them, others after them by name."""
    known = [*METHOD_NAMES, *PUBLISHED_METHOD_NAMES]
    return (known.index(method) if method in known else len(known), method)


def data_set_name(data_set: str) -> str:
    """A data set as the papers write it; one they do not have by its own name."""
    return DATA_SET_NAMES.get(data_set, data_set.replace("_", " "))


def listed(words: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`; `none` without any."""
    items = list(words)
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else "none"


def count(amount: int, noun: str, plural: str | None = None) -> str:
    """`1 run`, `3 runs`."""
    return f"{amount} {noun if amount == 1 else plural or noun + 's'}"
