# Depth search: a group of networks in one job, one folder per network inside.


rule depth_search:
    input:
        data=lambda w: JOBS.depth_data(w.group, checkpoints),
    output:
        folder=directory(f"{RESULTS}/depth/{{group}}"),
    log:
        f"{RESULTS}/logs/depth_search/{{group}}.log",
    conda:
        "../envs/environment.yaml"
    resources:
        **JOBS.resources("depth_search"),
    params:
        job=lambda w: job_identity(
            f"depth_search/{w.group}", "depth_search", JOBS.depth_search(w.group)
        ),
        files=named_files(),
    shell:
        rule_command(RESULTS, gpu=True)
