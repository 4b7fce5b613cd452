"""Prove where the results in a folder came from, and find what was changed.

    python -m workflow_scripts.audit verify results/demo
    python -m workflow_scripts.audit why results/demo/figures/found_cells.png

Every command reads the records of a results folder, also of one that was copied away. `verify` trusts none of them:
files are hashed again, and every link is followed. Exit status: 0 all is well, 1 there are findings, 2 it cannot be
read or done.
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from workflow_scripts.provenance import history
from workflow_scripts.provenance.check_files import altered
from workflow_scripts.provenance.compare import compared_files, differing_files, is_table, table_lines
from workflow_scripts.provenance.findings import Verdict
from workflow_scripts.provenance.ledger import Entry, Ledger, LedgerError, read_ledger
from workflow_scripts.provenance.page import page_of
from workflow_scripts.provenance.replay import ReplayError, replay
from workflow_scripts.provenance.signature import SignatureError, check_signatures, sign, signed_text
from workflow_scripts.provenance.staleness import WaiverError, waive
from workflow_scripts.provenance.study_of_results import study_of
from workflow_scripts.provenance.verify import require_sound, verify
from workflow_scripts.runtime.command_line import add_set, documented_parser, print_error, print_lines, stop_writing
from workflow_scripts.runtime.folders import RECORDS
from workflow_scripts.study.job_plan import planned_of
from workflow_scripts.study.study import Study, StudyError
from workflow_scripts.tables.display_names import count

CLEAN, FINDINGS, UNREADABLE = 0, 1, 2
KINDS = ("root", "signature", "record", "link", "altered", "missing", "unrecorded", "stale")
SHOWN = 20


class AuditError(Exception):
    """A question that cannot be answered; its text is one sentence."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer the question on the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.answer(options))
    except (AuditError, LedgerError, ReplayError, SignatureError, StudyError, WaiverError, ValueError) as error:
        print_error(error)
    except BrokenPipeError:
        stop_writing()
    except RecursionError:
        print_error("the chain of records is deeper than any workflow makes it, so it is not followed")
    except OSError as error:
        print_error(f"{error.filename or 'a file'} cannot be read or written ({error.strerror})")
    return UNREADABLE


def _verify(options: argparse.Namespace) -> int:
    against = None if options.against is None else options.against.strip().lower()
    if against is not None and re.fullmatch(r"[0-9a-f]{64}", against) is None:
        raise AuditError(f"--against {options.against!r}: a root digest has 64 hexadecimal digits")
    ledger = read_ledger(options.folder)
    study = _study(ledger, options)
    verdict = verify(ledger, None if study is None else planned_of(study), against)
    check_signatures(ledger, options.signers, verdict)
    if options.json:
        print(json.dumps(verdict.as_json(), indent=1))
    else:
        _print_verdict(verdict)
    return FINDINGS if verdict.findings else CLEAN


def _study(ledger: Ledger, options: argparse.Namespace) -> Study | None:
    study = study_of(ledger, options.configfile, options.set)
    if study is None and options.set is not None:
        raise AuditError(f"--set changes a study, and that of {ledger.root} is not at hand; name it with --configfile")
    return study


def _print_verdict(verdict: Verdict) -> None:
    for kind in KINDS:
        found = [finding for finding in verdict.findings if finding.kind == kind]
        for finding in found[:SHOWN]:
            print_lines(finding)
        if len(found) > SHOWN:
            print_lines(f"{kind}: ... and {len(found) - SHOWN} more (--json lists all)")
    for waived in verdict.waived:
        print_lines(waived)
    for note in verdict.notes:
        print_lines(f"note: {note}")
    if verdict.views:
        print_lines(f"views, made from records and results for reading: {', '.join(verdict.views)}")
    print_lines(*verdict.signed)
    print_lines(f"{verdict.jobs} jobs, {verdict.files} files, {verdict.bytes / 1e6:.1f} MB hashed")
    print_lines(f"root digest {verdict.root_digest}")
    unfinished = f"; {verdict.not_made} jobs of the study have no result" if verdict.not_made else ""
    clean = "clean: every file matches its record"
    result = count(len(verdict.findings), "finding") if verdict.findings else clean
    print_lines(f"{result}{unfinished}")


