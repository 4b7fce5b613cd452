# Cell search: one folder per search, and the training of found architectures from scratch. Only the last rule reads
# test images.


# One search: DARTS, or DARTS-ADA with its rollbacks.
rule cell_search:
    input:
        data=lambda w: checkpoints.fetch_data.get(data_set=PLAN.runs.data_set(w.group)).output.data,
    output:
        settings=PLACES.search("settings.json"),
        history=PLACES.search("history.csv"),
        curvature=PLACES.search("curvature.npz"),
        outcome=PLACES.search("outcome.json"),
        alphas=PLACES.search("alphas.npz"),
        discarded=PLACES.search("discarded.csv"),
    log:
        PLACES.log("cell_search"),
    wildcard_constraints:
        search="darts|darts_ada",
    conda:
        "../envs/environment.yaml"
    resources:
        **PLAN.resources("cell_search"),
    params:
        **job_params("cell_search"),
    shell:
        rule_command(RESULTS, gpu=True)


# One random search with weight sharing, in the form of every search.
rule random_search:
    input:
        data=lambda w: checkpoints.fetch_data.get(data_set=PLAN.runs.data_set(w.group)).output.data,
    output:
        settings=PLACES.search("settings.json"),
        history=PLACES.search("history.csv"),
        curvature=PLACES.search("curvature.npz"),
        outcome=PLACES.search("outcome.json"),
        samples=PLACES.search("samples.csv"),
    log:
        PLACES.log("random_search"),
    wildcard_constraints:
        search="random_ws",
    conda:
        "../envs/environment.yaml"
    resources:
        **PLAN.resources("random_search"),
    params:
        **job_params("random_search"),
    shell:
        rule_command(RESULTS, gpu=True)


# R-DARTS: of the architectures of one seed, the one best after a brief training, judged on validation images.
rule select_architecture:
    input:
        data=lambda w: checkpoints.fetch_data.get(data_set=PLAN.runs.data_set(w.group)).output.data,
        candidate=PLAN.inputs_after_architectures("select_architecture", "candidate", checkpoints),
    output:
        architecture=PLACES.selection("architecture.yaml"),
        candidates=PLACES.selection("candidates.csv"),
    log:
        PLACES.log("select_architecture"),
    conda:
        "../envs/environment.yaml"
    resources:
        **PLAN.resources("select_architecture"),
    params:
        **job_params("select_architecture"),
    shell:
        rule_command(RESULTS, gpu=True)


# One training of one architecture from scratch.
rule evaluate_genotype:
    input:
        data=lambda w: checkpoints.fetch_data.get(data_set=PLAN.runs.data_set(w.group)).output.data,
        architecture=PLAN.inputs_after_architectures("evaluate_genotype", "architecture", checkpoints),
    output:
        history=PLACES.training("history.csv"),
        weights=PLACES.training("weights.pt"),
        outcome=PLACES.training("outcome.json"),
    log:
        PLACES.log("evaluate_genotype"),
    conda:
        "../envs/environment.yaml"
    resources:
        **PLAN.resources("evaluate_genotype"),
    params:
        **job_params("evaluate_genotype"),
    shell:
        rule_command(RESULTS, gpu=True)
