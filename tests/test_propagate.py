"""What is measured against an independent measurement of the same network by hooks."""

import importlib
import itertools
import math
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from snn_core.activations import ACTIVATIONS
from snn_core.constraints import CONSTRAINTS
from snn_core.cost import estimate
from snn_core.datasets import DATASETS, image_shape
from snn_core.initializers import INITIALIZERS
from snn_core.network import Layer, build, draw_inputs, draw_layers
from snn_core.normalizations import NORMALIZATIONS
from snn_core.propagate import (
    QUANTILES,
    Propagation,
    Stopped,
    Watch,
    assemble,
    one_seed,
    propagate,
    run,
)
from snn_core.settings import Experiment, NetworkSpec, to_query
from snn_core.settings import from_query as read

SMALL = Experiment(network=NetworkSpec(depth=4, width=32), batch=32, seeds=3)
CNN = Experiment(
    network=NetworkSpec(kind="cnn", depth=5, dense=2, width=24, channels=8),
    batch=16,
    seeds=2,
    image_size=8,
)


def by_hooks(experiment: Experiment, k: int) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Seed k's layer outputs and their gradients, from a torch model with hooks, in float64."""
    x = draw_inputs(experiment, [k])[0].double().requires_grad_(True)
    outputs, gradients = [x], {}
    x.register_hook(lambda g: gradients.__setitem__(0, g))
    h = x
    for index, layer in enumerate(build(experiment, [k]), start=1):
        linear = nn.Linear(*layer.weight.shape[:0:-1], bias=False).double()
        linear.weight = nn.Parameter(layer.weight[0].double(), requires_grad=False)
        h = nn.SELU()(linear(h))
        h.register_hook(lambda g, index=index: gradients.__setitem__(index, g))
        outputs.append(h)
    source = np.random.SeedSequence((experiment.seed, k, 3)).generate_state(1)[0]
    generator = torch.Generator().manual_seed(int(source))
    h.backward(torch.randn(h.shape, generator=generator).double())
    return [o.detach() for o in outputs], [gradients[i] for i in range(len(outputs))]


def test_moments_forward_and_backward_are_those_that_hooks_see() -> None:
    p = run(SMALL, backward=True, detail=True)
    assert p.gradient_variance is not None and p.gradient_mean is not None and p.detail
    for k in range(3):
        outputs, gradients = by_hooks(SMALL, k)
        for index, (h, g) in enumerate(zip(outputs, gradients, strict=True)):
            assert p.mean[k, index] == pytest.approx(float(h.mean()), abs=1e-6)
            assert p.variance[k, index] == pytest.approx(float(h.var(correction=0)), rel=1e-5)
            assert p.gradient_mean[k, index] == pytest.approx(float(g.mean()), abs=1e-6)
            found = p.gradient_variance[k, index]
            assert found == pytest.approx(float(g.var(correction=0)), rel=1e-5)
            quantiles = np.quantile(h.numpy(), QUANTILES)
            assert np.allclose(p.detail.quantiles[k, index], quantiles, atol=1e-5)
            between = float(h.mean(0).var(correction=0))
            assert p.detail.between[k, index] == pytest.approx(between, rel=1e-4)


@pytest.mark.parametrize("experiment", [SMALL, CNN], ids=["mlp", "cnn"])
@pytest.mark.parametrize("backward", [False, True])
def test_shapes_and_identities(experiment: Experiment, backward: bool) -> None:
    p = run(experiment, backward=backward, detail=True)
    seeds, layers = experiment.seeds, experiment.network.depth + 1
    assert len(p.layers) == layers and p.layers[0] == "input"
    assert p.mean.shape == p.variance.shape == (seeds, layers)
    assert p.omega.shape == p.tau.shape == p.inside.shape == (seeds, layers - 1)
    assert p.mean.dtype == p.variance.dtype == p.tau.dtype == np.float64
    assert (p.gradient_variance is not None) == backward
    detail = p.detail
    assert detail is not None
    assert np.allclose(detail.between + detail.within, p.variance, rtol=1e-5)
    assert np.allclose(detail.histogram.sum(-1), 1.0)
    assert (np.diff(detail.quantiles, axis=-1) >= 0).all()
    assert (np.diff(detail.edges) > 0).all()
    assert np.isnan(detail.saturated[:, 0]).all() and (detail.saturated[:, 1:] >= 0).all()
    for index in range(1, layers):
        assert np.allclose(detail.unit_omega[index - 1].mean(1), p.omega[:, index - 1])
        assert np.allclose(detail.unit_mean[index].mean(1), p.mean[:, index], atol=1e-6)


