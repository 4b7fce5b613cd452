"""Progress: every line in the log, a line every few seconds on the console, by a clock held still."""

import io
import logging

import pytest

from workflow_scripts.runtime.progress import Console, Silent, warnings_shown


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def console(clock):
    return Console("search s1", log=io.StringIO(), console=io.StringIO(), every_seconds=5.0, clock=clock)


def lines(stream):
    return stream.getvalue().splitlines()


def test_the_log_has_every_line(console, clock):
    for done in range(1, 5):
        clock.now += 1.0
        console.advance(done, 4, f"loss 0.{done}")
    assert lines(console.log) == [
        "1/4  loss 0.1  ? left",
        "2/4  loss 0.2  2s left",
        "3/4  loss 0.3  1s left",
        "4/4  loss 0.4",
    ]


def test_the_console_gets_one_line_in_five_seconds(console, clock):
    for done in range(1, 13):
        clock.now += 1.0
        console.advance(done, 20, "busy")
    assert lines(console.console) == [
        "  search s1  [##........] 5/20  busy  15s left",
        "  search s1  [#####.....] 10/20  busy  10s left",
    ]
    assert len(lines(console.log)) == 12


def test_bar_is_full_at_the_end(console, clock):
    clock.now += 60
    console.advance(3, 3)
    assert lines(console.console) == ["  search s1  [##########] 3/3  "]


@pytest.mark.parametrize(
    ("elapsed", "done", "total", "left"),
    [
        (10.0, 1, 2, "10s"),
        (10.0, 1, 10, "1m30s"),
        (59.6, 1, 2, "1m00s"),
        (3599.7, 1, 2, "1h00m"),
        (100.0, 1, 100, "2h45m"),
        (10.0, 0, 3, "?"),
    ],
)
def test_time_left(console, clock, elapsed, done, total, left):
    console.advance(0, total)
    clock.now += elapsed
    console.advance(done, total)
    assert lines(console.log)[-1].endswith(f"  {left} left")


def test_time_left_is_by_the_pace_since_the_first_report(console, clock):
    """Before it a job compiles, or takes up what a checkpoint holds."""
    clock.now += 60
    for done in (30, 31, 32):
        console.advance(done, 50)
        clock.now += 2
    assert [line.split("  ")[-1] for line in lines(console.log)] == ["? left", "38s left", "36s left"]


def test_time_left_of_work_that_begins_anew(console, clock):
    """As where candidates are trained one after another, or a search goes back."""
    for done, seconds in [(1, 100), (2, 100), (3, 100), (1, 10), (2, 10)]:
        clock.now += seconds
        console.advance(done, 5)
    assert lines(console.log)[-1].endswith("  30s left")


def test_nothing_to_do(console, clock):
    clock.now += 10
    console.advance(0, 0)
    assert lines(console.log) == ["0/0  "]
    assert "[##########]" in console.console.getvalue()


def test_saying_goes_to_both_at_once(console):
    console.say("diverged at epoch 3")
    assert lines(console.log) == ["diverged at epoch 3"]
    assert lines(console.console) == ["  search s1  diverged at epoch 3"]


def test_silent_says_nothing(capsys):
    progress = Silent()
    progress.advance(1, 2, "x")
    progress.say("y")
    assert capsys.readouterr() == ("", "")


def test_what_modules_warn_of_or_tell_is_said_while_the_job_runs():
    messages = []

    class Heard(Silent):
        def say(self, text):
            messages.append(text)

    logger = logging.getLogger("workflow_scripts.runtime.compilation")
    with warnings_shown(Heard()):
        logger.warning("%s is damaged", "x.nbc")
        logger.info("loops are compiled first")
        logger.debug("nothing to say")
        logging.getLogger("numba").warning("not ours")
    logger.warning("afterwards")
    assert messages == ["x.nbc is damaged", "loops are compiled first"]
