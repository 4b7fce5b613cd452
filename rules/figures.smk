# Figures: each draws tables only, and is redrawn when its own module, the shared style or one of its tables changed.


# Snakemake wants what a rule says of its pictures to its own report (snakemake --report) without wildcards, and only some
# figures have an animation: so each figure has a rule.
for figure in PLAN.study.figures:
    drawn = PLAN.job("figure", figure=figure)
    shown = report(*drawn.outputs["png"], **snakemake_report_entry(figure, *drawn.outputs["caption"]))

    rule:
        name:
            drawn.name
        input:
            tables=drawn.inputs["tables"],
        output:
            **({"gif": drawn.outputs["gif"]} if "gif" in drawn.outputs else {}),
            pdf=drawn.outputs["pdf"],
            slide=drawn.outputs["slide"],
            png=shown,
            description=drawn.outputs["description"],
            caption=drawn.outputs["caption"],
        log:
            drawn.log,
        conda:
            "../envs/environment.yaml"
        params:
            **job_params("figure", figure=figure),
        shell:
            rule_command(RESULTS)


# `make figures`: tables and figures from the runs that are there.
rule figures:
    input:
        [
            PLAN.job("figure", figure=figure).outputs.get(name, [])
            for figure in PLAN.study.figures
            for name in ("pdf", "slide", "png", "gif")
        ],


# One depth network on one page, on request: snakemake results/<study>/run_pictures/<group>/<run>.png
rule depth_run_picture:
    input:
        folder=PLACES.output("depth_search", "folder"),
    output:
        pdf=PLACES.output("depth_run_picture", "pdf"),
        png=PLACES.output("depth_run_picture", "png"),
    log:
        PLACES.log("depth_run_picture"),
    conda:
        "../envs/environment.yaml"
    params:
        **job_params("depth_run_picture"),
    shell:
        rule_command(RESULTS)
