"""The traces of a submission may be a stranger's: what cannot be read is as if it were not there."""

import os

import pytest
from unreadable_files import KINDS, make_unreadable

from workflow_scripts.cluster.submission_files import MOST_BYTES, latest_submissions, new_submission
from workflow_scripts.provenance.failed_jobs import failures

JOB = "search/a"


@pytest.fixture
def submission(tmp_path):
    made = new_submission(tmp_path, JOB)
    made.note("script.sh", "")
    return made


def read(submission):
    """Everything its files tell of."""
    return (
        submission.facts,
        submission.failure,
        submission.waiting,
        submission.exit_status,
        submission.began,
        submission.ended,
    )


NOTHING = ({}, None, None, None, None, None)


@pytest.mark.parametrize("name", ["submission.json", "failure.json", "waiting", "exit", "started"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_could_be_waited_for_is_not_opened(submission, tmp_path, name, kind):
    file = submission.folder / name
    make_unreadable(file, kind, MOST_BYTES)
    assert read(submission) == NOTHING
    assert list(failures(tmp_path)) == []


@pytest.mark.parametrize("content", ["[" * 5_000, '{"reason": ' * 5_000, '{"id": 1' + "0" * 5_000 + "}", "\udcff"])
def test_json_that_no_scheduler_writes_is_passed_over(submission, content):
    for name in ("submission.json", "failure.json"):
        (submission.folder / name).write_bytes(os.fsencode(content))
    assert read(submission) == NOTHING


@pytest.mark.parametrize("number", ["9" * 5_000, "nan", "inf", "1e999", "²"])
def test_a_number_that_is_none_is_passed_over(submission, number):
    submission.note("started", f"{number} host")
    submission.note("exit", f"{number} {number}")
    assert read(submission) == NOTHING


def test_folders_far_below_one_another_are_passed_over(submission, tmp_path):
    place = tmp_path / "scheduler"
    made = [place := place / "d" for _ in range(1_100)]
    for folder in made:
        folder.mkdir()
    try:
        assert list(latest_submissions(tmp_path)) == [JOB]
    finally:
        for folder in reversed(made):
            folder.rmdir()
