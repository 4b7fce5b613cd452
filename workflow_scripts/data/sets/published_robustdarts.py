"""The search logs that the authors of RobustDARTS published in their code's repository, at one commit.

GitHub makes the official archive on demand, so nobody has published its checksum; its sha256 is in the record of
the job that first read it. The part on space S1 has a checksum. A local checkout of the repository serves as well.
"""

from workflow_scripts.data.data_set import DataSet, Form, SourceFile

COMMIT = "3dec3fedaa1770614bbfd4b98f5299d946ea7ac6"

DATA_SET = DataSet(
    name="published_robustdarts",
    description="Search logs of RobustDARTS: S1 on CIFAR-10 and S3 on SVHN, with Hessians of some",
    citation="Zela et al., Understanding and Robustifying Differentiable Architecture Search, ICLR 2020",
    licence="Apache-2.0, as their repository automl/RobustDARTS",
    files=(
        SourceFile(
            "logs",
            (f"https://github.com/automl/RobustDARTS/archive/{COMMIT}.tar.gz",),
            (
                Form(f"RobustDARTS-{COMMIT}.tar.gz", None, None, "not published"),
                Form(
                    "robustdarts-logs-s1.tar.gz",
                    21767673,
                    "48ec6c616dcf3531c5e04d39ed0640e3a78ddc505c149b7ab31f7bdfd1fef13e",
                    "computed from the file: the S1 part of the archive, code left out",
                ),
            ),
            folder="experiments",
        ),
    ),
)