def same(a: Propagation, b: Propagation) -> bool:
    return np.array_equal(a.mean, b.mean) and np.array_equal(a.variance, b.variance)


@pytest.mark.parametrize("experiment", [SMALL, CNN], ids=["mlp", "cnn"])
def test_the_same_link_gives_the_same_numbers_to_the_last_digit(experiment: Experiment) -> None:
    first, again = run(experiment), run(read(to_query(experiment)))
    assert same(first, again)
    assert not same(first, run(replace(experiment, seed=1)))


def test_a_smaller_depth_is_a_prefix_and_fewer_seeds_are_the_first_ones() -> None:
    whole = run(SMALL)
    shallow = run(replace(SMALL, network=replace(SMALL.network, depth=2)))
    assert np.array_equal(shallow.variance, whole.variance[:, :3])
    assert np.array_equal(run(replace(SMALL, seeds=2)).variance, whole.variance[:2])


@pytest.mark.parametrize("backward", [False, True])
def test_a_lone_seed_split_by_rows_is_the_whole(backward: bool) -> None:
    experiment = replace(SMALL, seeds=1, batch=301)
    split, whole = run(experiment, backward), run(experiment, backward, detail=True)
    assert np.allclose(split.mean, whole.mean, atol=1e-6)
    assert np.allclose(split.variance, whole.variance, rtol=1e-5)
    if backward:
        assert np.allclose(split.gradient_variance, whole.gradient_variance, rtol=1e-5)


def test_a_lone_seed_whose_weights_cannot_be_drawn_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(experiment: Experiment, seeds: list[int]) -> Iterator[Layer]:
        yield from itertools.islice(draw_layers(experiment, seeds), 2)
        raise MemoryError("no room")

    module = importlib.import_module("snn_core.propagate.run")
    monkeypatch.setattr(module, "CORES", 2)
    monkeypatch.setattr(module, "draw_layers", broken)
    with pytest.raises(MemoryError, match="no room"):
        run(replace(SMALL, seeds=1, batch=301))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_propagates(name: str) -> None:
    p = run(replace(SMALL, network=replace(SMALL.network, activation=name)), True, True)
    assert np.isfinite(p.variance).all() and np.isfinite(p.gradient_variance).all()


@pytest.mark.parametrize("name", INITIALIZERS)
@pytest.mark.parametrize("experiment", [SMALL, CNN], ids=["mlp", "cnn"])
def test_every_initializer_propagates(name: str, experiment: Experiment) -> None:
    if experiment.network.kind not in INITIALIZERS[name].kinds:
        with pytest.raises(ValueError, match=name):
            replace(experiment.network, initializer=name)
        return
    p = run(replace(experiment, network=replace(experiment.network, initializer=name)))
    assert np.isfinite(p.variance).all()


@pytest.mark.parametrize("name", CONSTRAINTS)
@pytest.mark.parametrize("experiment", [SMALL, CNN], ids=["mlp", "cnn"])
def test_every_constraint_propagates(name: str, experiment: Experiment) -> None:
    p = run(replace(experiment, network=replace(experiment.network, constraint=name)))
    assert np.isfinite(p.variance).all()
    if name in ("centralize_unit", "standardize_unit"):
        assert np.abs(p.omega).max() < 1e-5
    if name in ("standardize_unit", "unit_norm"):
        assert np.allclose(p.tau, 1.0, atol=1e-5)


@pytest.mark.parametrize("name", NORMALIZATIONS)
@pytest.mark.parametrize("position", ["before", "after"])
def test_every_normalization_propagates(name: str, position: str) -> None:
    network = replace(CNN.network, normalization=name, normalization_position=position)
    p = run(replace(CNN, network=network), backward=True)
    assert np.isfinite(p.variance).all() and np.isfinite(p.gradient_variance).all()
    if name == "batch" and position == "after":
        assert np.allclose(p.variance[:, 1:], 1.0, atol=1e-2)


