# Data sets of a rehearsal: made up, and kept in its results folder. The rule has the name that other rules know; it runs
# where the one of rules/data.smk runs.


checkpoint fetch_data:
    output:
        data=PLACES.output("made_up_data", "data"),
    log:
        PLACES.log("made_up_data"),
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        **job_params("made_up_data"),
    shell:
        rule_command(RESULTS)
