# Data sets of a rehearsal: made up, and kept in its results folder. The rule has the name that other rules know; it runs
# where the one of rules/data.smk runs.


checkpoint fetch_data:
    output:
        data=f"{RESULTS}/data/{{data_set}}.npz",
    log:
        f"{RESULTS}/logs/made_up_data/{{data_set}}.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        job=lambda w: job_identity(
            f"made_up_data/{w.data_set}",
            "made_up_data",
            JOBS.make_up(w.data_set),
            [JOBS.make_up(w.data_set)["module"]],
        ),
        files=named_files(),
    shell:
        rule_command(RESULTS)
