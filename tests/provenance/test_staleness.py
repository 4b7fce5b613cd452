"""Is a result there, and of the settings and the code at hand? And if not: which setting, which module?"""

import json
import re
from pathlib import Path

import pytest

from workflow_scripts.provenance.differences import differences
from workflow_scripts.provenance.identity import combined, identity_text, parse_identity
from workflow_scripts.provenance.record import canonical_bytes, sealed
from workflow_scripts.provenance.staleness import ResultState, record_or_fault, result_state, source_warnings
from workflow_scripts.provenance.waivers import Waivers
from workflow_scripts.rehearsal.made_up_results import Writer
from workflow_scripts.study.job import Job
from workflow_scripts.study.job_plan import Plan
from workflow_scripts.study.study import Study

STEP = "join_tables"
SETTINGS = {"table": "searches", "deep": {"rate": 0.1, "betas": [0.5, 0.999], "images": None}}
RECORD = "results/made_up/records/join_tables/searches.json"
OUTPUT = "results/made_up/tables/searches.csv"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def job_of(settings=SETTINGS, outputs=(OUTPUT,), step=STEP, modules=()):
    return Job("join_tables/searches", step, settings, {}, {"files": list(outputs)}, "results/made_up", modules)


def made(job):
    """Put a result and its record where a job leaves them."""
    plain = job.settings if isinstance(job.settings, dict) else job.settings.model_dump(mode="json")
    files = [path if Path(path).suffix else f"{path}/file" for path in job.writes]
    Writer().job(job.root, job.name, job.step, plain, {}, files, chosen=list(job.modules))


def state(settings=SETTINGS, outputs=(OUTPUT,), **others):
    job = job_of(settings, outputs, **others)
    return result_state(job, record_or_fault(Path(job.record)), Waivers("results/made_up"))


def changed(**settings):
    return {**SETTINGS, "deep": {**SETTINGS["deep"], **settings}}


def change_record(**entries):
    record = {key: value for key, value in json.loads(Path(RECORD).read_text()).items() if key != "digest"}
    Path(RECORD).write_bytes(canonical_bytes(sealed({**record, **entries})))


def test_a_result_of_the_same_settings_and_code_is_fresh():
    made(job_of())
    assert state() == ResultState("join_tables/searches", "fresh")
    assert str(state()) == "fresh: join_tables/searches"


def test_a_result_that_is_not_there_is_missing():
    assert state().state == "missing"
    made(job_of())
    assert state(outputs=[OUTPUT, "results/made_up/tables/other.csv"]).state == "missing"
    Path(OUTPUT).unlink()
    assert str(state()) == "missing: join_tables/searches"


@pytest.mark.parametrize("content", [None, "", "{", "[]", "3", '{"settings": {}}', '{"settings": {}, "code": "0"}'])
def test_a_result_whose_record_is_absent_or_unreadable(content):
    made(job_of())
    Path(RECORD).unlink()
    if content is not None:
        Path(RECORD).write_text(content)
    assert (state().job, state().state) == ("join_tables/searches", "without a record")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (changed(rate=0.2), "setting deep.rate: 0.1 -> 0.2"),
        (changed(betas=[0.999, 0.5]), "setting deep.betas: [0.5, 0.999] -> [0.999, 0.5]"),
        (changed(images=5), "setting deep.images: null -> 5"),
        (changed(new=None), "setting deep.new: absent -> null"),
        (changed(rate=0.2, images=5), "setting deep.images: null -> 5; setting deep.rate: 0.1 -> 0.2"),
        ({"table": "searches"}, 'setting deep: {"betas": [0.5, 0.999], "images": null, "rate": 0.1} -> absent'),
        ({**SETTINGS, "table": True}, 'setting table: "searches" -> true'),
    ],
)
def test_a_changed_setting_is_named_with_both_values(settings, reason):
    made(job_of())
    assert state(settings) == ResultState("join_tables/searches", "stale", tuple(reason.split("; ")))


def test_values_that_python_takes_for_equal_are_told_apart():
    """As in the identity, which Snakemake compares."""
    assert differences({"a": 1}, {"a": 1.0}) == ["a: 1 -> 1.0"]
    assert differences({"a": True}, {"a": 1}) == ["a: true -> 1"]
    assert differences({"a": {"b": 1, "c": 2}}, {"a": {"c": 2, "b": 1}}) == []
    assert differences({"a": [{"b": 1}]}, {"a": [{"b": 2}]}) == ['a: [{"b": 1}] -> [{"b": 2}]']


NAMES = [f"a_figure_with_a_long_name_{number}" for number in range(21)]


