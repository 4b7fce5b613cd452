"""How the papers write the names of methods and data sets; figures and the report share them."""

METHOD_NAMES = {
    "darts": "DARTS",
    "darts_es": "DARTS-ES",
    "darts_ada": "DARTS-ADA",
    "r_darts_dp": "R-DARTS(DP)",
    "r_darts_l2": "R-DARTS(L2)",
    "random_ws": "RS-ws",
}
"""In the order of the paper's table."""
DATA_SET_NAMES = {
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "svhn": "SVHN",
    "mnist": "MNIST",
    "fashion_mnist": "Fashion-MNIST",
}
