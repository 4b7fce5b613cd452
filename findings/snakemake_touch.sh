#!/usr/bin/env bash
# Snakemake 9.27.1: --touch records the params of today for outputs that were made with others. Expected: it changes
# times, so that changed params still ask for a new run. Seen: nothing to be done, and the file holds the old value.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh" snakemake==9.27.1
cat >Snakefile <<'SMK'
rule write:
    output:
        "value",
    params:
        size=config["size"],
    shell:
        "echo {params.size} >{output}"
SMK
does() { snakemake --cores 1 "$@" 2>&1 | grep -oE "Nothing to be done|Params have changed" | head -1; }
snakemake --cores 1 --config size=1 >/dev/null 2>&1
expect "another size, dry run" "$(does -n --config size=2)" "Params have changed"
snakemake --cores 1 --touch --config size=2 >/dev/null 2>&1
expect "after --touch with it" "$(does -n --config size=2)" "Nothing to be done"
expect "the file still holds" "$(cat value)" "1"
