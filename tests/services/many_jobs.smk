# Many jobs of a step that takes a moment, to see that all are submitted; one of them fails.
from workflow_scripts.provenance.identity import identity_text
from workflow_scripts.runtime.job_command import named_files, rule_command
from workflow_scripts.runtime.snakemake_start import use_this_python

use_this_python()
FAILS = "7"


rule all:
    input:
        expand("results/many/tables/{number}.csv", number=range(int(config["jobs"]))),


rule space_table:
    output:
        search_spaces="results/many/tables/{number}.csv",
    log:
        "results/many/logs/{number}.log",
    params:
        job=lambda w: identity_text(
            "space_table", {"spaces": "wrong" if w.number == FAILS else {}}
        ),
        files=named_files,
    shell:
        rule_command("results/many")