@pytest.mark.parametrize("name", DATASETS)
@pytest.mark.parametrize("standardize", [False, True])
def test_every_data_set_propagates(name: str, standardize: bool) -> None:
    p = run(replace(SMALL, data=name, standardize=standardize))
    assert np.isfinite(p.variance).all()
    if DATASETS[name].kind == "synthetic" or image_shape(DATASETS[name]):
        assert np.isfinite(run(replace(CNN, data=name, standardize=standardize)).variance).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
@pytest.mark.parametrize("experiment", [SMALL, CNN], ids=["mlp", "cnn"])
def test_number_formats_agree_within_their_precision(dtype: str, experiment: Experiment) -> None:
    p = run(replace(experiment, dtype=dtype), True, True)
    q = run(experiment, True)
    rough = {"float16": 0.02, "bfloat16": 0.1, "float64": 1e-4}[dtype]
    assert np.allclose(p.variance, q.variance, rtol=rough)
    assert np.allclose(p.gradient_variance, q.gradient_variance, rtol=rough)


def test_a_network_that_overflows_says_at_which_layer() -> None:
    network = NetworkSpec(
        depth=40, width=32, activation="relu", initializer="he_normal", weight_factor=100.0
    )
    p = run(Experiment(network=network, seeds=2, batch=32, dtype="float16"))
    for k, layer in enumerate(p.diverged_at):
        assert layer is not None and np.isfinite(p.variance[k, :layer]).all()
        assert not math.isfinite(p.variance[k, layer])
    assert run(SMALL).diverged_at == (None, None, None)


def test_a_network_that_dies_says_at_which_layer() -> None:
    network = NetworkSpec(depth=6, width=32, weight_factor=0.0)
    p = run(Experiment(network=network, seeds=2, batch=32))
    assert p.died_at == (1, 1) and p.diverged_at == (None, None)
    assert run(SMALL).died_at == (None, None, None)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("detail", [False, True])
def test_units_that_all_give_one_number_are_dead_in_every_way(dtype: str, detail: bool) -> None:
    network = NetworkSpec(depth=3, width=47, activation="softplus", weight_factor=0.0)
    p = run(Experiment(network, batch=33, seeds=2, dtype=dtype), detail=detail)
    assert p.died_at == (1, 1) and not p.variance[:, 1:].any()


def test_a_vanishing_network_keeps_its_numbers() -> None:
    network = NetworkSpec(depth=60, width=32, initializer="pytorch_default", activation="relu")
    variance = run(Experiment(network=replace(network, weight_factor=1e-2), batch=32)).variance
    network = replace(network, initializer="lecun_normal", weight_factor=0.05)
    tiny = run(Experiment(network=network, batch=32)).variance
    assert (variance[:, 1:] > 0).all()
    assert (tiny[:, 45] < 1e-60).all() and (tiny[:, 20] > 0).all()


def test_channels_are_the_units_of_a_convolution() -> None:
    p = run(CNN, detail=True)
    assert p.detail is not None
    assert [m.shape for m in p.detail.unit_mean] == [
        (2, 3),
        (2, 8),
        (2, 8),
        (2, 8),
        (2, 24),
        (2, 24),
    ]


def test_progress_reports_and_stops_and_leaves_no_thread() -> None:
    before, threads = set(threading.enumerate()), torch.get_num_threads()
    seen: list[float] = []
    run(SMALL, progress=seen.append)
    assert seen == sorted(seen) and 0 <= seen[0] and seen[-1] <= 1.0
    deep = replace(SMALL, network=replace(SMALL.network, depth=512))
    with pytest.raises(Stopped):
        run(deep, progress=lambda share: False)

    def fail(share: float) -> bool:
        raise KeyError("the page went away")

    with pytest.raises(KeyError):
        run(deep, progress=fail)
    assert set(threading.enumerate()) <= before and torch.get_num_threads() == threads


def test_too_big_is_refused_before_it_is_tried() -> None:
    with pytest.raises(ValueError, match=r"Too big .* GiB and \d+ s are needed"):
        propagate(NetworkSpec(depth=512, width=4096), batch=8192, seeds=64)
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="Use 'cpu'"):
            propagate(device="cuda")


@pytest.mark.parametrize("setting", ["depth", "width"])
def test_the_estimate_grows_with_the_network(setting: str) -> None:
    costs = [
        estimate(Experiment(network=NetworkSpec(**{setting: value})), backward=True)
        for value in (32, 128, 512)
    ]
    assert [c.seconds for c in costs] == sorted(c.seconds for c in costs)
    assert [c.bytes for c in costs] == sorted(c.bytes for c in costs)


