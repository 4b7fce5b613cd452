# Figures: each draws tables only, and is redrawn when its own module, the shared style or one of its tables changed.


for figure in JOBS.study.figures:

    rule:
        name:
            f"figure_{figure}"
        input:
            tables=JOBS.figure_inputs(figure),
        output:
            # marked for those who want Snakemake's own report: snakemake --report
            **JOBS.figure_outputs(figure)
            | {"png": report(**JOBS.reported_picture(figure))},
        log:
            f"{RESULTS}/logs/figure_{figure}.log",
        conda:
            "../envs/environment.yaml"
        params:
            job=job_identity(
                f"figure_{figure}", "figure", {"figure": figure}, [f"figures.{figure}"]
            ),
            files=named_files(outputs="files"),
        shell:
            rule_command(RESULTS)


# `make figures`: tables and figures from the runs that are there.
rule figures:
    input:
        JOBS.figure_files("pdf"),
        JOBS.figure_files("slide.pdf"),
        JOBS.figure_files("png"),
        JOBS.animations(),


# One depth network on one page, on request: snakemake results/<study>/run_pictures/<group>/<run>.png
rule depth_run_picture:
    input:
        folder=f"{RESULTS}/depth/{{group}}",
    output:
        pdf=f"{RESULTS}/run_pictures/{{group}}/{{run}}.pdf",
        png=f"{RESULTS}/run_pictures/{{group}}/{{run}}.png",
    log:
        f"{RESULTS}/logs/run_pictures/{{group}}/{{run}}.log",
    conda:
        "../envs/environment.yaml"
    params:
        job=lambda w: job_identity(
            f"run_pictures/{w.group}/{w.run}",
            "depth_run_picture",
            {"run": w.run},
            ["figures.depth_run"],
        ),
        files=named_files(),
    shell:
        rule_command(RESULTS)
