"""The search logs that the authors of RobustDARTS published in their code's repository, at one commit.

GitHub makes the official archive on demand, so nobody has published its checksum; its sha256 is in the record of
the job that first read it. Its parts on the spaces S1 and S3 have checksums. A local checkout of the repository serves
as well.
"""

from workflow_scripts.data.data_set import DataSet, Form, SourceFile

COMMIT = "3dec3fedaa1770614bbfd4b98f5299d946ea7ac6"


def _logs(space: str, part: Form) -> SourceFile:
    """The logs of one space: in the official archive, which holds both, or in the part of it that has only these."""
    return SourceFile(
        space,
        (f"https://github.com/automl/RobustDARTS/archive/{COMMIT}.tar.gz",),
        (Form(f"RobustDARTS-{COMMIT}.tar.gz", None, None, "not published"), part),
        folder="experiments",
    )


DATA_SET = DataSet(
    name="published_robustdarts",
    description="Search logs of RobustDARTS: S1 on CIFAR-10 and S3 on SVHN, with Hessians of some",
    citation="Zela et al., Understanding and Robustifying Differentiable Architecture Search, ICLR 2020",
    licence="Apache-2.0, as their repository automl/RobustDARTS",
    files=(
        _logs(
            "s1",
            Form(
                "robustdarts-logs-s1.tar.gz",
                21767673,
                "48ec6c616dcf3531c5e04d39ed0640e3a78ddc505c149b7ab31f7bdfd1fef13e",
                "computed from the file: the S1 part of the archive, code left out",
            ),
        ),
        _logs(
            "s3",
            Form(
                "robustdarts-logs-s3.tar.xz",
                32253904,
                "6ffe0ae33cd0ec84476785539ca5f04303a8c4c684c0f4dd27e4cc4535b1a232",
                "computed from the file: the S3 part of the archive, code left out",
            ),
        ),
    ),
)
