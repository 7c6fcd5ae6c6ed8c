"""Certificates: proofs about the Gaussian moment map by ball arithmetic (Arb, python-flint)."""

from snn_core.theory.certificates.certificate import Certificate, Leaf, Witness
from snn_core.theory.certificates.certify import certify
from snn_core.theory.certificates.claims import CLAIMS
from snn_core.theory.certificates.domain import Domain
from snn_core.theory.certificates.sharp import Extreme, SharpImage, sharp_contraction, sharp_image
from snn_core.theory.certificates.theorems import (
    ENTRY,
    THEOREM_1,
    THEOREM_2,
    THEOREM_3,
    entry_theorem,
    theorem_1,
    theorem_2,
    theorem_3,
)

__all__ = [
    "CLAIMS",
    "ENTRY",
    "THEOREM_1",
    "THEOREM_2",
    "THEOREM_3",
    "Certificate",
    "Domain",
    "Extreme",
    "Leaf",
    "SharpImage",
    "Witness",
    "certify",
    "entry_theorem",
    "sharp_contraction",
    "sharp_image",
    "theorem_1",
    "theorem_2",
    "theorem_3",
]
