#!/usr/bin/env bash
# rocrate 0.16.0: a crate that is read and written again loses the terms that its own @context defines, while the values
# stay; and a new crate is of RO-Crate 1.3. Expected: the context is kept; 1.1 or 1.2, which other tools know.
# Seen: @context is the one address afterwards, so `steps` is no term any more.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh" rocrate==0.16.0
cat >crate.py <<'PY'
import json
from pathlib import Path

from rocrate.rocrate import ROCrate

ROCrate().write("crate")
file = Path("crate/ro-crate-metadata.json")
metadata = json.loads(file.read_text())
print(metadata["@context"])
metadata["@context"] = [metadata["@context"], {"steps": "https://example.org/steps"}]
root = next(entity for entity in metadata["@graph"] if entity["@id"] == "./")
root["steps"] = 5
file.write_text(json.dumps(metadata))
ROCrate("crate").write("again")
again = json.loads(Path("again/ro-crate-metadata.json").read_text())
print(next(entity for entity in again["@graph"] if entity["@id"] == "./")["steps"], again["@context"])
PY
python crate.py >printed
expect "the version of a new crate" "$(sed -n 1p printed)" "https://w3id.org/ro/crate/1.3/context"
expect "value and context after reading and writing" "$(sed -n 2p printed)" "5 https://w3id.org/ro/crate/1.3/context"
