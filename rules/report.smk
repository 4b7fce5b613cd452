# The report: one self-contained page, a view of figures, tables and settings.


rule report:
    input:
        description=PLAN.reads("report", "description"),
        png=PLAN.reads("report", "png"),
        pdf=PLAN.reads("report", "pdf"),
        slide=PLAN.reads("report", "slide"),
        caption=PLAN.reads("report", "caption"),
        gif=PLAN.reads("report", "gif"),
        tables=PLAN.reads("report", "tables"),
        architectures=PLAN.reads("report", "architectures"),
    output:
        report=PLACES.report(),
    log:
        PLACES.log("report"),
    conda:
        "../envs/environment.yaml"
    params:
        **job_params("report"),
    shell:
        rule_command(RESULTS)
