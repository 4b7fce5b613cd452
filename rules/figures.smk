# Figures: each draws tables only, and is redrawn when its own module, the shared style or one of its tables changed.


for figure in JOBS.study.figures:

    rule:
        name:
            f"figure_{figure}"
        input:
            JOBS.figure_inputs(figure),
        output:
            pdf=f"{RESULTS}/figures/{figure}.pdf",
            png=f"{RESULTS}/figures/{figure}.png",
            description=f"{RESULTS}/figures/{figure}.json",
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
                "--output pdf {output.pdf}",
                "--output png {output.png}",
                "--output description {output.description}",
            )


# `make figures`: tables and figures from the runs that are there.
rule figures:
    input:
        JOBS.figure_files("pdf"),
        JOBS.figure_files("png"),
