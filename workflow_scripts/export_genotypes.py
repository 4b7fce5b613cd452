"""Write the architectures of a study as the text of a genotypes.py.

    python -m workflow_scripts.export_genotypes results/demo genotypes.py

A grid of `source: genotypes` reads the file again, and so does the published code. A record of what it was made from,
with checksums, is written beside it, to genotypes.py.json.
"""

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from workflow_scripts.export_record import write_with_record
from workflow_scripts.runtime.command_line import documented_parser, print_error, print_lines
from workflow_scripts.tables.architectures import Architecture, read_architectures
from workflow_scripts.tables.display_names import count
from workflow_scripts.tables.files import sha256_of

HEAD = '''"""Architectures that a search found, in the form of the published genotypes.py files."""
# Made from {source}, sha256 {sha256}.

from collections import namedtuple

Genotype = namedtuple("Genotype", "normal normal_concat reduce reduce_concat")
'''


def main(arguments: list[str] | None = None) -> int:
    """Write the file the command line names; returns the exit status."""
    parser = documented_parser("export_genotypes", __doc__)
    parser.add_argument("results", type=Path, metavar="RESULTS", help="a results folder")
    parser.add_argument("file", type=Path, metavar="FILE", help="where the text is written")
    options = parser.parse_args(arguments)
    try:
        source = options.results / "architectures.yaml"
        if not source.is_file():
            raise ValueError(
                f"{options.results}: it has no architectures.yaml; give a results folder with a cell search"
            )
        found = read_architectures(source)
        named = genotype_texts(found)
        if not named:
            raise ValueError(f"{source}: no search gave an architecture")
        lines = "".join(f"\n{name} = {text}\n" for name, text in named.items())
        head = HEAD.format(source=source.as_posix(), sha256=sha256_of(source))
        write_with_record(options.file, (head + lines).encode(), [source], {"genotypes": list(named)})
    except (ValueError, OSError) as error:
        print_error(error)
        return 1
    without = sum(entry["genotype_text"] is None for entry in found)
    left_out = f"; {count(without, 'search', 'searches')} gave none" if without else ""
    print_lines(f"{options.file}: {count(len(named), 'genotype')} of {source}{left_out}")
    return 0


def genotype_texts(found: Iterable[Architecture]) -> dict[str, str]:
    """The text of each architecture by a name that says method, space, data set and run.

    Raises ValueError where two different ones would have one name.
    """
    named: dict[str, str] = {}
    for entry in found:
        if entry["genotype_text"] is None:
            continue
        parts = (entry["method"], entry["space"], entry["data_set"], entry["search"], entry["run"])
        name = re.sub("[^A-Za-z0-9]", "_", "_".join(dict.fromkeys(parts)))
        if named.setdefault(name, entry["genotype_text"]) != entry["genotype_text"]:
            raise ValueError(f"two architectures would have the name {name}; rename one of their runs")
    return named


if __name__ == "__main__":
    sys.exit(main())
