# Tables: plain typed CSV between the runs and the figures.


# The search spaces of the study.
rule space_table:
    output:
        search_spaces=PLACES.output("space_table", "search_spaces"),
    log:
        PLACES.log("space_table"),
    conda:
        "../envs/environment.yaml"
    params:
        **job_params("space_table"),
    shell:
        rule_command(RESULTS)


# The test errors that the authors published.
rule published_evaluations:
    output:
        published_evaluations=PLACES.output("published_evaluations", "published_evaluations"),
    log:
        PLACES.log("published_evaluations"),
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        **job_params("published_evaluations"),
    shell:
        rule_command(RESULTS, access_option(PLAN.access()))


# The searches of one space and data set.
use rule space_table as search_tables with:
    input:
        settings=PLAN.inputs("search_tables", "settings"),
        history=PLAN.inputs("search_tables", "history"),
        curvature=PLAN.inputs("search_tables", "curvature"),
        outcome=PLAN.inputs("search_tables", "outcome"),
    output:
        searches=PLACES.output("search_tables", "searches"),
        search_epochs=PLACES.output("search_tables", "search_epochs"),
        curvature=PLACES.output("search_tables", "curvature"),
        spectra=PLACES.output("search_tables", "spectra"),
    log:
        PLACES.log("search_tables"),
    params:
        **job_params("search_tables"),


# The trainings from scratch of one space and data set.
use rule space_table as evaluation_table with:
    input:
        outcome=PLAN.inputs("evaluation_table", "outcome"),
        architectures=PLAN.inputs("evaluation_table", "architectures"),
    output:
        evaluations=PLACES.output("evaluation_table", "evaluations"),
    log:
        PLACES.log("evaluation_table"),
    params:
        **job_params("evaluation_table"),


# Test errors next to the published ones.
use rule space_table as comparison_table with:
    input:
        evaluations=PLAN.inputs("comparison_table", "evaluations"),
        published=PLAN.inputs("comparison_table", "published"),
    output:
        comparison=PLACES.output("comparison_table", "comparison"),
    log:
        PLACES.log("comparison_table"),
    params:
        **job_params("comparison_table"),


# One table over all groups of the study.
use rule space_table as join_tables with:
    input:
        part=PLAN.inputs("join_tables", "part"),
    output:
        table=PLACES.output("join_tables", "table"),
    log:
        PLACES.log("join_tables"),
    wildcard_constraints:
        table="searches|search_epochs|curvature|spectra|evaluations",
    params:
        **job_params("join_tables"),


# All depth networks of the study.
use rule space_table as depth_tables with:
    input:
        folder=PLAN.inputs("depth_tables", "folder"),
    output:
        depth_runs=PLACES.output("depth_tables", "depth_runs"),
        depth_posteriors=PLACES.output("depth_tables", "depth_posteriors"),
        depth_calibration=PLACES.output("depth_tables", "depth_calibration"),
    log:
        PLACES.log("depth_tables"),
    params:
        **job_params("depth_tables"),


# How long forward passes take: a measurement, made where a figure draws it.
rule depth_speed:
    input:
        folder=PLAN.inputs("depth_speed", "folder"),
    output:
        depth_speed=PLACES.output("depth_speed", "depth_speed"),
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
