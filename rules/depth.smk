# Depth search: a group of networks in one job, one folder per network inside.


rule depth_search:
    input:
        data=lambda w: [
            checkpoints.fetch_data.get(data_set=data_set).output.data
            for data_set in PLAN.runs.depth_data_sets(w.group)
        ],
    output:
        folder=directory(PLACES.output("depth_search", "folder")),
    log:
        PLACES.log("depth_search"),
    conda:
        "../envs/environment.yaml"
    resources:
        **PLAN.resources("depth_search"),
    params:
        **job_params("depth_search"),
    shell:
        rule_command(RESULTS, gpu=True)
