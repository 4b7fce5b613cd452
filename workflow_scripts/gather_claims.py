"""The verdicts of all studies at hand on the claims of both papers, in one table.

    python -m workflow_scripts.gather_claims [--docs STUDY ...]

Reads results/*/claims.json, which each study writes. A verdict whose tables have changed since is not shown. With
--docs the verdicts of these studies are copied to docs/claims/, and docs/claims.md is written from all that are there.
Exit status: 0, or 2 where a file cannot be read or, with --docs, a verdict is older than its tables.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from workflow_scripts.report.claim_rows import numbers, scale
from workflow_scripts.report.claims_document import document, readme_line
from workflow_scripts.runtime.command_line import documented_parser, print_error, print_lines, stop_writing
from workflow_scripts.runtime.durable import write_durably
from workflow_scripts.study.claim_modules import claim_names, stated
from workflow_scripts.tables.claims_file import PAPERS, read_claims
from workflow_scripts.tables.files import sha256_of

RESULTS, COMMITTED, DOCUMENT = Path("results"), Path("docs/claims"), Path("docs/claims.md")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, or write the documents; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        studies = {path.parent: read_claims(path) for path in sorted(RESULTS.glob("*/claims.json"))}
        outdated = {folder: changed_tables(folder, content) for folder, content in studies.items()}
        if options.docs:
            _write_documents(options.docs, studies, outdated)
        else:
            print_lines(*_lines(studies, outdated))
    except ValueError as error:
        print_error(error)
        return 2
    except BrokenPipeError:
        stop_writing()
        return 2
    except OSError as error:
        print_error(f"{error.filename or 'a file'} cannot be read or written ({error.strerror})")
        return 2
    return 0


def changed_tables(folder: Path, content: dict[str, Any]) -> list[str]:
    """The tables of a study that are no longer those its verdicts were read from."""
    paths = {name: folder / "tables" / f"{name}.csv" for name in content["tables"]}
    return [name for name, path in paths.items() if not path.is_file() or sha256_of(path) != content["tables"][name]]


def claims_stated() -> list[dict[str, str]]:
    """Every claim of both papers: name, paper, place and statement, as the modules state them."""
    keys = ("PAPER", "PLACE", "STATEMENT")
    return [{"name": name} | {key.lower(): str(stated(name, key)) for key in keys} for name in claim_names()]


def committed_document(folder: Path) -> str:
    """The text of the document from the verdicts in a folder, one file for each study."""
    return document(claims_stated(), [read_claims(path) for path in sorted(folder.glob("*.json"))])


def _write_documents(
    names: Sequence[str], studies: dict[Path, dict[str, Any]], outdated: dict[Path, list[str]]
) -> None:
    """Copy the verdicts of these studies, and write the document; nothing is written where one cannot be copied."""
    folders = [RESULTS / name for name in names]
    for folder in folders:
        if folder not in studies:
            raise ValueError(f"{folder}/claims.json is not there; run make run STUDY={folder.name} first")
        if outdated[folder]:
            raise ValueError(outdated_words(folder, outdated[folder]))
    for folder in folders:
        text = json.dumps(studies[folder], sort_keys=True, indent=1) + "\n"
        write_durably(COMMITTED / f"{folder.name}.json", text.encode())
    write_durably(DOCUMENT, committed_document(COMMITTED).encode())
    print_lines(f"{DOCUMENT} is written; README.md is to say:")
    committed = [read_claims(path) for path in sorted(COMMITTED.glob("*.json"))]
    print_lines(*(readme_line(paper, claims_stated(), committed) for paper in PAPERS))


def outdated_words(folder: Path, changed: list[str]) -> str:
    """What is wrong with verdicts whose tables have changed, and what to do, in a sentence."""
    return (
        f"{folder}/claims.json is older than its tables ({', '.join(changed)}); run make run STUDY={folder.name} first"
    )


def _lines(studies: dict[Path, dict[str, Any]], outdated: dict[Path, list[str]]) -> Iterator[str]:
    """A line for each claim and study, claims without any study included."""
    if not studies:
        yield f"No study has verdicts in {RESULTS} yet: make run STUDY=demo writes some."
        return
    yield from (outdated_words(folder, changed) for folder, changed in outdated.items() if changed)
    current = {folder.name: content for folder, content in studies.items() if not outdated[folder]}
    for claim in claims_stated():
        yield f"{PAPERS[claim['paper']]}, {claim['place']}: {claim['statement']}"
        found = [
            (study, content, verdict)
            for study, content in current.items()
            for verdict in content["claims"]
            if verdict["name"] == claim["name"]
        ]
        for study, content, verdict in found:
            measured = "effect {}, interval {}, n = {}; ".format(*numbers(verdict)) if verdict["evidence"] else ""
            differ = scale(content["departures"][claim["paper"]])
            yield f"  {verdict['verdict']:10} {study}: {measured}{verdict['reason']} ({differ})"
        if not found:
            yield "  undecided  no study at hand has judged it"


def _parser() -> argparse.ArgumentParser:
    parser = documented_parser("gather_claims", __doc__)
    parser.add_argument("--docs", nargs="+", metavar="STUDY", help="copy their verdicts and write docs/claims.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())
