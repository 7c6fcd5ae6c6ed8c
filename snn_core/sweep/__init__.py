"""One setting varied over two of its parts: small multiples of a propagation."""

from snn_core.sweep.grid import COLUMNS, ROWS, Cell, Grid, fill, grid, lay_out

__all__ = ["COLUMNS", "ROWS", "Cell", "Grid", "fill", "grid", "lay_out"]
