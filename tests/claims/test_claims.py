"""Every claim: what its file states, and its verdict where it is true, where it is false, and without runs."""

import importlib

import pytest
from claims import worlds

from workflow_scripts.study.claim_modules import STATED, claim_names, stated
from workflow_scripts.study.figure_modules import figure_names
from workflow_scripts.tables.catalogue import TABLES

WORLDS = {"robustdarts": worlds.cells, "depth": worlds.depth}


def judged(name, tables):
    return importlib.import_module(f"workflow_scripts.claims.{name}").judge(tables)


def test_all_claims_of_both_papers_are_there():
    assert len(claim_names("robustdarts")) == 11
    assert len(claim_names("depth")) == 8
    assert set(claim_names()) == set(claim_names("robustdarts")) | set(claim_names("depth"))


@pytest.mark.parametrize("name", claim_names())
def test_a_claim_states_itself_in_a_sentence_with_tables_and_a_figure(name):
    statement = stated(name, "STATEMENT")
    assert statement.endswith(".") and statement[0].isupper()
    assert set(stated(name, "TABLES")) <= set(TABLES)
    assert stated(name, "FIGURE") in figure_names()
    assert all(stated(name, each) for each in STATED)


@pytest.mark.parametrize("name", claim_names())
def test_a_claim_holds_where_it_is_true(name):
    found = judged(name, WORLDS[stated(name, "PAPER")](True))
    assert found.word == "holds", found


@pytest.mark.parametrize("name", claim_names())
def test_a_claim_fails_where_it_is_false(name):
    found = judged(name, WORLDS[stated(name, "PAPER")](False))
    assert found.word == "fails", found
    assert len({each.evidence.what for each in found.findings}) == len(found.findings)


@pytest.mark.parametrize("name", claim_names())
def test_two_seeds_decide_nothing_but_correlations_over_settings(name):
    found = judged(name, WORLDS[stated(name, "PAPER")](True, seeds=2))
    over_settings = {"eigenvalue_goes_with_error", "spectrum_grows"}
    assert found.word == ("holds" if name in over_settings else "undecided"), found


@pytest.mark.parametrize("name", claim_names())
def test_a_claim_without_runs_is_not_measured(name):
    found = judged(name, worlds.empty())
    assert (found.word, found.findings) == ("undecided", ())
    assert found.reason.startswith("not measured: it needs ")


@pytest.mark.parametrize("name", claim_names("depth"))
def test_networks_whose_q_is_set_decide_no_claim_of_the_paper(name):
    tables = worlds.depth(True)
    for table in stated(name, "TABLES"):
        tables[table].loc[tables[table]["model"].fillna("ldn") == "ldn", "closed_form_from"] = 0
    assert judged(name, tables).word == "undecided"
