"""A made-up results folder, and the changes of a forger who knows how records are made."""

import hashlib
import json

from workflow_scripts.provenance.ledger import read_ledger
from workflow_scripts.provenance.record import canonical_bytes, sealed
from workflow_scripts.provenance.verify import verify

ROOT = "results/made_up"
SEARCH = "cells/searches/s1_cifar10/darts/l2-0.0003_drop-0_seed-1"
SEARCH_RECORD = "records/cell_search/s1_cifar10/darts/l2-0.0003_drop-0_seed-1.json"
TRAINING = "cells/evaluations/s1_cifar10/darts/l2-0.0003_drop-0_seed-1/seed-1"
TRAINING_RECORD = "records/evaluate_genotype/s1_cifar10/darts/l2-0.0003_drop-0_seed-1/seed-1.json"
FIGURE = "figures/test_error.png"


def findings(folder, against=None):
    """What verification finds, by kind and path; notes left out."""
    found = verify(read_ledger(folder), None, against).findings
    return {(finding.kind, finding.path): finding.cause for finding in found}


def change(file, old=b"made up", new=b"made_up"):
    content = file.read_bytes()
    assert old in content
    file.write_bytes(content.replace(old, new, 1))


def forge(file, **entries):
    """Change a record and seal it again."""
    record = json.loads(file.read_bytes())
    fields = {key: value for key, value in record.items() if key != "digest"} | entries
    file.write_bytes(canonical_bytes(sealed(fields)))


def keep_linked(file, results):
    """Copy a record to `linked_records/`, where its readers find it by its content, as at a job's next run."""
    content = file.read_bytes()
    kept = results / "linked_records" / f"{hashlib.sha256(content).hexdigest()}.json"
    kept.parent.mkdir(exist_ok=True)
    kept.write_bytes(content)


def restated(outputs, path, content):
    """The outputs of a record, one of them with the checksum and size of other content."""
    facts = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    return [each | facts if each["path"] == path else each for each in outputs]
