#!/usr/bin/env bash
# ConfigSpace 1.2.2 does not read the space that NAS-Bench-301 0.3 ships (its JSON is of ConfigSpace 0.4). Expected: old
# files are read or refused with a sentence. Seen: TypeError, a normal distribution without limits is no longer one.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh" ConfigSpace==1.2.2
environment/bin/pip install --quiet --disable-pip-version-check --no-deps nasbench301==0.3
cat >space.py <<'PY'
import importlib.metadata

from ConfigSpace import ConfigurationSpace

files = importlib.metadata.files("nasbench301")
file = next(file for file in files if file.name == "configspace.json")
try:
    print(len(ConfigurationSpace.from_json(file.locate())), "hyperparameters")
except TypeError as error:
    print("TypeError:", error)
PY
missing="NormalFloatHyperparameter.__init__() missing 2 required positional arguments: 'lower' and 'upper'"
expect "reading it" "$(python space.py)" "TypeError: $missing"
