#!/usr/bin/env bash
# Snakemake 9.27.1: a param computed from resources keeps the value of the first attempt, while the resource itself grows
# on each retry. Expected: both grow. Seen: 100 100, 100 200, 100 300.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh" snakemake==9.27.1
cat >Snakefile <<'SMK'
rule grow:
    output:
        "grown",
    retries: 2
    resources:
        mem_mb=lambda wildcards, attempt: 100 * attempt,
    params:
        memory=lambda wildcards, resources: resources.mem_mb,
    shell:
        "echo {params.memory} {resources.mem_mb} >>attempts; test {resources.mem_mb} -ge 300 && touch {output}"
SMK
snakemake --cores 1 >/dev/null 2>&1
expect "param and resource in each attempt" "$(paste -sd, attempts)" "100 100,100 200,100 300"
