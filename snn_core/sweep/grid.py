"""Small multiples: the present setting under every constraint with every activation.

A cell is an experiment of its own, so that its numbers are those of `propagate`. All cells have
the same seeds and the same batch, fewer than the present setting where that has many. The cells
of a row have the same weights, which are drawn and projected once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from snn_core.activations import activation
from snn_core.constraints import CONSTRAINTS
from snn_core.cost import estimate
from snn_core.network import Layer, draw_layers
from snn_core.propagate import Propagation, Stopped, run
from snn_core.propagate.passes import Drawn
from snn_core.settings import Experiment, activation_of, initializer_of, plan_of
from snn_core.tables import number, pick
from snn_core.wording import amount, count

__all__ = ["COLUMNS", "ROWS", "Cell", "Grid", "fill", "grid", "lay_out"]

ROWS = (
    "none",
    "centralize_layer",
    "centralize_unit",
    "standardize_unit",
    "unit_norm",
    "orthogonal",
)
COLUMNS = ("selu", "elu", "relu", "leaky_relu", "gelu", "silu", "tanh", "identity")
SECONDS = 10.0  # the whole grid's, as estimated
LONGEST_SECONDS = 300.0
MOST_WEIGHTS = 2**26  # numbers of a row's weights that are kept for its next cells
SIZES = ((4, 128), (4, 64), (2, 64), (2, 32), (1, 32), (1, 16))  # (seeds, batch), the best first

Progress = Callable[[float], bool | None]


@dataclass(frozen=True)
class Cell:
    """One combination of a constraint and an activation.

    Attributes:
        row, column: The names of its constraint and its activation.
        present: Whether it is the setting that the grid varies, but for seeds and batch.
        experiment: The cell's own setting; None where the combination is refused.
        propagation: What it measured; None where it is refused, too big, or not run yet.
        problem: The sentence that says why there is nothing to run; empty where there is.
        seconds: The estimated time; 0 where there is nothing to run.
    """

    row: str
    column: str
    present: bool = False
    experiment: Experiment | None = None
    propagation: Propagation | None = None
    problem: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Grid:
    """What a grid will run, before it does.

    Attributes:
        rows, columns: Constraints and activations, by their names.
        cells: Row by row, ``len(rows) * len(columns)``.
        backward: Whether gradients are measured too.
        seeds, batch: Of every cell.
        reduced: The sentence that says how much fewer these are than the present setting's;
            empty where they are the same.
        seconds: The estimated time of all cells.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[Cell, ...]
    backward: bool
    seeds: int
    batch: int
    reduced: str
    seconds: float


def grid(
    experiment: Experiment,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    progress: Progress | None = None,
    backward: bool = False,
    seconds: float = SECONDS,
) -> Iterator[Cell]:
    """Returns the cells of `lay_out` as they are computed by `fill`, row by row.

    Raises:
        ValueError: As `lay_out`, at once.
        Stopped: As `fill`, from the iterator.

    >>> from snn_core.settings import NetworkSpec
    >>> small = Experiment(NetworkSpec(depth=2, width=16), batch=16, seeds=2)
    >>> [(cell.column, bool(cell.propagation)) for cell in grid(small, ["none"], ["selu", "elu"])]
    [('selu', True), ('elu', True)]
    """
    return fill(lay_out(experiment, rows, columns, backward, seconds), progress)


def lay_out(
    experiment: Experiment,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    backward: bool = False,
    seconds: float = SECONDS,
) -> Grid:
    """Returns every combination of the constraints with the activations, ready to run.

    Rows and columns are ROWS and COLUMNS where they are not given, and the present setting's own
    constraint and activation are put before them where they are missing. A cell takes over
    everything else of the experiment, and the parameters of its own constraint and activation.
    Seeds and batch are the first pair of SIZES whose estimated total fits into ``seconds``; where
    none does, the cells that cost most are left out. The estimate is of this machine: on a slower
    one the cells may have fewer seeds.

    Raises:
        ValueError: An unknown constraint or activation; seconds out of bounds.
    """
    seconds = number("seconds", seconds, 0.1, LONGEST_SECONDS)
    net = experiment.network
    rows = _names(rows, (net.constraint, *ROWS), ROWS)
    columns = _names(columns, (net.activation, *COLUMNS), COLUMNS)
    columns = tuple(dict.fromkeys(activation(column).name for column in columns))
    for row in rows:
        pick(CONSTRAINTS, row, "constraint")
    cells: list[Cell] = []
    small = experiment
    for seeds, batch in SIZES:
        small = _smaller(experiment, seeds, batch)
        cells = [cell for row in rows for cell in _row(small, row, columns, backward)]
        if _total(cells) <= seconds:
            break
    cells = _affordable(cells, seconds)
    return Grid(
        rows=rows,
        columns=columns,
        cells=tuple(cells),
        backward=backward,
        seeds=small.seeds,
        batch=small.batch,
        reduced=_reduced(experiment, small),
        seconds=_total(cells),
    )


def _names(
    given: Sequence[str] | None, usual: tuple[str, ...], known: tuple[str, ...]
) -> tuple[str, ...]:
    """The names once each; the usual ones where none are given, the present one among them."""
    if given is None:
        given = known if usual[0] in known else usual
    return tuple(dict.fromkeys(given))


