#!/usr/bin/env bash
# Add the locked packages that only some verbs need to an environment: envs/install_extras.sh LOCK FOLDER
set -euo pipefail
lock=$1 folder=$2

# shellcheck source=index.sh
source "$(dirname "${BASH_SOURCE[0]}")/index.sh" python3
echo "Adding the packages of $lock to $folder (a few hundred MB) ..."
"$folder/bin/uv" pip install --quiet --python "$folder/bin/python" --compile-bytecode --require-hashes -r "$lock"
touch "$folder/.extras"
