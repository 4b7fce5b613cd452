"""Typed tables: what is written is read back, and other columns are refused."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.tables.catalogue import TABLES
from workflow_scripts.tables.files import read_arrays, read_json, write_arrays
from workflow_scripts.tables.schema import Column, Table

TABLE = Table(
    "things",
    (
        Column("name", "text", "a name"),
        Column("count", "integer", "a count"),
        Column("share_percent", "number", "a share"),
        Column("seen", "flag", "whether"),
    ),
)
words = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=12)
rows = st.fixed_dictionaries(
    {
        "name": st.none() | words | st.sampled_from(["NA", "nan", "None", " a ", 'say "x", y', "two\nlines", "True"]),
        "count": st.none() | st.integers(-(2**53), 2**53),
        "share_percent": st.none() | st.floats(allow_nan=False),
        "seen": st.none() | st.booleans(),
    }
)


def back(frame, path):
    TABLE.write(frame, path)
    return TABLE.read(path)


@given(st.lists(rows, max_size=6))
def test_round_trip(tmp_path_factory, written):
    path = tmp_path_factory.mktemp("tables") / "things.csv"
    frame = TABLE.frame(written)
    found = back(frame, path)
    pd.testing.assert_frame_equal(found, frame, check_exact=True)
    for row, (_, read) in zip(written, found.iterrows(), strict=True):
        for column, value in row.items():
            assert pd.isna(read[column]) if value is None else read[column] == value
    again = path.read_bytes()
    TABLE.write(found, path)
    assert path.read_bytes() == again


def test_types():
    assert [str(kind) for kind in TABLE.frame([]).dtypes] == ["string", "Int64", "Float64", "boolean"]


def test_empty_table_keeps_its_columns_and_types(tmp_path):
    found = back(TABLE.frame([]), tmp_path / "empty.csv")
    assert len(found) == 0
    assert (found.dtypes == TABLE.frame([]).dtypes).all()


def test_missing_values_and_flags(tmp_path):
    row = {"name": None, "count": None, "share_percent": math.nan, "seen": None}
    full = {"name": "x", "count": 3, "share_percent": 0.1, "seen": True}
    path = tmp_path / "things.csv"
    found = back(TABLE.frame([row, full, {**full, "seen": False}]), path)
    assert path.read_text() == "name,count,share_percent,seen\n,,,\nx,3,0.1,True\nx,3,0.1,False\n"
    assert found.iloc[0].isna().all()
    assert found["seen"].tolist()[1:] == [True, False]


@pytest.mark.parametrize("change", [{"extra": 1}, {"seen": ...}])
def test_row_of_other_columns(change):
    row = {"name": "x", "count": 3, "share_percent": 0.1, "seen": True, **change}
    row = {key: value for key, value in row.items() if value is not ...}
    with pytest.raises(ValueError, match="table things: a row has unknown"):
        TABLE.frame([row])


def test_frame_of_other_columns_is_not_written(tmp_path):
    frame = TABLE.frame([])[["count", "name", "share_percent", "seen"]]
    with pytest.raises(ValueError, match="table things: columns are"):
        TABLE.write(frame, tmp_path / "things.csv")
    assert not (tmp_path / "things.csv").exists()


@pytest.mark.parametrize(
    "text",
    [
        "name,count,share_percent\nx,3,0.1\n",
        "name,count,share_percent,seen,more\nx,3,0.1,True,1\n",
        "count,name,share_percent,seen\n3,x,0.1,True\n",
        "name,count,share_percent,seen\nx,3,0.1,yes\n",
        "name,count,share_percent,seen\nx,3.5,0.1,True\n",
        "name,count,share_percent,seen\nx,3,much,True\n",
        "name,count,share_percent,seen\nx,3,0.1,True,4,5\ny\n",
        "name,count,share_percent,seen\nx,3,0.1",
        'name,count,share_percent,seen\n"x,3,0.1,True\n',
        "\0\xff\n",
        "\n",
        "",
    ],
)
def test_file_that_is_no_such_table(text, tmp_path):
    path = tmp_path / "things.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError) as caught:
        TABLE.read(path)
    assert str(caught.value).startswith(f"{path}: this is not a readable table things (")
    assert str(caught.value).endswith("); delete it and run the study again")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\n"])
def test_a_damaged_json_file_is_named(content, tmp_path):
    path = tmp_path / "outcome.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"^{path}: this is not a readable JSON file"):
        read_json(path)


@pytest.mark.parametrize("kept", [0, 10, 200, -30])
def test_damaged_arrays_are_named(kept, tmp_path):
    path = tmp_path / "curvature.npz"
    write_arrays(path, {"epoch": np.arange(100), "value": np.ones(3)})
    assert list(read_arrays(path, "value")) == ["value"]
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=f"^{path}: this is not a readable file of arrays"):
        read_arrays(path)


def test_altered_arrays_are_named(tmp_path):
    path = tmp_path / "curvature.npz"
    write_arrays(path, {"epoch": np.arange(100)})
    content = bytearray(path.read_bytes())
    content[300] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"^{path}: this is not a readable file of arrays"):
        read_arrays(path)
    with pytest.raises(ValueError, match="this is not a readable file of arrays"):
        read_arrays(path, "value")


@pytest.mark.parametrize("name", TABLES)
def test_every_schema_is_a_table_with_distinct_columns(name, tmp_path):
    table = TABLES[name]
    assert table.name == name
    assert len(set(table.names)) == len(table.names)
    assert all(column.meaning for column in table.columns)
    table.write(table.frame([]), tmp_path / "empty.csv")
    assert list(table.read(tmp_path / "empty.csv").columns) == table.names
