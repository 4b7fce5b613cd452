# Tables: plain typed CSV between the runs and the figures.


# The searches of one space and data set.
rule search_tables:
    input:
        settings=PLAN.inputs_of("search_tables", "settings"),
        history=PLAN.inputs_of("search_tables", "history"),
        curvature=PLAN.inputs_of("search_tables", "curvature"),
        outcome=PLAN.inputs_of("search_tables", "outcome"),
    output:
        searches=PLACES.group_table("searches"),
        search_epochs=PLACES.group_table("search_epochs"),
        curvature=PLACES.group_table("curvature"),
        spectra=PLACES.group_table("spectra"),
    log:
        PLACES.log("search_tables"),
    conda:
        "../envs/environment.yaml"
    params:
        **job_params("search_tables"),
    shell:
        rule_command(RESULTS)


# The trainings from scratch of one space and data set.
rule evaluation_table:
    input:
        outcome=PLAN.inputs_of("evaluation_table", "outcome"),
        architectures=PLAN.inputs_of("evaluation_table", "architectures"),
    output:
        evaluations=PLACES.group_table("evaluations"),
    log:
        PLACES.log("evaluation_table"),
    conda:
        "../envs/environment.yaml"
    params:
        **job_params("evaluation_table"),
    shell:
        rule_command(RESULTS)


# The search spaces of the study.
rule space_table:
    output:
        search_spaces=PLACES.table("search_spaces"),
    log:
        PLACES.log("space_table"),
    conda:
        "../envs/environment.yaml"
    params:
        **job_params("space_table"),
    shell:
        rule_command(RESULTS)


# Test errors next to the published ones.
rule comparison_table:
    input:
        evaluations=PLACES.table("evaluations"),
        published=PUBLISHED_VALUES,
    output:
        comparison=PLACES.table("comparison"),
    log:
        PLACES.log("comparison_table"),
    conda:
        "../envs/environment.yaml"
    params:
        **job_params("comparison_table"),
    shell:
        rule_command(RESULTS)


# One table over all groups of the study.
rule join_tables:
    input:
        part=PLAN.inputs_of("join_tables", "part"),
    output:
        table=PLACES.table(),
    log:
        PLACES.log("join_tables"),
    wildcard_constraints:
        table="searches|search_epochs|curvature|spectra|evaluations",
    conda:
        "../envs/environment.yaml"
    params:
        **job_params("join_tables"),
    shell:
        rule_command(RESULTS)


# All depth networks of the study.
rule depth_tables:
    input:
        folder=PLAN.inputs_of("depth_tables", "folder"),
    output:
        depth_runs=PLACES.table("depth_runs"),
        depth_posteriors=PLACES.table("depth_posteriors"),
        depth_calibration=PLACES.table("depth_calibration"),
    log:
        PLACES.log("depth_tables"),
    conda:
        "../envs/environment.yaml"
    params:
        **job_params("depth_tables"),
    shell:
        rule_command(RESULTS)


# How long forward passes take: a measurement, made where a figure draws it.
rule depth_speed:
    input:
        folder=PLAN.inputs_of("depth_speed", "folder"),
    output:
        depth_speed=PLACES.table("depth_speed"),
    log:
        PLACES.log("depth_speed"),
    conda:
        "../envs/environment.yaml"
    resources:
        **PLAN.resources("depth_speed"),
    params:
        **job_params("depth_speed"),
    shell:
        rule_command(RESULTS, gpu=True)
