# The report: one self-contained page, a view of figures, tables and settings.


rule report:
    input:
        description=PLAN.inputs_of("report", "description"),
        png=PLAN.inputs_of("report", "png"),
        pdf=PLAN.inputs_of("report", "pdf"),
        slide=PLAN.inputs_of("report", "slide"),
        caption=PLAN.inputs_of("report", "caption"),
        gif=PLAN.inputs_of("report", "gif"),
        tables=PLAN.inputs_of("report", "tables"),
        claims=PLAN.inputs_of("report", "claims"),
        architectures=PLAN.inputs_of("report", "architectures"),
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
