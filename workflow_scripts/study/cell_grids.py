"""The grids of the cell search, expanded: every search and every selection, and the name of each."""

from dataclasses import dataclass
from itertools import product

from workflow_scripts.study.cell_settings import Cells, Selection
from workflow_scripts.study.grid_settings import group_of
from workflow_scripts.study.method_modules import search_of
from workflow_scripts.study.settings_model import Count, Model, NonNegative, Probability
from workflow_scripts.tables.display_names import GENOTYPES, PUBLISHED_LOGS, SELECTING
from workflow_scripts.tables.genotype import Genotype


class SearchKey(Model):
    """The place of one search in the grids."""

    space: str
    data_set: str
    search: str = "darts"
    l2: NonNegative
    drop_path: Probability
    seed: Count

    @property
    def group(self) -> str:
        """Folder name of its group."""
        return group_of(self.space, self.data_set, self.search if self.search in PUBLISHED_LOGS else "own")

    @property
    def run(self) -> str:
        """Folder name of the search in its group."""
        l2, drop_path = (repr(value).removesuffix(".0") for value in (self.l2, self.drop_path))
        return f"l2-{l2}_drop-{drop_path}_seed-{self.seed}"

    @property
    def place(self) -> str:
        """Folder of the search below its group's."""
        return f"{self.search}/{self.run}"


class SelectionKey(Model):
    """The place of one selection (R-DARTS) in the grids."""

    space: str
    data_set: str
    method: str
    seed: Count

    @property
    def group(self) -> str:
        """Folder name shared with the searches on one space and data set."""
        return group_of(self.space, self.data_set)

    @property
    def run(self) -> str:
        """File name of the selection in its group."""
        return f"seed-{self.seed}"

    def candidates(self, selection: Selection) -> list[SearchKey]:
        """The searches it chooses from."""
        over_l2 = self.method == "r_darts_l2"
        l2s, drop_paths = selection.l2 if over_l2 else selection.l2[:1], selection.drop_path[: 1 if over_l2 else None]
        return [
            SearchKey(space=self.space, data_set=self.data_set, l2=l2, drop_path=drop_path, seed=self.seed)
            for l2, drop_path in product(l2s, drop_paths)
        ]


@dataclass(frozen=True)
class GenotypeKey:
    """The place of one architecture that a grid holds as text."""

    space: str
    data_set: str
    name: str
    """its name in the file"""
    genotype: Genotype
    epochs: int | None = None
    """length of its trainings, where the grid says one"""

    @property
    def run(self) -> str:
        """File name in its group, one for each length."""
        return self.name if self.epochs is None else f"{self.name}_epochs-{self.epochs}"

    @property
    def group(self) -> str:
        """Folder name of its group."""
        return group_of(self.space, self.data_set, "genotypes")


def genotypes(cells: Cells) -> list[GenotypeKey]:
    """Every architecture that the grids hold as text, in their order."""
    found = [
        GenotypeKey(space, data_set, name, genotype, epochs)
        for grid in cells.grids
        if grid.source == GENOTYPES
        for space, data_set in product(grid.spaces, grid.data_sets)
        for name, genotype in grid.genotypes().items()
        for epochs in grid.epochs or (None,)
    ]
    return list(dict.fromkeys(found))


def searches(cells: Cells) -> dict[SearchKey, list[str]]:
    """Every search of the grids, in their order, with the methods read off it; then the candidates of selections.

    A candidate that no grid names has no method, and neither has a search whose grids name none: its architecture is
    wanted, but not its training from scratch.
    """
    found: dict[SearchKey, list[str]] = {}
    for grid in cells.grids:
        for space, data_set, l2, drop_path, seed, method in product(
            grid.spaces, grid.data_sets, grid.l2, grid.drop_path, grid.seeds, grid.methods or (None,)
        ):
            if method not in SELECTING:
                search = grid.source if grid.source in PUBLISHED_LOGS else search_of(method or "darts")
                key = SearchKey(space=space, data_set=data_set, search=search, l2=l2, drop_path=drop_path, seed=seed)
                wanted = found.setdefault(key, [])
                if method is not None and method not in wanted:
                    wanted.append(method)
    for selection in selections(cells):
        for key in selection.candidates(cells.selection):
            found.setdefault(key, [])
    return found


def selections(cells: Cells) -> list[SelectionKey]:
    """Every selection of the grids, in their order."""
    found = [
        SelectionKey(space=space, data_set=data_set, method=method, seed=seed)
        for grid in cells.grids
        for space, data_set in product(grid.spaces, grid.data_sets)
        for method in grid.methods
        for seed in grid.seeds
        if method in SELECTING
    ]
    return list(dict.fromkeys(found))
