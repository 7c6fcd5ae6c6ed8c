"""A grid's cells are experiments of their own, and say why where there is nothing to run."""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from snn_core.activations import ACTIVATIONS
from snn_core.constraints import CONSTRAINTS
from snn_core.propagate import Propagation, Stopped, run
from snn_core.settings import Experiment, NetworkSpec
from snn_core.sweep import COLUMNS, ROWS, fill, grid, lay_out

SMALL = Experiment(NetworkSpec(depth=3, width=24), batch=32, seeds=2)


def changed(experiment: Experiment, **settings: Any) -> Experiment:
    return replace(experiment, network=replace(experiment.network, **settings))


CNN = changed(SMALL, kind="cnn", dense=1, channels=4)
LONE = replace(SMALL, seeds=1, batch=128)  # split by rows


def same(a: Propagation | None, b: Propagation | None) -> bool:
    assert a is not None and b is not None
    names = ("mean", "variance", "omega", "tau", "gradient_mean", "gradient_variance")
    pairs = [(getattr(a, name), getattr(b, name)) for name in names]
    return all((x is None and y is None) or np.array_equal(x, y) for x, y in pairs)


@pytest.mark.parametrize("experiment", [SMALL, CNN, LONE], ids=["mlp", "cnn", "lone"])
@pytest.mark.parametrize("initializer", ["lecun_normal", "orthogonal", "lsuv"])
@pytest.mark.parametrize("backward", [False, True])
def test_a_cells_numbers_are_those_of_its_own_experiment(
    experiment: Experiment, initializer: str, backward: bool
) -> None:
    experiment = changed(experiment, initializer=initializer, normalization="layer")
    rows, columns = ["centralize_unit", "orthogonal"], ["selu", "relu", "tanh"]
    cells = list(grid(experiment, rows, columns, backward=backward))
    assert [(c.row, c.column) for c in cells] == [(r, c) for r in rows for c in columns]
    for cell in cells:
        assert cell.experiment is not None and cell.problem == ""
        net = cell.experiment.network
        assert (net.constraint, net.activation) == (cell.row, cell.column)
        assert same(cell.propagation, run(cell.experiment, backward))


def test_a_cell_takes_over_all_but_its_two_parts() -> None:
    present = changed(
        SMALL,
        activation="elu",
        activation_parameters={"alpha": 0.5},
        constraint="max_norm",
        constraint_parameters={"limit": 2.0},
        dropout="standard",
        bias=0.1,
    )
    cells = {(c.row, c.column): c for c in lay_out(present).cells}
    assert len(cells) == (len(ROWS) + 1) * len(COLUMNS)  # max_norm stands before the others
    assert next(iter(cells)) == ("max_norm", "selu")
    assert [key for key, cell in cells.items() if cell.present] == [("max_norm", "elu")]
    assert cells["max_norm", "elu"].experiment == present
    for (row, column), cell in cells.items():
        assert cell.experiment is not None
        net = cell.experiment.network
        assert net.activation_parameters == ((("alpha", 0.5),) if column == "elu" else ())
        assert net.constraint_parameters == ((("limit", 2.0),) if row == "max_norm" else ())
        assert replace(cell.experiment, network=present.network) == present
        assert (net.dropout, net.bias, net.depth) == ("standard", 0.1, 3)


def test_a_refused_combination_says_so_and_the_others_go_on() -> None:
    cells = list(grid(changed(SMALL, dropout="alpha"), ["none"], ["selu", "leaky_relu", "elu"]))
    assert [bool(cell.propagation) for cell in cells] == [True, False, True]
    assert cells[1].experiment is None and cells[1].seconds == 0.0
    assert cells[1].problem.startswith("Alpha dropout sets units to the value where")
    assert cells[0].problem == cells[2].problem == ""


def test_a_cell_that_the_machine_refuses_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(experiment: Experiment, *_: Any) -> None:
        if experiment.network.activation == "relu":
            raise ValueError("Too big for this machine.")

    monkeypatch.setattr(sys.modules[run.__module__], "refuse", refuse)
    cells = list(grid(SMALL, ["none"], ["relu", "selu"]))
    assert [cell.problem for cell in cells] == ["Too big for this machine.", ""]
    assert cells[0].propagation is None and same(cells[1].propagation, run(SMALL))


def test_large_settings_are_reduced_and_it_is_said() -> None:
    layout = lay_out(replace(SMALL, seeds=16, batch=1024))
    assert (layout.seeds, layout.batch) == (4, 128)
    assert layout.reduced == (
        "Every cell has 4 of the 16 seeds and 128 of the 1024 samples of the present setting."
    )
    for cell in layout.cells:
        assert cell.experiment is not None
        assert (cell.experiment.seeds, cell.experiment.batch) == (4, 128)
    assert lay_out(SMALL).reduced == "" and lay_out(SMALL).seeds == 2
    batches = lay_out(replace(SMALL, batch=256)).reduced
    assert batches == "Every cell has 128 of the 256 samples of the present setting."


def test_the_time_is_bounded() -> None:
    wide = replace(changed(SMALL, depth=64, width=512), seeds=8, batch=256)
    generous, tight = lay_out(wide, seconds=300.0), lay_out(wide, seconds=0.5)
    assert generous.seeds * generous.batch > tight.seeds * tight.batch
    assert tight.seconds <= 0.5 and generous.seconds <= 300.0
    left_out = [cell for cell in tight.cells if cell.problem]
    assert left_out and all(cell.seconds == 0.0 for cell in left_out)
    assert "more than is left of the grid's time" in left_out[0].problem
    kept = [cell for cell in tight.cells if not cell.problem]
    assert {cell.row for cell in kept} - {"orthogonal"}


def test_progress_rises_and_stops_within_a_cell() -> None:
    seen: list[float] = []
    cells = list(grid(SMALL, ["none", "orthogonal"], ["selu", "elu"], seen.append))
    assert len(cells) == 4 and seen == sorted(seen) and seen[0] == 0.0 and seen[-1] == 1.0
    assert len(seen) > 2 * len(cells)  # also while a cell runs
    before, deep = set(threading.enumerate()), changed(SMALL, depth=512)
    told: list[float] = []

    def goes_on(share: float) -> bool:
        told.append(share)
        return len(told) < 3

    with pytest.raises(Stopped):
        list(grid(deep, ["none"], ["selu", "relu"], goes_on))
    assert len(told) == 3
    assert set(threading.enumerate()) <= before
    between = fill(lay_out(SMALL, ["none"]), lambda share: False)
    with pytest.raises(Stopped):
        next(between)


def test_not_asking_is_pausing_and_layouts_are_the_same_again() -> None:
    running = grid(SMALL, ["none"])
    first = next(running)
    assert first.propagation is not None
    running.close()
    assert lay_out(SMALL) == lay_out(SMALL)
    assert same(first.propagation, next(grid(SMALL, ["none"])).propagation)


def test_unknown_names_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="Unknown activation 'sellu'. Did you mean 'selu'"):
        grid(SMALL, columns=["sellu"])
    with pytest.raises(ValueError, match="Unknown constraint 'unitnorm'. Did you mean 'unit_nor"):
        grid(SMALL, ["unitnorm"])
    with pytest.raises(ValueError, match="seconds must be a number between 0.1 and 300"):
        grid(SMALL, seconds=0.0)
    assert list(grid(SMALL, [], [])) == []
    assert lay_out(SMALL, ["none", "none"]).rows == ("none",)
    assert set(ROWS) <= set(CONSTRAINTS) and set(COLUMNS) <= set(ACTIVATIONS)
