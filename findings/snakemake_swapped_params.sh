#!/usr/bin/env bash
# Snakemake 9.27.1: params and inputs are compared as sets: two unnamed params, or two inputs, that change places rerun
# nothing, although the command that they make is another. Expected: a rerun. Seen: nothing to be done.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh" snakemake==9.27.1
cat >Snakefile <<'SMK'
rule join:
    input:
        config["files"].split(","),
    output:
        "joined",
    params:
        config["words"].split(",")[0],
        config["words"].split(",")[1],
    shell:
        "cat {input} >{output}; echo {params} >>{output}"
SMK
does() { snakemake --cores 1 -n --config "$@" 2>&1 | grep -oE "Nothing to be done|Params have changed|Set of input files has changed" | head -1; }
echo one >one
echo two >two
snakemake --cores 1 --config files=one,two words=a,b >/dev/null 2>&1
expect "another word" "$(does files=one,two words=a,c)" "Params have changed"
expect "the words change places" "$(does files=one,two words=b,a)" "Nothing to be done"
expect "one file less" "$(does files=one words=a,b)" "Set of input files has changed"
expect "the files change places" "$(does files=two,one words=a,b)" "Nothing to be done"
