"""The folder that is handed on: flat, as Zenodo keeps no folders, with the crate as the one zip that WorkflowHub takes.

The same results and authors give the same bytes: no clock is read, and the zip is stored, since what compression writes
depends on the version of zlib.

Sources: https://about.workflowhub.eu/Workflow-RO-Crate/1.0/#workflowhub-specific-featuresrequirements (zipped, the
ending `.crate.zip`, the metadata in the root of the zip).
"""

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from workflow_scripts.provenance.crate import export
from workflow_scripts.provenance.ledger import Ledger
from workflow_scripts.provenance.signature import NAMESPACE, SignatureError, made_over, signatures_in, signed_text
from workflow_scripts.publishing.citation import citation_file, zenodo_file
from workflow_scripts.publishing.data_terms import data_terms
from workflow_scripts.publishing.result import Result, result_of
from workflow_scripts.runtime.module_code import ROOT

SIGNED = "signed.txt"
"""The text that signatures are over, so that they can be checked with OpenSSH alone."""
SIGNERS = (
    "Of the last lines, SIGNERS is a file of those whose signatures you take, "
    "and WHO one of them (ssh-keygen(1), ALLOWED SIGNERS)."
)
EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The time that a zip states for each of its files: the earliest that it can."""


def publish(ledger: Ledger, target: Path, authors: tuple[str, ...]) -> Result:
    """Write the folder of a sound results folder as the new folder `target`, which is there whole or not at all.

    Raises ValueError where `target` is there, where a data set's terms are not known and where the results are not
    sound; SignatureError where a signature is not over these results; OSError.
    """
    if target.exists():
        raise ValueError(f"{target}: it exists already; remove it or name another folder")
    signatures, text = list(signatures_in(ledger.folder)), signed_text(ledger.root, ledger.root_digest)
    for each in signatures:
        if not made_over(each, text):
            raise SignatureError(f"{each.file}: it is not over these results as they are; sign them again or remove it")
    result = result_of(ledger, authors)
    place = Path(os.path.realpath(target))
    place.parent.mkdir(parents=True, exist_ok=True)
    documents = {
        "README.md": _readme(result, [each.file.name for each in signatures]),
        "CITATION.cff": citation_file(result),
        "LICENSE": (ROOT / "LICENSE").read_text(encoding="utf-8"),
        "DATA_TERMS.md": data_terms(result.data_sets, result.own_pictures),
    }
    with TemporaryDirectory(prefix=f".{place.name}.", dir=place.parent) as scratch:
        crate, folder = Path(scratch, "crate"), Path(scratch, "folder")
        folder.mkdir()
        export(ledger, crate, result.authors, documents)
        _zip(crate, folder / f"{result.name}.crate.zip")
        for name, content in {**documents, ".zenodo.json": zenodo_file(result)}.items():
            (folder / name).write_text(content, encoding="utf-8")
        if signatures:
            (folder / SIGNED).write_bytes(text)
        for each in signatures:
            (folder / each.file.name).write_bytes(each.content)
        os.replace(folder, place)
    return result


def _zip(folder: Path, target: Path) -> None:
    """All files of a folder, in the order of their paths; the metadata in the root of the zip."""
    with ZipFile(target, "w", ZIP_STORED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = ZipInfo(path.relative_to(folder).as_posix(), EARLIEST)
            entry.external_attr = 0o644 << 16
            entry.file_size = path.stat().st_size
            with path.open("rb") as source, archive.open(entry, "w") as written:
                shutil.copyfileobj(source, written)


def _readme(result: Result, signatures: list[str]) -> str:
    crate = f"{result.name}.crate.zip"
    made = "".join(f"- commit {commit}\n" for commit in result.commits)
    checks = [
        f"python3 -m zipfile -e {crate} crate",
        f"python -m workflow_scripts.audit verify crate/{result.root} --against {result.root_digest}",
    ]
    checks += [f"ssh-keygen -Y verify -n {NAMESPACE} -f SIGNERS -I WHO -s {name} < {SIGNED}" for name in signatures]
    lines = "\n".join(checks)
    signed = SIGNERS if signatures else "Nobody has signed these results."
    return f"""# {result.title}

{result.description}

`{crate}` is a Provenance Run Crate (RO-Crate): every result, and the record of the job that made it. `CITATION.cff`
says how these results are cited, `DATA_TERMS.md` under which terms the data are, which are not in this folder. Licence:
Apache-2.0, see `LICENSE`.

## How to check it

In a clone of the workflow, in its environment:

```
{lines}
```

The second line hashes every file again and follows every record; take the digest in it from another place than this
folder, if you can. {signed}

The jobs were run from

{made}"""
