"""The test accuracies that the authors of RobustDARTS published in July 2019, with the genotypes and network sizes.

They are older than the paper's final protocol, and their files were deleted later. One training of 600 epochs each.
"""

from workflow_scripts.data.data_set import DataSet, Form, SourceFile

_ADDRESS = (
    "https://raw.githubusercontent.com/automl/RobustDARTS/f83f0a82e56e81f4ae0aba810c07ab64dfba7044/src/evaluation"
)


def _file(key: str, size: int, sha256: str) -> SourceFile:
    return SourceFile(
        key, (f"{_ADDRESS}/{key}.yaml",), (Form(f"eval_{key}.yaml", size, sha256, "computed from the file"),)
    )


DATA_SET = DataSet(
    name="published_evaluations",
    description="Test accuracies and genotypes of RobustDARTS, July 2019: S1 to S4 on CIFAR-10, CIFAR-100, SVHN",
    citation="Zela et al., Understanding and Robustifying Differentiable Architecture Search, ICLR 2020",
    licence="Apache-2.0, as their repository automl/RobustDARTS",
    files=(
        _file("archs", 15429, "0e519993691e31efed728b76d0d017ffd069e6f1a3136bbde91d5d01785414a0"),
        _file("config", 1406, "6adf821ae32e56ff3ffd841ce75c4edaa9fb6ca0caa39212d17ac7577e714938"),
        _file("results", 1267, "406eb2221ca9313e23f8d13203cc29e875706abfb2942cd7a40c586c7e6557af"),
    ),
)
