# Data sets in their prepared form, shared by all studies. A checkpoint, so that preparing a data set anew reruns what
# follows only when its bytes changed.


checkpoint fetch_data:
    output:
        data="data/{data_set}.npz",
    log:
        "data/logs/{data_set}.log",
    conda:
        "../envs/environment.yaml"
    params:
        job=lambda w: identity_text(
            "fetch_data", JOBS.fetch(w.data_set), [JOBS.fetch(w.data_set)["module"]]
        ),
    shell:
        command(
            "data",
            "--output data {output.data}",
        )
