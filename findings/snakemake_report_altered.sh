#!/usr/bin/env bash
# Snakemake 9.27.1: --report shows an output that was altered after its job, without a word. Expected: a warning, since
# the report names the job as its origin. Seen: "Report created.", also with the altered content in it.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh" snakemake==9.27.1 pygments==2.21.0
cat >Snakefile <<'SMK'
rule measure:
    output:
        report("measured.txt", category="results"),
    shell:
        "echo 1 >{output}"
SMK
snakemake --cores 1 >/dev/null 2>&1
sleep 1.1
echo 5 >measured.txt
said=$(snakemake --report report.html 2>&1)
expect "it says of the file" "$(grep -i measured <<<"$said")" "Adding measured.txt (2 bytes)."
expect "at the end" "$(tail -n 1 <<<"$said")" "Report created."
expect "warnings" "$(grep -icE 'warn|changed|modified' <<<"$said" || true)" "0"
