"""The commands to type where results are missing, altered or stale, and Snakemake alone would leave them."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from workflow_scripts.provenance.job_states import JobState, commands, job_states, study_options
from workflow_scripts.rehearsal.made_up_results import Writer
from workflow_scripts.runtime.job_lock import job_lock, lock_file
from workflow_scripts.study.job import Job

RESULTS = "results/made_up"
OPTIONS = study_options(Path("config/made_up.yaml"), None)
RUN = ".venv/bin/snakemake --profile profiles/local --configfile config/made_up.yaml"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def asked(*targets):
    return RUN.replace("snakemake", f"snakemake {' '.join(targets)}", 1)


def table(name):
    return Job(f"join_tables/{name}", "join_tables", {}, {}, {"table": [f"{RESULTS}/tables/{name}.csv"]}, RESULTS)


DEPTH = Job("depth_search/a", "depth_search", {}, {}, {"folder": [f"{RESULTS}/depth/a"]}, RESULTS)


def make(*jobs):
    for job in jobs:
        files = [path if Path(path).suffix else f"{path}/{name}" for path in job.writes for name in ("one", "two")]
        Writer().job(job.root, job.name, job.step, {}, {}, list(dict.fromkeys(files)))


def typed(*jobs, plan=(), most=10):
    return commands(job_states(jobs, RESULTS), {f"{RESULTS}/logs/{name}.log": "" for name in plan}, OPTIONS, most)


def test_nothing_is_typed_for_results_that_are_fresh():
    make(table("a"), DEPTH)
    assert typed(table("a"), DEPTH) == []


def test_what_snakemake_would_run_takes_the_command_of_every_run():
    assert typed(table("a"), plan=[table("a").name]) == [RUN]


def test_a_deleted_result_is_asked_for_by_name():
    make(table("a"), table("b"))
    Path(table("a").writes[0]).unlink()
    assert typed(table("a"), table("b")) == [asked(*table("a").writes), RUN]


def test_an_altered_result_is_removed_before():
    make(table("a"))
    [output] = table("a").writes
    Path(output).write_text("altered")
    assert typed(table("a")) == [f"rm -r {output}", asked(output), RUN]


def test_a_file_removed_from_a_result_that_is_a_folder_is_seen_and_the_folder_made_again():
    make(DEPTH)
    [output] = DEPTH.writes
    Path(output, "one").unlink()
    [job_state] = job_states([DEPTH], RESULTS)
    assert (job_state.state, job_state.reasons) == ("altered", (f"{output}/one was removed after it was made",))
    assert typed(DEPTH) == [f"rm -r {output}", asked(output), RUN]


def test_a_result_that_is_now_a_link_is_altered():
    make(table("a"))
    output = Path(*table("a").writes)
    output.rename("elsewhere.csv")
    output.symlink_to(Path("elsewhere.csv").absolute())
    [job_state] = job_states([table("a")], RESULTS)
    assert (job_state.state, job_state.reasons) == ("altered", (f"{output} was altered after it was made",))


@pytest.mark.parametrize("is_there", [True, False])
def test_a_job_that_runs_is_named_as_running_and_what_reads_it_follows(is_there):
    drawn = Job("figure_a", "figure", {}, {"tables": table("a").writes}, {"png": [f"{RESULTS}/a.png"]}, RESULTS)
    make(table("a"))
    Writer().job(drawn.root, drawn.name, drawn.step, {}, drawn.inputs, drawn.writes)
    if not is_there:
        Path(table("a").writes[0]).unlink()
    with job_lock(lock_file(Path(RESULTS), table("a").name), print):
        found = job_states([table("a"), drawn], RESULTS)
    assert [each.state for each in found] == ["running", "follows"]
    assert found[0].reasons[0].startswith("host ")


@pytest.mark.parametrize(("step", "state"), [("given_architecture", "fresh"), ("derive_architectures", "may follow")])
def test_a_training_of_a_given_architecture_does_not_wait_for_the_others_of_its_group(step, state):
    file = f"{RESULTS}/cells/architectures/s4_digits/a/b.yaml"
    outcome = {"outcome": [f"{RESULTS}/cells/evaluations/s4_digits/a/b/seed-1/outcome.json"]}
    gathered = {"architectures": [f"{RESULTS}/cells/architectures/s4_digits.yaml"]}
    one = Job("one", step, {}, {}, {"architecture": [file]}, RESULTS)
    group = Job("group", "gather_architectures", {}, {"part": [file]}, gathered, RESULTS)
    name = "evaluate_genotype/s4_digits/a/b/seed-1"
    training = Job(name, "evaluate_genotype", {}, {"architecture": [file]}, outcome, RESULTS)
    for job in (one, group, training):
        Writer().job(job.root, job.name, job.step, {}, job.inputs, job.writes)
    more = replace(group, settings={"parts": ["a/b", "a/c"]})
    assert [each.state for each in job_states([one, more, training], RESULTS)] == ["fresh", "stale", state]


@pytest.mark.parametrize("state", ["stale", "without a record"])
def test_a_result_that_snakemake_takes_for_sound_is_forced(state):
    make(table("a"))
    forced = [asked(*table("a").writes, "--force"), RUN]
    assert commands([JobState(table("a"), state)], {}, OPTIONS, 10) == forced


def test_targets_of_one_kind_share_a_command_up_to_a_number_of_jobs():
    jobs = [table(name) for name in "abc"]
    make(*jobs)
    shutil.rmtree(f"{RESULTS}/tables")
    assert typed(*jobs, most=2) == [asked(*jobs[0].writes, *jobs[1].writes), RUN]


def test_the_settings_of_the_command_line_are_given_again():
    options = study_options(Path("config/made_up.yaml"), "study=short cells.search.epochs=4")
    assert commands([], {"a log": ""}, options, 10) == [f"{RUN} --config 'set=study=short cells.search.epochs=4'"]