def _smaller(experiment: Experiment, seeds: int, batch: int) -> Experiment:
    return replace(
        experiment, seeds=min(experiment.seeds, seeds), batch=min(experiment.batch, batch)
    )


def _row(
    experiment: Experiment, row: str, columns: Sequence[str], backward: bool
) -> Iterator[Cell]:
    """The cells of a row; the first pays for what is imposed on the weights of all."""
    paid = False
    for column in columns:
        cell = _cell(experiment, row, column)
        if cell.experiment is None:
            yield cell
            continue
        priced = cell.experiment
        if paid and _shares_weights(priced):
            free = replace(priced.network, constraint="none", constraint_parameters=())
            priced = replace(priced, network=free)
        paid = True
        yield replace(cell, seconds=estimate(priced, backward).seconds)


def _cell(experiment: Experiment, row: str, column: str) -> Cell:
    net = experiment.network
    own = {"constraint": row, "activation": column}
    new = {part: name for part, name in own.items() if getattr(net, part) != name}
    bare = {f"{part}_parameters": () for part in new}
    try:
        mine = replace(experiment, network=replace(net, **new, **bare))
    except ValueError as error:
        return Cell(row, column, present=not new, problem=str(error))
    return Cell(row, column, present=not new, experiment=mine)


def _shares_weights(experiment: Experiment) -> bool:
    """Whether the weights are the same for every activation, and few enough to keep."""
    weights = sum(layer.fan_in * layer.outputs for layer in plan_of(experiment))
    few = experiment.seeds * weights <= MOST_WEIGHTS
    calibrated = initializer_of(experiment.network).calibrated  # on what the activation gives
    return few and not calibrated and experiment.device == "cpu"


def _total(cells: Iterable[Cell]) -> float:
    return math.fsum(cell.seconds for cell in cells)


def _affordable(cells: Sequence[Cell], seconds: float) -> list[Cell]:
    """The cells without those that cost most, so that the others fit into the time."""
    left, kept = seconds, set()
    for index in sorted(range(len(cells)), key=lambda index: cells[index].seconds):
        left -= cells[index].seconds
        if left >= 0.0:
            kept.add(index)
    return [
        cell if index in kept or cell.problem else replace(cell, problem=_dear(cell), seconds=0.0)
        for index, cell in enumerate(cells)
    ]


def _dear(cell: Cell) -> str:
    return (
        f"Left out: it would take about {amount(cell.seconds, 2)} s, more than is left of the "
        f"grid's time. Use a network less wide or deep, or fewer rows and columns."
    )


def _reduced(present: Experiment, small: Experiment) -> str:
    parts = []
    if small.seeds < present.seeds:
        parts.append(f"{small.seeds} of the {count(present.seeds, 'seed')}")
    if small.batch < present.batch:
        parts.append(f"{small.batch} of the {count(present.batch, 'sample')}")
    return f"Every cell has {' and '.join(parts)} of the present setting." if parts else ""


def fill(layout: Grid, progress: Progress | None = None) -> Iterator[Cell]:
    """Yields the cells row by row, each with its propagation or its problem.

    ``progress`` is called with the share of the whole grid that is done, by estimated time,
    between cells and while one runs; where it returns False the iterator ends with Stopped. Not
    asking for the next cell is pausing. A machine that is too small for a cell is its problem.

    Raises:
        Stopped: The caller's progress function asked to stop.
    """
    total, before = layout.seconds or 1.0, 0.0
    kept: dict[int, list[Layer]] = {}
    row = ""
    for cell in layout.cells:
        _tell(progress, min(before / total, 1.0))
        if cell.row != row:
            kept, row = {}, cell.row
        share = _scaled(progress, before / total, cell.seconds / total)
        yield _filled(cell, layout.backward, share, kept)
        before += cell.seconds
    _tell(progress, 1.0)


def _tell(progress: Progress | None, share: float) -> None:
    if progress is not None and progress(share) is False:
        raise Stopped


def _scaled(progress: Progress | None, before: float, part: float) -> Progress | None:
    """A cell's own progress as a share of the grid's."""
    return progress and (lambda share: progress(min(before + part * share, 1.0)))


def _filled(
    cell: Cell, backward: bool, progress: Progress | None, kept: dict[int, list[Layer]]
) -> Cell:
    if cell.experiment is None or cell.problem:
        return cell
    drawn = _row_weights(cell.experiment, kept) if _shares_weights(cell.experiment) else None
    try:
        p = run(cell.experiment, backward, progress=progress, drawn=drawn)
    except ValueError as error:  # too big for this machine, or not its device
        return replace(cell, problem=str(error))
    return replace(cell, propagation=p)


def _row_weights(experiment: Experiment, kept: dict[int, list[Layer]]) -> Callable[[int], Drawn]:
    """Returns every seed's layers: those of the row's last cell, or else drawn and kept."""
    net = experiment.network
    act = activation_of(net)

    def draw(seed: int) -> Iterator[Layer]:
        found = []
        for layer in draw_layers(experiment, [seed]):
            found.append(layer)
            yield layer
        kept[seed] = found

    def drawn(seed: int) -> Drawn:
        if seed in kept:
            return Drawn([replace(layer, spec=net, activation=act) for layer in kept[seed]], None)
        return Drawn(draw(seed), None)  # where they are used, stoppable in between

    return drawn
