# The verdicts on the papers' claims, from the tables alone.


rule claims:
    input:
        tables=PLAN.inputs_of("claims", "tables"),
    output:
        claims=PLACES.claims(),
    log:
        PLACES.log("claims"),
    conda:
        "../envs/environment.yaml"
    params:
        **job_params("claims"),
    shell:
        rule_command(RESULTS)
