# Tables: plain typed CSV between the runs and the figures.


# The searches of one space and data set.
rule search_tables:
    input:
        settings=lambda w: JOBS.search_files(w.group, "settings.json"),
        history=lambda w: JOBS.search_files(w.group, "history.csv"),
        curvature=lambda w: JOBS.search_files(w.group, "curvature.npz"),
        outcome=lambda w: JOBS.search_files(w.group, "outcome.json"),
    output:
        searches=f"{RESULTS}/tables/{{group}}/searches.csv",
        search_epochs=f"{RESULTS}/tables/{{group}}/search_epochs.csv",
        curvature=f"{RESULTS}/tables/{{group}}/curvature.csv",
        spectra=f"{RESULTS}/tables/{{group}}/spectra.csv",
    log:
        f"{RESULTS}/logs/search_tables/{{group}}.log",
    conda:
        "../envs/environment.yaml"
    params:
        job=lambda w: job_identity(
            f"search_tables/{w.group}", "search_tables", JOBS.stop_rule()
        ),
        files=named_files(),
    shell:
        rule_command(RESULTS)


# The trainings from scratch of one space and data set.
rule evaluation_table:
    input:
        outcome=lambda w: JOBS.evaluations(w.group),
        architectures=f"{RESULTS}/cells/architectures/{{group}}.yaml",
        selected=lambda w: JOBS.selected(w.group),
    output:
        evaluations=f"{RESULTS}/tables/{{group}}/evaluations.csv",
    log:
        f"{RESULTS}/logs/evaluation_table/{{group}}.log",
    conda:
        "../envs/environment.yaml"
    params:
        job=lambda w: job_identity(
            f"evaluation_table/{w.group}", "evaluation_table", {}
        ),
        files=named_files(together={"selected": "architectures"}),
    shell:
        rule_command(RESULTS)


# The search spaces of the study.
rule space_table:
    output:
        search_spaces=f"{RESULTS}/tables/search_spaces.csv",
    log:
        f"{RESULTS}/logs/space_table.log",
    conda:
        "../envs/environment.yaml"
    params:
        job=lambda w: job_identity("space_table", "space_table", JOBS.spaces()),
        files=named_files(),
    shell:
        rule_command(RESULTS)


# Test errors beside the published ones.
rule comparison_table:
    input:
        evaluations=f"{RESULTS}/tables/evaluations.csv",
        published="config/published_values.csv",
    output:
        comparison=f"{RESULTS}/tables/comparison.csv",
    log:
        f"{RESULTS}/logs/comparison_table.log",
    conda:
        "../envs/environment.yaml"
    params:
        job=lambda w: job_identity("comparison_table", "comparison_table", {}),
        files=named_files(),
    shell:
        rule_command(RESULTS)


# One table over all groups of the study.
rule join_tables:
    input:
        part=lambda w: expand(
            f"{RESULTS}/tables/{{group}}/{{table}}.csv",
            group=JOBS.searches,
            table=w.table,
        ),
    output:
        table=f"{RESULTS}/tables/{{table}}.csv",
    log:
        f"{RESULTS}/logs/join_tables/{{table}}.log",
    wildcard_constraints:
        table="searches|search_epochs|curvature|spectra|evaluations",
    conda:
        "../envs/environment.yaml"
    params:
        job=lambda w: job_identity(
            f"join_tables/{w.table}", "join_tables", {"table": w.table}
        ),
        files=named_files(),
    shell:
        rule_command(RESULTS)


# All depth networks of the study.
rule depth_tables:
    input:
        folder=JOBS.depth_folders(),
    output:
        depth_runs=f"{RESULTS}/tables/depth_runs.csv",
        depth_posteriors=f"{RESULTS}/tables/depth_posteriors.csv",
        depth_calibration=f"{RESULTS}/tables/depth_calibration.csv",
    log:
        f"{RESULTS}/logs/depth_tables.log",
    conda:
        "../envs/environment.yaml"
    params:
        job=job_identity("depth_tables", "depth_tables", {}),
        files=named_files(),
    shell:
        rule_command(RESULTS)


# How long forward passes take: a measurement, made where a figure draws it.
rule depth_speed:
    input:
        folder=JOBS.depth_folders(),
    output:
        depth_speed=f"{RESULTS}/tables/depth_speed.csv",
    log:
        f"{RESULTS}/logs/depth_speed.log",
    conda:
        "../envs/environment.yaml"
    resources:
        **JOBS.resources("depth_speed"),
    params:
        job=job_identity("depth_speed", "depth_speed", {}),
        files=named_files(),
    shell:
        rule_command(RESULTS, gpu=True)
