#!/usr/bin/env bash
# Snakemake 9.27.1: --config takes no key of one letter, which a configuration file may have. Expected: a=1 is taken.
# Seen: "Config entry must start with a valid identifier". And of --config given twice only the second counts.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh" snakemake==9.27.1
cat >Snakefile <<'SMK'
print("config", config)


rule nothing:
    shell:
        ""
SMK
does() { snakemake -n --cores 1 "$@" 2>&1 | grep -oE "^config .*|must start with a valid identifier" | head -1; }
echo "a: 1" >letters.yaml
expect "from a file" "$(does --configfile letters.yaml)" "config {'a': 1}"
expect "on the command line" "$(does --config a=1)" "must start with a valid identifier"
expect "two letters, and twice" "$(does --config one=1 --config two=2)" "config {'two': 2}"
