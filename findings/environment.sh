# Sourced by each finding with its packages: installs them into a temporary folder, which becomes the working folder.
# shellcheck shell=bash
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv environment
environment/bin/pip install --quiet --disable-pip-version-check --no-compile "$@"
export PATH="$folder/environment/bin:$PATH"

# expect WHAT FOUND BEFORE: print what was found; end with status 1 where it is no longer what it was.
expect() {
	echo "$1: $2"
	if [ "$2" != "$3" ]; then
		echo "changed; it was: $3" >&2
		exit 1
	fi
}
