"""Plain typed tables: the one way CSV files pass between stages.

A `Table` lists its columns with type and meaning; writing checks a frame against it and reading restores the types,
so a step never meets a column that its schema does not name.
"""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from workflow_scripts.tables.files import damaged

if TYPE_CHECKING:  # pandas is loaded where a table is read or made: trainings, Snakemake and `status` do without it
    import pandas as pd

Kind = Literal["text", "integer", "number", "flag"]
_DTYPES: dict[Kind, str] = {"text": "string", "integer": "Int64", "number": "Float64", "flag": "boolean"}


@dataclass(frozen=True)
class Column:
    """One column: its name (with the unit, where it has one), its type and what it holds."""

    name: str
    kind: Kind
    meaning: str


@dataclass(frozen=True)
class Table:
    """The schema of one CSV table."""

    name: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> list[str]:
        """The column names in file order."""
        return [column.name for column in self.columns]

    def frame(self, rows: list[dict[str, object]]) -> "pd.DataFrame":
        """Rows as a typed frame; an empty list gives an empty frame with every column.

        Raises ValueError when a row lacks a column or has one the schema does not name.
        """
        import pandas as pd

        for row in rows:
            if set(row) != set(self.names):
                unknown, missing = set(row) - set(self.names), set(self.names) - set(row)
                raise ValueError(f"table {self.name}: a row has unknown {sorted(unknown)}, missing {sorted(missing)}")
        frame = pd.DataFrame(rows, columns=self.names)
        return frame.astype({column.name: _DTYPES[column.kind] for column in self.columns})

    def write(self, frame: "pd.DataFrame", path: Path) -> None:
        """Write a frame that matches the schema; numbers in their shortest exact decimal form, absent values empty."""
        if list(frame.columns) != self.names:
            raise ValueError(f"table {self.name}: columns are {list(frame.columns)}, the schema has {self.names}")
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.to_csv(path, index=False, lineterminator="\n")

    def read(self, path: Path) -> "pd.DataFrame":
        """Read a table back with its types. Raises ValueError, which names the file, where it is not such a table."""
        import pandas as pd

        content = path.read_bytes()
        if not content.endswith(b"\n"):  # pandas fills up a line that is cut off
            raise damaged(path, f"table {self.name}", "its last line is cut off" if content else "it is empty")
        try:
            return self._typed(pd.read_csv(BytesIO(content), dtype="string", keep_default_na=False, na_values=[""]))
        except (ValueError, TypeError) as error:
            raise damaged(path, f"table {self.name}", error) from None

    def _typed(self, frame: "pd.DataFrame") -> "pd.DataFrame":
        if list(frame.columns) != self.names:
            raise ValueError(f"its columns are {list(frame.columns)}, the schema has {self.names}")
        for name in (column.name for column in self.columns if column.kind == "flag"):
            unknown = set(frame[name].dropna()) - {"True", "False"}
            if unknown:
                raise ValueError(f"column {name} holds {sorted(unknown)}, a flag is True or False")
            frame[name] = frame[name] == "True"
        return frame.astype({column.name: _DTYPES[column.kind] for column in self.columns})
