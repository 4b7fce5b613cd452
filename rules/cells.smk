# Cell search: one folder per search, and the training of found architectures from scratch. Only the last rule reads
# test images.


# One search: DARTS, DARTS-ADA with its rollbacks, or DARTS with another mixing of operations.
rule cell_search:
    input:
        data=lambda w: checkpoints.fetch_data.get(data_set=PLAN.runs.data_set(w.group)).output.data,
    output:
        settings=PLACES.output("cell_search", "settings"),
        history=PLACES.output("cell_search", "history"),
        curvature=PLACES.output("cell_search", "curvature"),
        outcome=PLACES.output("cell_search", "outcome"),
        alphas=PLACES.output("cell_search", "alphas"),
        discarded=PLACES.output("cell_search", "discarded"),
    log:
        PLACES.log("cell_search"),
    wildcard_constraints:
        search="|".join(PLAN.runs.cell_search_kinds),
    conda:
        "../envs/environment.yaml"
    resources:
        **PLAN.resources("cell_search"),
    params:
        **job_params("cell_search"),
    shell:
        rule_command(RESULTS, gpu=True)


# One random search with weight sharing, in the form of every search.
use rule cell_search as random_search with:
    output:
        settings=PLACES.output("random_search", "settings"),
        history=PLACES.output("random_search", "history"),
        curvature=PLACES.output("random_search", "curvature"),
        outcome=PLACES.output("random_search", "outcome"),
        samples=PLACES.output("random_search", "samples"),
    log:
        PLACES.log("random_search"),
    wildcard_constraints:
        search="random_ws",
    resources:
        **PLAN.resources("random_search"),
    params:
        **job_params("random_search"),


# An architecture that a method computes with the supernet of one search.
use rule cell_search as supernet_architecture with:
    input:
        data=lambda w: checkpoints.fetch_data.get(data_set=PLAN.runs.data_set(w.group)).output.data,
        settings=PLAN.inputs("supernet_architecture", "settings"),
        history=PLAN.inputs("supernet_architecture", "history"),
        curvature=PLAN.inputs("supernet_architecture", "curvature"),
        outcome=PLAN.inputs("supernet_architecture", "outcome"),
        alphas=PLAN.inputs("supernet_architecture", "alphas"),
    output:
        architecture=PLACES.output("supernet_architecture", "architecture"),
    log:
        PLACES.log("supernet_architecture"),
    wildcard_constraints:
        method="|".join(PLAN.runs.computing_methods),
    resources:
        **PLAN.resources("supernet_architecture"),
    params:
        **job_params("supernet_architecture"),


# R-DARTS: of the architectures of one seed, the one best after a brief training, judged on validation images.
use rule cell_search as select_architecture with:
    input:
        data=lambda w: checkpoints.fetch_data.get(data_set=PLAN.runs.data_set(w.group)).output.data,
        candidate=PLAN.inputs_after_architectures("select_architecture", "candidate", checkpoints),
    output:
        architecture=PLACES.output("select_architecture", "architecture"),
        candidates=PLACES.output("select_architecture", "candidates"),
    log:
        PLACES.log("select_architecture"),
    resources:
        **PLAN.resources("select_architecture"),
    params:
        **job_params("select_architecture"),


# One training of one architecture from scratch. Where another method or search found it too, the first one's is taken.
use rule cell_search as evaluate_genotype with:
    input:
        data=lambda w: checkpoints.fetch_data.get(data_set=PLAN.runs.data_set(w.group)).output.data,
        architecture=PLAN.inputs_after_architectures("evaluate_genotype", "architecture", checkpoints),
        same_training=same_training(PLAN, checkpoints),
    output:
        history=PLACES.output("evaluate_genotype", "history"),
        weights=PLACES.output("evaluate_genotype", "weights"),
        outcome=PLACES.output("evaluate_genotype", "outcome"),
    log:
        PLACES.log("evaluate_genotype"),
    resources:
        **PLAN.resources("evaluate_genotype"),
    params:
        **job_params("evaluate_genotype"),
