# Figures: each draws tables only, and is redrawn when its own module, the shared style or one of its tables changed.


# Snakemake wants what a rule says of its pictures to its own report (snakemake --report) without wildcards, and only some
# figures have an animation: so each figure has a rule.
for figure in PLAN.study.figures:

    rule:
        name:
            f"figure_{figure}"
        input:
            tables=PLAN.job("figure", figure=figure).inputs["tables"],
        output:
            **({"gif": PLACES.figure("gif", figure)} if is_animated(figure) else {}),
            pdf=PLACES.figure("pdf", figure),
            slide=PLACES.figure("slide.pdf", figure),
            png=report(
                PLACES.figure("png", figure),
                **snakemake_report_entry(figure, PLACES.figure("rst", figure)),
            ),
            description=PLACES.figure("json", figure),
            caption=PLACES.figure("rst", figure),
        log:
            PLAN.job("figure", figure=figure).log,
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
        folder=PLACES.depth(),
    output:
        pdf=PLACES.run_picture("pdf"),
        png=PLACES.run_picture("png"),
    log:
        PLACES.log("depth_run_picture"),
    conda:
        "../envs/environment.yaml"
    params:
        **job_params("depth_run_picture"),
    shell:
        rule_command(RESULTS)
