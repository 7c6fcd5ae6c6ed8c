"""Certificates: true claims are proved, false ones refuted, and proofs stand a second check."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from flint import arb, ctx

import snn_core as snn
from benchmarks.a_certificate_is_checked_box_by_box import check_json
from snn_core.activations import activation
from snn_core.activations.exponential import SELU_ALPHA, SELU_SCALE
from snn_core.theory.certificates import CLAIMS, Domain, Leaf
from snn_core.theory.certificates.balls import BITS, Box, ball, exact, precise
from snn_core.theory.certificates.domain import largest_omega, largest_tau, lifted, reduced
from snn_core.theory.certificates.enclosures import enclosure_of
from snn_core.theory.certificates.local import at_point, over_box
from snn_core.theory.certificates.piecewise import selu_constants
from snn_core.theory.certificates.theorems import THEOREM_1, THEOREM_2, THEOREM_3

CERTIFIED = (
    *("selu", "lselu", "sselu", "elu", "celu", "scaled_elu"),
    *("relu", "leaky_relu", "prelu", "identity", "tanh", "sigmoid", "erf"),
)
PRINTED = ((-0.03106, 0.06773), (0.80009, 1.48617))  # Theorem 1's image, as published
WHOLE = ((-1.0, 1.0), (0.5, 2.0))


# The theorems, and by how much they hold


def test_theorem_1_holds() -> None:
    proof = snn.theorem_1()
    assert proof.holds is True
    assert 0.0036 < proof.margin < 0.003712  # the least variance is 0.803711...
    assert proof.boxes < 200
    assert "Gaussian moment map" in proof.claim and "not about a particular network" in proof.claim


def test_the_public_face_is_theorem_1() -> None:
    proof = snn.certify("selu", mean=(-0.1, 0.1), omega=(-0.1, 0.1), variance=(0.8, 1.5),
                        tau=(0.95, 1.1))  # fmt: skip
    assert isinstance(proof, snn.Certificate)
    assert proof.holds is True and proof.margin > 0 and proof.boxes > 0 and proof.seconds > 0
    assert proof.leaves == snn.theorem_1().leaves


def test_theorem_2_holds_by_its_margin() -> None:
    proof = snn.theorem_2()
    assert proof.holds is True
    assert 0.11973 <= proof.margin <= 0.12


def test_theorem_3_holds_on_both_domains_from_0_02_on() -> None:
    proof = snn.theorem_3()
    assert proof.holds is True
    assert [part.domain for part in proof.parts] == list(THEOREM_3)
    first, second = (part.margin for part in proof.parts)
    assert 0.007735 <= first <= 0.0079 and 0.011028 <= second <= 0.0112
    assert proof.margin == first


def test_every_usual_start_enters_the_domain_within_25_layers() -> None:
    proof = snn.entry_theorem()
    assert proof.holds is True
    *steps, stays = proof.parts
    assert len(steps) <= 25 and stays.domain == THEOREM_1
    assert steps[0].domain.variance == (0.02, 16.0) and steps[0].domain.mean == (-1.0, 1.0)
    for step, after in zip(steps, proof.parts[1:], strict=True):
        assert step.into == (after.domain.mean, after.domain.variance)


def test_sharp_ends_are_those_that_are_known() -> None:
    image = snn.sharp_image("selu")
    found = [(extreme.low, extreme.high) for extreme in image]
    known = (-0.0310605018, 0.0677251, 0.8037117, 1.4815749)
    assert all(
        low <= high and abs(low - value) < 2e-6 and abs(high - value) < 2e-6
        for (low, high), value in zip(found, known, strict=True)
    )
    assert all(extreme.reached for extreme in image)
    most = snn.sharp_contraction("selu")
    assert 0.8976 <= most.low <= most.high <= 0.897611
    wide = snn.sharp_contraction("selu", Domain(tau=(0.8, 1.25)))
    assert wide.high <= 0.989031 and wide.low > 0.98902


def test_the_wider_domain_contracts_but_does_not_stay() -> None:
    assert snn.certify("selu", tau=(0.8, 1.25), claim="contracts").holds is True
    assert snn.certify("selu", tau=(0.8, 1.25), claim="into_itself").holds is False


def test_the_exact_constants_begin_with_the_published_digits() -> None:
    with precise():
        alpha, scale = selu_constants()
        assert abs(float(alpha) - SELU_ALPHA) < 4e-16 and abs(float(scale) - SELU_SCALE) < 4e-16
        fixed = at_point(enclosure_of(activation("selu")), arb(0), arb(1))
        assert fixed.mean.contains(0) and fixed.mean.rad() < 1e-16
        assert fixed.variance.contains(1) and fixed.variance.rad() < 1e-15


# Errata of the paper, and claims that are nearly true


def test_the_printed_least_mean_is_refuted_by_a_witness() -> None:
    found = snn.certify("selu", claim="into_itself", into=PRINTED)
    assert found.holds is False and found.margin is None
    at = found.witness
    assert at.quantity == "mean_low" and -0.0310606 < at.low <= at.high < -0.03106
    after = snn.moment_map("selu", at.mean, at.variance, at.omega, at.tau)
    assert float(after.mean) == pytest.approx(at.low, abs=1e-12)
    assert at.text in found.reason
    weaker = ((-0.03107, 0.06773), (0.80009, 1.48617))
    assert snn.certify("selu", claim="into_itself", into=weaker).holds is True


@pytest.mark.parametrize(
    ("high", "holds"), [(1.4815, False), (1.48157, False), (1.48158, True), (1.4816, True)]
)
def test_the_largest_variance_is_known_to_five_digits(high: float, holds: bool) -> None:
    into = ((-0.1, 0.1), (0.8, high))
    assert snn.certify("selu", claim="into_itself", into=into).holds is holds


@pytest.mark.parametrize(("factor", "holds"), [(0.8976, False), (0.89761, True)])
def test_the_contraction_is_known_to_five_digits(factor: float, holds: bool) -> None:
    found = snn.certify("selu", claim="contracts", factor=factor)
    assert found.holds is holds
    if not holds:
        assert found.witness.quantity == "stretch" and found.witness.low >= factor


@pytest.mark.parametrize("name", ["elu", "leaky_relu", "relu", "identity", "scaled_elu"])
def test_others_are_not_certified_where_selu_is(name: str) -> None:
    found = snn.certify(name)
    assert found.holds is False and found.witness is not None


def test_a_broken_map_is_refuted() -> None:
    assert snn.certify(activation("selu", scale=1.2)).holds is False
    assert snn.certify(activation("selu", alpha=1.0)).holds is False
    impostor = replace(activation("selu"), fn=lambda z: 1.2 * torch.selu(z))
    found = snn.certify(impostor)
    assert found.holds is None and found.reason == "No certificate for this activation yet."


def test_the_tie_at_a_line_of_fixed_points_stays_undecided() -> None:
    found = snn.certify("identity", omega=(0.0, 0.0), tau=(1.0, 1.0), boxes=300)
    assert found.holds is None and "may hold" in found.reason and "boxes" in found.reason


# Enclosures enclose


@pytest.mark.parametrize("name", CERTIFIED)
def test_the_map_over_a_box_holds_the_map_at_its_points(name: str) -> None:
    draw = np.random.default_rng(0)
    enclosure = enclosure_of(activation(name))
    with precise():
        for _ in range(6):
            m, v, width = draw.uniform(-1, 1), draw.uniform(0.1, 3), draw.uniform(0, 0.3)
            box = Box(m, m + width, v, v * (1 + width))
            local = over_box(enclosure, box)
            points = draw.uniform((box.m_low, box.v_low), (box.m_high, box.v_high), (20, 2))
            moments = snn.activations.gaussian_moments(name, points[:, 0], points[:, 1])
            pairs = [(local.mean, moments.mean), (local.variance, moments.variance)]
            matrix = ((local.mean_m, local.mean_v), (local.variance_m, local.variance_v))
            pairs += [(matrix[i][j], moments.jacobian[:, i, j]) for i in (0, 1) for j in (0, 1)]
            for enclosed, values in pairs:
                room = 1e-9
                assert float(enclosed.lower()) - room <= values.min()
                assert values.max() <= float(enclosed.upper()) + room


def test_random_points_never_leave_what_is_certified() -> None:
    draw = np.random.default_rng(1)
    for name, domain, claim in (
        ("selu", THEOREM_1, "into_itself"),
        ("selu", THEOREM_2, "variance_falls"),
        ("selu", THEOREM_3[1], "variance_grows"),
        ("lselu", Domain((-0.05, 0.05), (-0.02, 0.02), (0.8, 1.2), (0.98, 1.02)), "into_itself"),
    ):
        found = snn.certify(
            name, domain.mean, domain.omega, domain.variance, domain.tau, claim=claim
        )
        assert found.holds is True
        ends = (domain.mean, domain.omega, domain.variance, domain.tau)
        mean, omega, variance, tau = (draw.uniform(*each, 20_000) for each in ends)
        after = snn.moment_map(name, mean, variance, omega, tau)
        quantities = {
            "mean": after.mean, "variance": after.variance, "change": after.variance - variance,
        }  # fmt: skip
        leaf = _leaves_of(found.leaves, mean * omega, variance * tau)
        for k, column in enumerate(found.columns):
            bound = np.array([each.bounds[k] for each in found.leaves])[leaf]
            value = quantities[column.partition("_")[0]]
            low = column.endswith("low") or claim == "variance_grows"
            assert (value >= bound - 1e-12 if low else value <= bound + 1e-12).all()


def _leaves_of(leaves: tuple[Leaf, ...], m: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The index of a leaf that holds each point; every point has one."""
    boxes = np.array([leaf.box for leaf in leaves])
    inside = (
        (boxes[:, :1] <= m) & (m <= boxes[:, 1:2]) & (boxes[:, 2:3] <= v) & (v <= boxes[:, 3:])
    )
    assert inside.any(0).all()
    return inside.argmax(0)


