# Figures: each draws tables only, and is redrawn when its own module, the shared style or one of its tables changed.


for figure in JOBS.study.figures:

    rule:
        name:
            f"figure_{figure}"
        input:
            JOBS.figure_inputs(figure),
        output:
            **JOBS.figure_outputs(figure),
        log:
            f"{RESULTS}/logs/figure_{figure}.log",
        conda:
            "../envs/environment.yaml"
        params:
            job=identity_text("figure", {"figure": figure}, [f"figures.{figure}"]),
        shell:
            command(
                RESULTS,
                "--input tables {input}",
                "--output files {output}",
            )


# `make figures`: tables and figures from the runs that are there.
rule figures:
    input:
        JOBS.figure_files("pdf"),
        JOBS.figure_files("png"),
        JOBS.animations(),
