"""Write the architecture file of a genotype that a study holds as text."""

from pathlib import Path
from typing import Any

from workflow_scripts.runtime.progress import Progress
from workflow_scripts.tables.architectures import KEYS, write_architectures
from workflow_scripts.tables.display_names import GENOTYPES
from workflow_scripts.tables.genotype import parse_genotype


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> None:
    """`settings` holds `space`, `data_set`, `name` and `genotype`, a text; writes the output `architecture`.

    What only a search has is null.
    """
    genotype = parse_genotype(settings["genotype"])
    known = {
        "space": settings["space"],
        "data_set": settings["data_set"],
        "search": GENOTYPES,
        "run": settings["name"],
        "method": GENOTYPES,
        "outcome": "given",
        "genotype": genotype.structure(),
        "genotype_text": genotype.text(),
    }
    write_architectures(outputs["architecture"][0], [dict.fromkeys(KEYS) | known])
    progress.say(f"{settings['name']}: {settings['genotype']}")