@pytest.mark.parametrize("sizes", [{}, {"depth": 8, "width": 1024}, {"width": 64}])
def test_the_estimate_of_the_costlier_statistics_is_not_ten_times_too_high(
    sizes: dict[str, int],
) -> None:
    experiment, watch = Experiment(NetworkSpec(**sizes), seeds=1), Watch(1)
    seconds = {}
    for detail in (False, True, False, True):  # the first pass draws
        begun = time.thread_time()
        one_seed(experiment, 0, detail=detail, watch=watch)
        seconds[detail] = time.thread_time() - begun
    plain, full = (estimate(experiment, detail=detail).seconds for detail in (False, True))
    assert full / plain < 3 * seconds[True] / seconds[False]


@pytest.mark.parametrize(
    ("activation", "initializer"),
    [("selu", "lecun_normal"), ("relu", "he_normal"), ("tanh", "glorot_uniform")],
)
def test_a_wide_network_agrees_with_theory_within_its_standard_errors(
    activation: str, initializer: str
) -> None:
    network = NetworkSpec(depth=8, width=1024, activation=activation, initializer=initializer)
    p = propagate(network, batch=64, seeds=8, backward=True)
    for measured, predicted in (
        (p.mean, p.predicted.mean),
        (p.variance, p.predicted.variance),
        (p.gradient_variance, p.predicted.gradient_variance),
    ):
        assert measured is not None and np.isfinite(predicted).all()
        error = measured.std(0, ddof=1) / math.sqrt(8)
        # 1/width: the leading bias of the wide limit, next to the sampling error
        assert (
            np.abs(measured.mean(0) - predicted) < 5 * error + 8 / 1024 * np.abs(predicted).max()
        ).all()


@pytest.mark.parametrize("constraint", ["centralize_unit", "standardize_unit", "centralize_layer"])
@pytest.mark.parametrize("activation", ["identity", "selu"])
def test_theory_of_centred_weights_holds_to_order_one_over_width(
    constraint: str, activation: str
) -> None:
    """A row that adds up to 0 sees the variance about the mean of its own few inputs."""
    network = NetworkSpec(depth=2, width=24, constraint=constraint, activation=activation)
    p = propagate(network, batch=256, seeds=64)
    error = p.variance.std(0, ddof=1) / 8
    assert (np.abs(p.variance.mean(0) - p.predicted.variance) < 4 * error).all()
    if activation == "identity" and constraint == "standardize_unit":
        assert np.allclose(p.predicted.variance, 1.0)


def test_the_callers_thread_count_is_left_alone() -> None:
    for count in (1, 3):
        torch.set_num_threads(count)
        run(SMALL)
        assert torch.get_num_threads() == count


def test_no_weight_factor_is_a_dead_network_under_every_constraint() -> None:
    for name in CONSTRAINTS:
        network = replace(SMALL.network, constraint=name, weight_factor=0.0)
        p = run(replace(SMALL, network=network))
        assert not p.variance[:, 1:].any() and not p.predicted.variance[1:].any()


@pytest.mark.filterwarnings("error")
def test_a_diverging_lone_seed_is_no_warning() -> None:
    network = NetworkSpec(depth=64, width=64, weight_factor=100.0)
    p = propagate(network, seeds=1, batch=256, dtype="float16", backward=True)
    assert p.diverged_at[0] is not None


@pytest.mark.parametrize("backward", [False, True])
def test_the_first_few_seeds_alone_are_those_of_the_whole(backward: bool) -> None:
    experiment = Experiment(NetworkSpec(depth=3, width=16), batch=8, seeds=3)
    whole = run(experiment, backward=backward, detail=True)
    found = [
        one_seed(experiment, k, backward, detail=True, watch=Watch(total=3)) for k in range(2)
    ]
    for count in range(3):
        part = assemble(experiment, found[:count], whole.predicted)
        assert part.mean.shape == (count, 4) and part.omega.shape == (count, 3)
        np.testing.assert_array_equal(part.variance, whole.variance[:count])
        np.testing.assert_array_equal(part.tau, whole.tau[:count])
        if backward and count:
            assert part.gradient_variance is not None and whole.gradient_variance is not None
            np.testing.assert_array_equal(part.gradient_variance, whole.gradient_variance[:count])
