"""What decides the report of a study besides its figures and tables: titles, settings, and what a reader can type."""

from typing import Any

from workflow_scripts.study.paper_differences import paper_differences
from workflow_scripts.study.study import Study

ELSEWHERE = {"study", "title", "description", "figures", "data", "resources"}
"""Keys of a study that the report has a place for, or that decide no result."""


def report_settings(study: Study) -> dict[str, Any]:
    """Settings of the job that writes the report.

    Its commands are what a reader can type; FIGURE means a figure's name. They hold where config/<study>.yaml is the
    study's file; settings of a command line are to be given again.
    """
    name, results = study.study, f"results/{study.study}"
    drawing = f"--force {results}/figures/FIGURE.png --profile profiles/local --configfile config/{name}.yaml"
    return {
        "study": name,
        "title": study.title,
        "description": study.description,
        "settings": study.model_dump(mode="json", exclude=ELSEWHERE),
        "figures": study.figures,
        "departures": [list(difference) for difference in paper_differences(study)],
        "commands": {
            "study": f"make run STUDY={name}",
            "figure": f".venv/bin/snakemake {drawing}",
            "verify": f".venv/bin/python -m workflow_scripts.audit verify {results}",
            "why": f".venv/bin/python -m workflow_scripts.audit why {results}/report.html",
        },
    }
