# Depth search: a group of networks in one job, one folder per network inside.


rule depth_search:
    output:
        folder=directory(f"{RESULTS}/depth/{{group}}"),
    log:
        f"{RESULTS}/logs/depth_search/{{group}}.log",
    conda:
        "../envs/environment.yaml"
    params:
        job=lambda w: identity_text("depth_search", JOBS.depth_search(w.group)),
    shell:
        command(
            RESULTS,
            "--output folder {output.folder}",
        )