@pytest.mark.parametrize("low", [-0.5, 0.2])
def test_two_dimensions_know_what_four_do(low: float) -> None:
    domain = Domain((low, 0.8), (-0.3, 0.1), (0.5, 2.0), (0.9, 1.2))
    draw = np.random.default_rng(2)
    ends = (domain.mean, domain.omega, domain.variance, domain.tau)
    box = reduced(domain)
    for mean, omega, variance, tau in draw.uniform(*np.transpose(ends), (500, 4)).tolist():
        m, v = mean * omega, variance * tau
        assert box.m_low <= m <= box.m_high and box.v_low <= v <= box.v_high
        assert abs(omega) <= largest_omega(domain, m, m) <= 0.3000001
        assert tau <= largest_tau(domain, v)
        point = lifted(domain, m, v)
        assert point.mean[0] * point.omega[0] == pytest.approx(m, abs=1e-12)
        assert point.variance[0] * point.tau[0] == pytest.approx(v, abs=1e-12)
        assert abs(point.omega[0]) >= abs(omega) - 1e-12 and point.tau[0] >= tau - 1e-12


def test_ends_are_the_decimals_that_were_typed() -> None:
    assert exact(0.1) * 10 == 1
    with precise():
        assert (ball(exact(0.1)) * 10).contains(1)
    box = reduced(Domain())
    assert box.v_low <= 0.76 <= box.v_low + 1e-15 and box.m_high >= 0.01


