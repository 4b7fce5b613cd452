"""Does the rest of the Hessian's spectrum grow with its dominant eigenvalue?"""

import pandas as pd

from workflow_scripts.verdicts.evidence import goes_with
from workflow_scripts.verdicts.searches import cases, darts
from workflow_scripts.verdicts.verdict import Verdict, verdict

PAPER = "robustdarts"
PLACE = "Section 4"
STATEMENT = "The whole spectrum of the validation loss's Hessian grows with its dominant eigenvalue."
TABLES = ("searches", "spectra")
FIGURE = "hessian_spectra"

_KEYS = ["space", "data_set", "search", "run"]


def judge(tables: dict[str, pd.DataFrame]) -> Verdict:
    """Over searches, the largest eigenvalue against the mean magnitude of all the others, at the last measurement."""
    spectra = tables["spectra"].assign(magnitude=tables["spectra"]["eigenvalue"].abs())
    rest = spectra[spectra["index"] > 0].groupby(_KEYS)["magnitude"].mean().astype(float).rename("rest").reset_index()
    evidence = []
    for name, rows in cases(darts(tables["searches"]).merge(rest, on=_KEYS)):
        what = f"{name}: largest eigenvalue and mean magnitude of the others"
        evidence.append(goes_with(what, "search", rows["final_dominant_eigenvalue"], rows["rest"]))
    return verdict(evidence, "searches that measured the full Hessian")