def _why(options: argparse.Namespace) -> int:
    ledger, path = _find(options.path)
    entry = _maker(ledger, path)
    if options.json:
        print(json.dumps([each.record.model_dump() for each in history.ancestors(ledger, entry)], indent=1))
    else:
        print_lines(*history.why(ledger, path, options.all))
    finding = altered(ledger, path)
    if finding is not None:
        print_error(f"This is the ancestry of another file: {finding}")
        return FINDINGS
    return CLEAN


def _affected(options: argparse.Namespace) -> int:
    folders = options.folders or [path.parent for path in sorted(Path("results").glob(f"*/{RECORDS}"))]
    shown = 0
    for folder in folders:
        ledger = read_ledger(folder)
        what = ledger.recorded_path(Path(options.what)) if _is_result(options.what) else options.what
        lines = list(history.affected(ledger, what, options.all))
        shown += len(lines)
        if lines:
            print_lines(f"{folder}:", *lines)
    if not shown:
        places = ", ".join(map(str, folders)) or "any folder below results/"
        raise AuditError(f"{options.what}: no record in {places} names such a file, module or setting")
    return CLEAN


def _is_result(what: str) -> bool:
    return Path(what).exists() and not what.endswith(".py")


def _diff(options: argparse.Namespace) -> int:
    first, second = (read_ledger(folder) for folder in (options.first, options.second))
    found = list(differing_files(first, second))
    by_causes: dict[tuple[str, ...], list[str]] = {}
    for name, causes in found:
        by_causes.setdefault(tuple(causes), []).append(name)
    for shared, names in by_causes.items():
        print_lines(", ".join(names))
        print_lines(*(f"  {cause}" for cause in shared[:SHOWN]))
        if len(shared) > SHOWN:
            print_lines(f"  ... and {len(shared) - SHOWN} more causes")
        for name in names:
            if is_table(name) and all((ledger.folder / name).exists() for ledger in (first, second)):
                print_lines(*(f"  {line}" for line in table_lines(name, first.folder, second.folder)))
    if not found:
        some = compared_files(first)
        same = "every figure, table and architecture is the same bytes in both folders"
        print_lines(
            same if some else "neither folder has a figure, table or architecture, so there is nothing to compare"
        )
    return FINDINGS if found else CLEAN


def _replay(options: argparse.Namespace) -> int:
    ledger, path = _find(options.path)
    entry = _maker(ledger, path)
    with tempfile.TemporaryDirectory(prefix="replay-") as scratch:
        result = replay(ledger, entry, Path(scratch))
    print_lines(*(f"same bytes: {name}" for name in result.same))
    print_lines(*(f"different: {name}" for name in result.different))
    print_lines(*(f"not as then: {line}" for line in result.conditions))
    print_lines(
        f"{result.job}: {len(result.same)} of {len(result.same) + len(result.different)} files are the same bytes"
    )
    return FINDINGS if result.different else CLEAN


def _waive(options: argparse.Namespace) -> int:
    ledger, path = _find(options.path)
    study = _study(ledger, options)
    if study is None:
        raise AuditError(f"{ledger.root}: its study is not at hand; name it with --configfile")
    for file in waive(ledger, path, options.reason, planned_of(study)):
        print_lines(f"kept: {file}")
    return CLEAN


def _page(options: argparse.Namespace) -> int:
    ledger = read_ledger(options.folder)
    print_lines(page_of(ledger, _study(ledger, options)))
    return CLEAN


def _export(options: argparse.Namespace) -> int:
    from workflow_scripts.provenance.crate import export

    ledger = read_ledger(options.folder)
    export(ledger, options.target)
    print_lines(options.target)
    return CLEAN


def _sign(options: argparse.Namespace) -> int:
    ledger = read_ledger(options.folder)
    require_sound(ledger, "signed")
    made = sign(ledger.folder, signed_text(ledger.root, ledger.root_digest), options.key)
    print_lines(f"{made.file}: signed with the key {made.fingerprint}, over the root digest {ledger.root_digest}")
    return CLEAN


def _find(path: Path) -> tuple[Ledger, str]:
    """The ledger of the results folder that a path lies in, or read from, and the path as records state it."""
    for folder in (path if path.is_dir() else path.parent, *path.resolve().parents):
        if (folder / RECORDS).is_dir():
            ledger = read_ledger(folder)
            return ledger, ledger.recorded_path(path)
    raise AuditError(f"{path}: it lies in no results folder (none above it has a folder {RECORDS}/)")


