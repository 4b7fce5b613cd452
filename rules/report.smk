# The report: one self-contained page, a view of figures, tables and settings.


rule report:
    input:
        description=JOBS.figure_files("json"),
        png=JOBS.figure_files("png"),
        pdf=JOBS.figure_files("pdf"),
        slide=JOBS.figure_files("slide.pdf"),
        caption=JOBS.figure_files("rst"),
        gif=JOBS.animations(),
        tables=JOBS.table_files(),
        architectures=JOBS.architecture_file(),
    output:
        report=f"{RESULTS}/report.html",
    log:
        f"{RESULTS}/logs/report.log",
    conda:
        "../envs/environment.yaml"
    params:
        job=job_identity("report", "report", JOBS.report()),
    shell:
        command(
            RESULTS,
            "--input description {input.description}",
            "--input png {input.png}",
            "--input tables {input.tables}",
            *(["--input gif {input.gif}"] if JOBS.animations() else []),
            *(
                ["--input architectures {input.architectures}"]
                if JOBS.architecture_file()
                else []
            ),
            "--output report {output.report}",
        )
