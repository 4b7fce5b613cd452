# The verdicts on the papers' claims, from the tables alone, and the report.


rule claims:
    input:
        tables=PLAN.inputs("claims", "tables"),
    output:
        claims=PLACES.output("claims", "claims"),
    log:
        PLACES.log("claims"),
    conda:
        "../envs/environment.yaml"
    params:
        **job_params("claims"),
    shell:
        rule_command(RESULTS)


# One self-contained page, a view of figures, tables and settings.
use rule claims as report with:
    input:
        description=PLAN.inputs("report", "description"),
        png=PLAN.inputs("report", "png"),
        pdf=PLAN.inputs("report", "pdf"),
        slide=PLAN.inputs("report", "slide"),
        caption=PLAN.inputs("report", "caption"),
        gif=PLAN.inputs("report", "gif"),
        tables=PLAN.inputs("report", "tables"),
        claims=PLAN.inputs("report", "claims"),
        architectures=PLAN.inputs("report", "architectures"),
    output:
        report=PLACES.output("report", "report"),
    log:
        PLACES.log("report"),
    params:
        **job_params("report"),
