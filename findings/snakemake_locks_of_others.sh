#!/usr/bin/env bash
# snakemake 9.27.1: two runs in one folder make different files, and one of them ends. Expected: the other's files stay
# locked until it ends. Seen: the folder of all locks is removed, and a third run may make the other's file at the same time.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh" snakemake==9.27.1
cat >Snakefile <<'PY'
rule:
    output: "{name}.made"
    shell: "touch {wildcards.name}.begun; while [ ! -e {wildcards.name}.go ]; do sleep 0.1; done; echo made >>{output}"
PY
run() { { timeout 20 snakemake --cores 1 "$1" 2>&1 || true; } | grep -o "Directory cannot be locked" || echo "not refused"; }
timeout 120 snakemake --cores 1 slow.made >/dev/null 2>&1 &
until [ -e slow.begun ]; do sleep 0.1; done
expect "a second run of the same file" "$(run slow.made)" "Directory cannot be locked"
touch other.go
run other.made >/dev/null
expect "locks after a run of another file ended" "$(find .snakemake/locks 2>/dev/null | wc -l)" "0"
expect "a third run of the same file" "$(run slow.made)" "not refused"
touch slow.go
wait
