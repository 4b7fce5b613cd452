#!/usr/bin/env bash
# Install the locked packages: envs/install.sh PYTHON LOCK FOLDER
# The environment is built beside FOLDER and then put in its place, so that a failure leaves the one that is there.
set -euo pipefail
python=$1 lock=$2 folder=$3

if [ -L "$folder" ]; then
	echo "$folder is a link to $(readlink "$folder"), and what is behind a link is never replaced; remove the link to have an environment made here" >&2
	exit 1
fi
if [ -x "$folder/bin/python" ] && compgen -G '.snakemake/locks/*' >/dev/null; then
	echo "$lock changed, but a study runs here (or was killed: snakemake --unlock), so $folder stays as it is" >&2
	exit 0
fi
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with make PYTHON=python3.11 ...")'
echo "Installing the locked packages into $folder (several GB, a minute or two) ..."
new=$(mktemp -d "$folder.XXXXXX")
trap 'if [ -d "$new/before" ] && [ ! -e "$folder" ]; then mv "$new/before" "$folder"; fi; rm -rf "$new"' EXIT

# pip installs uv, which installs the rest several times as fast, from the index that pip was told of.
"$python" -m venv "$new/tool"
sed -n '/^uv==/,/[^\\]$/p' "$lock" >"$new/uv.txt"
"$new/tool/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$new/uv.txt"
# shellcheck source=index.sh
source "$(dirname "${BASH_SOURCE[0]}")/index.sh" "$new/tool/bin/python"
# Relocatable: the programs in it find their Python beside them, wherever the environment is moved.
"$new/tool/bin/uv" venv --quiet --relocatable --python "$python" "$new/environment"
"$new/tool/bin/uv" pip install --quiet --python "$new/environment/bin/python" --compile-bytecode --require-hashes -r "$lock"

touch "$new/environment/.installed"
if [ -e "$folder" ]; then mv "$folder" "$new/before"; fi
mv "$new/environment" "$folder"