# Smooth activations, unknown ones


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("tanh", {"variance": (0.5, 1.5), "claim": "variance_falls"}),
        ("sigmoid", {"variance": (0.5, 1.5), "claim": "contracts"}),
        ("erf", {"variance": (0.6, 1.2), "claim": "variance_falls"}),
        ("tanh", {"mean": (-0.2, 0.2), "variance": (0.3, 0.6), "tau": (2.0, 2.1),
                  "claim": "into_itself"}),
    ],
)  # fmt: skip
def test_smooth_activations_are_certified_by_integrals(name: str, arguments: dict) -> None:
    found = snn.certify(name, **arguments)
    assert found.holds is True and "integral" in found.method
    check_json(snn.certificate_json(found))


@pytest.mark.parametrize("name", sorted(set(snn.ACTIVATIONS) - set(CERTIFIED)))
def test_an_activation_without_certificate_says_so(name: str) -> None:
    for claim in CLAIMS:
        found = snn.certify(name, claim=claim)
        assert found.holds is None and found.boxes == 0 and not found.leaves
        assert found.reason == "No certificate for this activation yet."
    assert snn.sharp_image(name) is None and snn.sharp_contraction(name) is None
    assert json.loads(snn.certificate_json(found))["certificate"]["holds"] is None


# Budget, stop, progress, threads


def test_a_stop_is_heard_and_is_no_verdict() -> None:
    for prove in (snn.theorem_1, snn.theorem_2, snn.theorem_3, snn.entry_theorem):
        found = prove(stop=lambda: True)
        assert found.holds is None and found.boxes == 0 and "stopped" in found.reason
    asked: list[int] = []
    found = snn.entry_theorem(stop=lambda: asked.append(1) or len(asked) > 3)
    assert found.holds is None and 0 < found.boxes < 100 and len(asked) == 4


