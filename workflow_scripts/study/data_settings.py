"""Where data files may come from: a study's `data` block, which is usually in config/local.yaml."""

from typing import Annotated

from pydantic import AfterValidator

from workflow_scripts.data.mirrors import mirror_problem
from workflow_scripts.study.settings_model import Count, Model


def _possible(mirror: str) -> str:
    problem = mirror_problem(mirror)
    if problem is not None:
        raise ValueError(problem)
    return mirror


Mirror = Annotated[str, AfterValidator(_possible)]


class Data(Model):
    """Where data files may come from. It decides no result: every file is checked against its known checksum.

    But for `made_up`, whose images are another file, in the results folder.
    """

    mirrors: tuple[Mirror, ...] = ()
    """folders, file:// or http(s) addresses, asked in this order before the official addresses"""
    offline: bool = False
    """never use the network; a file that no local mirror holds is an error that says where to put it"""
    made_up: Count | None = None
    """for rehearsals: so many images of each part are made up, and none is fetched"""
