"""Certificates: proofs about the Gaussian moment map by ball arithmetic (Arb, python-flint)."""

from snn_core.theory.certificates.certificate import Certificate, Leaf, Witness
from snn_core.theory.certificates.certify import certify
from snn_core.theory.certificates.claims import CLAIMS
from snn_core.theory.certificates.domain import Domain

__all__ = ["CLAIMS", "Certificate", "Domain", "Leaf", "Witness", "certify"]