def test_a_budget_is_kept_and_is_no_verdict() -> None:
    tight = {"claim": "contracts", "factor": 0.89761}
    found = snn.certify("selu", **tight, boxes=20)
    assert found.holds is None and found.boxes <= 21 and len(found.leaves) > 1
    assert "boxes allowed" in found.reason and found.margin is None
    found = snn.certify("selu", **tight, seconds=0.0)
    assert found.holds is None and "time allowed" in found.reason


def test_what_is_proved_stays_when_the_budget_ends() -> None:
    found = snn.certify("selu", boxes=12)  # the proof alone takes 8
    assert found.holds is True and found.margin > 0


def test_progress_is_told() -> None:
    told: list[int] = []
    found = snn.entry_theorem(tell=told.append)
    assert told[0] == 0 and told == sorted(told) and told[-1] <= found.boxes
    assert len(told) > found.boxes / 40


def test_results_are_the_same_again() -> None:
    again = [snn.certify("selu", claim="contracts", factor=0.898) for _ in range(2)]
    assert replace(again[0], seconds=0.0) == replace(again[1], seconds=0.0)


def test_threads_do_not_disturb_each_other_nor_flint() -> None:
    before, alone = ctx.prec, snn.theorem_2().leaves
    found: list[tuple[Leaf, ...]] = []
    threads = [
        threading.Thread(target=lambda: found.append(snn.theorem_2().leaves)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [alone] * 4 and ctx.prec == before != BITS


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"mean": (0.1, -0.1)}, "swap"),
        ({"variance": (0.0, 1.0)}, "variance must be"),
        ({"tau": (1.0, float("inf"))}, "tau must be"),
        ({"omega": 0.1}, r"range \(low, high\)"),
        ({"claim": "contract"}, "Did you mean 'contracts'"),
        ({"into": (0.0, 1.0, 2.0)}, "into must be"),
        ({"boxes": 0}, "boxes must be"),
    ],
)
def test_what_is_no_domain_is_refused(arguments: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        snn.certify("selu", **arguments)


# The proof as a file


@pytest.mark.parametrize("name", ["theorem_1", "theorem_2", "theorem_3"])
def test_a_proof_stands_a_second_check_by_another_method(name: str) -> None:
    found = getattr(snn, name)()
    parts = found.parts or (found,)
    leaves, boxes = check_json(snn.certificate_json(found))
    assert leaves == sum(len(part.leaves) for part in parts) <= boxes


def test_a_refutation_stands_a_second_check() -> None:
    for found in (
        snn.certify("selu", claim="into_itself", into=PRINTED),
        snn.certify("selu", claim="contracts", factor=0.8976),
        snn.certify("elu", claim="variance_grows"),
    ):
        assert found.holds is False
        check_json(snn.certificate_json(found))


def _spoilt(change: str) -> str:
    whole = json.loads(snn.certificate_json(snn.theorem_1()))
    proof = whole["certificate"]
    if change == "a leaf is missing":
        proof["leaves"].pop(3)
    elif change == "a leaf is wider":
        proof["leaves"][3]["v"][1] += 1e-9
    elif change == "another activation":
        proof["activation"] = {"name": "elu", "parameters": {"alpha": 1.0}}
    elif change == "a larger domain":
        proof["domain"]["tau"][1] = 1.2
    elif change == "a stronger claim":
        proof["into"]["variance"] = [0.8, 1.4815]
    elif change == "a wrong bound":
        proof["leaves"][3]["bounds"][0] += 0.1
    return json.dumps(whole)


@pytest.mark.parametrize(
    "change",
    [
        "a leaf is missing",
        "a leaf is wider",
        "another activation",
        "a larger domain",
        "a stronger claim",
        "a wrong bound",
    ],
)
def test_a_spoilt_proof_does_not_pass(change: str) -> None:
    with pytest.raises(AssertionError):
        check_json(_spoilt(change))


def test_a_file_is_strict_json_with_everything_in_it() -> None:
    found = snn.certify("selu", boxes=2)
    whole = json.loads(snn.certificate_json(found), parse_constant=pytest.fail)
    proof = whole["certificate"]
    assert whole["format"] == 1 and whole["versions"]["python-flint"]
    assert [[*leaf["m"], *leaf["v"]] for leaf in proof["leaves"]] == [
        list(leaf.box) for leaf in found.leaves
    ]
    assert [tuple(leaf["bounds"]) for leaf in proof["leaves"]] == [
        leaf.bounds for leaf in found.leaves
    ]
    assert proof["domain"]["variance"] == [0.8, 1.5] and proof["claim"] == found.claim
