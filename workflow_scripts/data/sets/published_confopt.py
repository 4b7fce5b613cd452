"""The logs of twelve searches of 2024 by others, with the alphas after each epoch: S2 and S4 on CIFAR-10.

They stood in the repository automl/ConfigurableOptimizer at its commit c59e793 (2024-04-24), and were deleted later. At
which address is not known, so they come from a mirror.
"""

from workflow_scripts.data.data_set import DataSet, Form, SourceFile


def _log(key: str, size: int, sha256: str) -> SourceFile:
    return SourceFile(key, (), (Form(f"{key}.log", size, sha256, "computed from the file"),))


DATA_SET = DataSet(
    name="published_confopt",
    description="Search logs of ConfigurableOptimizer, 2024: DARTS and LoRA-DARTS, S2 and S4 on CIFAR-10, three seeds",
    citation="the repository automl/ConfigurableOptimizer, commit c59e793, 2024-04-24",
    licence="Apache-2.0, as their repository automl/ConfigurableOptimizer",
    files=(
        _log("darts_s2_9001", 66396, "0b4c2818e2973eb68a6d4a0af5044b4da89dd1d0010ee7d8ab2c87a2dc876920"),
        _log("darts_s2_9002", 66481, "1d7cbdd3dbf07fa623df7d65dfa3773282a8954f0afa6c9384a63d9bdd8bcdec"),
        _log("darts_s2_9003", 66565, "3e45f57ff9684c38ed6a31921a7ccc24be7a879dc3eae8bd338e8af76eb8113b"),
        _log("darts_s4_9001", 62291, "d72d8a7d7b3ef067c36e950e8a4e5471ca4567854fc8490857f927f21c32fcdc"),
        _log("darts_s4_9002", 62565, "ff56aef25c2c45c8f4fa91c0cf5d8306a52a360e43c03ec09b235f54dd617c26"),
        _log("darts_s4_9003", 62677, "8386033098f24210f82fd08c9d01a19dfad8de801106a40399d57061f7817e4e"),
        _log("lora_darts_s2_9001", 55492, "406bdc9d1921716fa1518224b9dcb29dfb58fa4c123c442f6b8b3f6409348d4e"),
        _log("lora_darts_s2_9002", 56513, "fe39cb881d3aa8a19450f4eabf6882b7575ecd409bd8cd249ec901ef0176b77d"),
        _log("lora_darts_s2_9003", 55826, "0e4414795d7d1d9d77ca16b0830156ad241c30d0773ca95f6152ce4a8673f8a6"),
        _log("lora_darts_s4_9001", 51901, "e96b97dceb70b6dfba6e6ee6291fb3dc1b093e4cb0c3cab4e246e11524d39d7c"),
        _log("lora_darts_s4_9002", 51820, "3473000bfa82c7c422bfc5272d6bafb67356d252111a2f6a28d92fd69970928b"),
        _log("lora_darts_s4_9003", 51658, "66ac193cd5d09691bb6629066ddbdeb12236b666f4de27960aa08ec119cf2ec7"),
    ),
)
