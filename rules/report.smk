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
        # a function, because Snakemake takes {name} in a plain text for a wildcard, and titles hold formulas
        job=lambda w: job_identity("report", "report", JOBS.report()),
        files=named_files(unread=("pdf", "slide", "caption")),
    shell:
        rule_command(RESULTS)