def _maker(ledger: Ledger, path: str) -> Entry:
    entry = history.maker_of(ledger, path)
    if entry is None:
        unknown = f"; {len(ledger.unreadable)} records cannot be read, see verify" if ledger.unreadable else ""
        inside = Path(path).is_relative_to(ledger.root)
        here = ledger.folder / Path(path).relative_to(ledger.root) if inside else Path(path)
        there = "" if here.exists() else "; it is not there either"
        raise AuditError(f"{path}: no record names this file{there}{unknown}")
    return entry


def _parser() -> argparse.ArgumentParser:
    parser = documented_parser("audit", __doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    study = argparse.ArgumentParser(add_help=False)
    study.add_argument(
        "--configfile", type=Path, metavar="FILE", help="the study; config/<folder's name>.yaml otherwise"
    )
    add_set(study)

    one = _command(commands, "verify", _verify, "re-hash every file, follow every link", "results/demo", [study])
    one.add_argument("folder", type=Path, metavar="DIR")
    one.add_argument("--against", metavar="DIGEST", help="the root digest, as it was kept elsewhere")
    one.add_argument(
        "--signers", type=Path, metavar="FILE", help="check signatures: allowed signers, as OpenSSH's file"
    )
    one.add_argument("--json", action="store_true", help="the verdict as JSON")

    one = _command(commands, "why", _why, "the whole ancestry of a file", "results/demo/figures/test_error.png")
    one.add_argument("path", type=Path, metavar="PATH")
    one.add_argument("--all", action="store_true", help="show every job, also those that are alike")
    one.add_argument("--json", action="store_true", help="the records of all ancestors as JSON")

    example = "data/digits.npz"
    one = _command(commands, "affected", _affected, "all that derives from a file, a module or a setting", example)
    one.add_argument(
        "what",
        metavar="WHAT",
        help="a file or folder, a module (workflow_scripts/cells/supernet.py), a setting (l2=0.06)",
    )
    one.add_argument(
        "folders", type=Path, nargs="*", metavar="DIR", help="results folders; all below results/ otherwise"
    )
    one.add_argument("--all", action="store_true", help="name every file")

    one = _command(
        commands,
        "diff",
        _diff,
        "figures and tables that differ, row by row, and the first cause",
        "results/demo other/demo",
    )
    one.add_argument("first", type=Path, metavar="DIR")
    one.add_argument("second", type=Path, metavar="DIR")

    one = _command(
        commands, "replay", _replay, "run a recorded job again, compare bytes", "results/demo/figures/test_error.png"
    )
    one.add_argument("path", type=Path, metavar="PATH")

    example = "results/demo/cells/searches --reason 'only a message was reworded'"
    one = _command(commands, "waive", _waive, "keep stale results, with a reason", example, [study])
    one.add_argument("path", type=Path, metavar="PATH", help="a result, or a folder of them")
    one.add_argument("--reason", required=True, metavar="TEXT", help="why they are kept")

    one = _command(commands, "page", _page, "re-hash, and write provenance.html anew", "results/demo", [study])
    one.add_argument("folder", type=Path, metavar="DIR")

    one = _command(commands, "export", _export, "a Provenance Run Crate (RO-Crate)", "results/demo crate")
    one.add_argument("folder", type=Path, metavar="DIR")
    one.add_argument("target", type=Path, metavar="CRATE", help="a new folder for the crate")

    example = "results/demo --key ~/.ssh/id_ed25519"
    one = _command(commands, "sign", _sign, "a detached signature over the root digest, with your SSH key", example)
    one.add_argument("folder", type=Path, metavar="DIR")
    one.add_argument("--key", type=Path, required=True, metavar="FILE", help="a private key, or the public one of it")
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    answer: object,
    what: str,
    example: str,
    parents: Sequence[argparse.ArgumentParser] = (),
) -> argparse.ArgumentParser:
    text = f"{what[0].upper()}{what[1:]}.\n\n    python -m workflow_scripts.audit {name} {example}"
    command = commands.add_parser(
        name, help=what, description=text, formatter_class=argparse.RawDescriptionHelpFormatter, parents=list(parents)
    )
    command.set_defaults(answer=answer)
    return command


if __name__ == "__main__":
    sys.exit(main())