@pytest.mark.parametrize(
    ("new", "lines"),
    [
        ([*NAMES[:5], *NAMES[6:]], ['figures.5: "a_figure_with_a_long_name_5" -> absent']),
        ([*NAMES[:5], "new", *NAMES[5:]], ['figures.5: absent -> "new"']),
        ([*NAMES[:5], "new", *NAMES[6:]], ['figures.5: "a_figure_with_a_long_name_5" -> "new"']),
        (NAMES[:20], ['figures.20: "a_figure_with_a_long_name_20" -> absent']),
        ([], [f'figures.{number}: "{name}" -> absent' for number, name in enumerate(NAMES)]),
        (NAMES, []),
    ],
)
def test_of_a_long_list_only_the_entries_that_differ_are_told(new, lines):
    assert differences({"figures": NAMES}, {"figures": new}) == lines


def test_entries_of_lists_are_compared_by_their_own_settings():
    runs = [{"run": f"l2-0.0003_drop-0_seed-{seed}", "methods": ["darts"], "l2": [3e-4, 6e-2]} for seed in (1, 2)]
    other = [runs[0], {**runs[1], "methods": ["darts", "darts_es"]}]
    assert differences({"runs": runs}, {"runs": other}) == ['runs.1.methods: ["darts"] -> ["darts", "darts_es"]']


def test_changed_code_is_named_by_module():
    made(job_of())
    modules = json.loads(Path(RECORD).read_text())["modules"]
    schema, removed = "workflow_scripts.tables.schema", "workflow_scripts.tables.removed"
    assert schema in modules
    other = {**modules, schema: "0" * 64, removed: "1" * 64}
    change_record(code=combined(other), modules=other)
    code = f"code of {removed}: 11111111 -> absent; code of {schema}: 00000000 -> {modules[schema][:8]}"
    assert state() == ResultState("join_tables/searches", "stale", tuple(code.split("; ")))
    assert state(changed(rate=0.2)).reasons == ("setting deep.rate: 0.1 -> 0.2", *code.split("; "))


def test_a_module_chosen_by_name_counts():
    figure = {"figure": "dominant_eigenvalue"}
    chosen = {"step": "figure", "modules": ("figures.dominant_eigenvalue",)}
    made(job_of(figure, **chosen))
    assert "figures.dominant_eigenvalue" in json.loads(Path(RECORD).read_text())["modules"]
    assert state(figure, **chosen).state == "fresh"
    other = state(figure, step="figure", modules=("figures.test_error",)).reasons
    assert re.fullmatch(
        r"code of figures.dominant_eigenvalue: \w{8} -> absent; .*code of figures.test_error: absent -> \w{8}",
        "; ".join(other),
    )


def test_an_identity_has_four_parts():
    identity = parse_identity(identity_text(STEP, SETTINGS, ["figures.style"]))
    assert (identity.step, identity.settings, identity.modules) == (STEP, SETTINGS, ("figures.style",))
    for text in ("{}", "[]", '{"step": "a", "settings": {}, "modules": []}'):
        with pytest.raises(ValueError, match=r"^a job's identity has the keys step, settings, modules and code$"):
            parse_identity(text)


# sources of a study ---------------------------------------------------------------------------------------------------


def plan(existing_only=True, **depth):
    experiment = {"max_depths": [1], "seeds": [1, 2, 3, 4], **depth}
    study = {"study": "made_up", "title": "T", "description": "D", "figures": ["depth_posterior"]}
    return Plan(Study.model_validate(study | {"depth": {"experiments": {"a": experiment}}}), existing_only)


def make_sources(number):
    for source in plan(existing_only=False).source_jobs[:number]:
        made(source)


def test_nothing_is_told_of_sources_that_are_all_fresh():
    make_sources(4)
    assert source_warnings(plan()) == []


def test_missing_and_stale_sources_are_told():
    make_sources(3)
    [record] = Path("results/made_up/records/depth_search").glob("a_seed-2_spirals_ldn_D0-15_width-20.json")
    record.unlink()
    lines = source_warnings(plan(prior_decay=0.9))
    reason = "setting runs.a_ldn_D1_width-20_seed-1.prior_decay: 0.85 -> 0.9"
    assert lines == [
        "missing: depth search results/made_up/depth/a_seed-4_spirals_ldn_D0-15_width-20",
        f"stale: depth_search/a_seed-1_spirals_ldn_D0-15_width-20 ({reason})",
        "without a record: depth_search/a_seed-2_spirals_ldn_D0-15_width-20",
        f"stale: depth_search/a_seed-3_spirals_ldn_D0-15_width-20 ({reason.replace('seed-1', 'seed-3')})",
    ]


def test_a_long_list_of_sources_is_cut_and_counted():
    assert source_warnings(plan(), longest=3) == [
        *(
            f"missing: depth search results/made_up/depth/a_seed-{seed}_spirals_ldn_D0-15_width-20"
            for seed in (1, 2, 3)
        ),
        "... and 1 more",
    ]
    assert len(source_warnings(plan(), longest=4)) == 4
