# Data sets, shared by all studies. What needs the network runs where Snakemake itself runs, because the nodes of a
# cluster often have none. Verified source files stay in data/sources/.


# A data set in its prepared form. A checkpoint, so that preparing it anew reruns what follows only when its bytes
# changed.


checkpoint fetch_data:
    output:
        data="data/{data_set}.npz",
    log:
        "data/logs/{data_set}.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        job=lambda w: identity_text(
            "fetch_data", JOBS.fetch(w.data_set), [JOBS.fetch(w.data_set)["module"]]
        ),
        files=named_files(),
    shell:
        rule_command("data", access_option(JOBS.access()))


# The published search logs of one space and data set, each search in the form of our own.
for group in JOBS.published_groups:

    rule:
        name:
            f"import_published_logs_{group}"
        output:
            settings=JOBS.search_files(group, "settings.json"),
            history=JOBS.search_files(group, "history.csv"),
            curvature=JOBS.search_files(group, "curvature.npz"),
            outcome=JOBS.search_files(group, "outcome.json"),
            report=f"{RESULTS}/cells/searches/{group}/published/import.json",
        log:
            f"{RESULTS}/logs/import_published_logs_{group}.log",
        localrule: True
        conda:
            "../envs/environment.yaml"
        params:
            job=job_identity(
                f"import_published_logs_{group}",
                "import_published_logs",
                JOBS.published_import(group),
            ),
            files=named_files(),
        shell:
            rule_command(RESULTS, access_option(JOBS.access()))
