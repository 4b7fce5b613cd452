"""Every table schema by name."""

from workflow_scripts.tables.cell_tables import (
    COMPARISON,
    CURVATURE,
    EVALUATIONS,
    PUBLISHED_EVALUATIONS,
    SEARCH_EPOCHS,
    SEARCH_SPACES,
    SEARCHES,
    SPECTRA,
)
from workflow_scripts.tables.depth_tables import DEPTH_CALIBRATION, DEPTH_POSTERIORS, DEPTH_RUNS, DEPTH_SPEED
from workflow_scripts.tables.schema import Table

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        *(SEARCHES, SEARCH_EPOCHS, CURVATURE, SPECTRA, EVALUATIONS, COMPARISON, SEARCH_SPACES),
        PUBLISHED_EVALUATIONS,
        *(DEPTH_RUNS, DEPTH_POSTERIORS, DEPTH_CALIBRATION, DEPTH_SPEED),
    )
}
