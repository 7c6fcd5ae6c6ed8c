"""Certificates as text: everything that another program needs to check the proof again."""

from __future__ import annotations

import json
import math
from typing import Any

import flint
import numpy as np

from snn_core.theory.certificates import Certificate, Leaf

__all__ = ["FORMAT", "certificate_json"]

FORMAT = 1  # of the JSON object; goes up when a key changes its meaning


def certificate_json(certificate: Certificate) -> str:
    """Returns the certificate as one JSON object, in strict JSON.

    Keys: ``format``, a number that goes up when a key changes its meaning; ``versions`` of the
    libraries; ``certificate``: the fields of `Certificate` by their names, where ``activation``
    is a name and parameters, a leaf is ``m`` and ``v``, the ends of its box, ``bounds``, in the
    order of ``columns``, and ``slack``, and every part is such an object too. Ends of a domain
    are decimals, ends of boxes and bounds are floats, all exact as written. null stands for what
    is absent or unknown.

    Raises:
        ValueError: A number is infinite or not a number.
    """
    whole = {
        "format": FORMAT,
        "versions": {
            "python-flint": flint.__version__,
            "flint": flint.__FLINT_VERSION__,
            "numpy": np.__version__,
        },
        "certificate": _certificate(certificate),
    }
    return json.dumps(whole, allow_nan=False, ensure_ascii=False)


def _certificate(c: Certificate) -> dict[str, Any]:
    name, values = c.activation
    witness = c.witness
    return {
        "claim": c.claim,
        "kind": c.kind,
        "activation": {"name": name, "parameters": dict(values)},
        "domain": {
            field: list(getattr(c.domain, field)) for field in ("mean", "omega", "variance", "tau")
        },
        "into": {"mean": list(c.into[0]), "variance": list(c.into[1])} if c.into else None,
        "factor": c.factor,
        "holds": c.holds,
        "witness": dict(vars(witness)) if witness else None,
        "margin": c.margin,
        "boxes": c.boxes,
        "seconds": c.seconds,
        "method": c.method,
        "citation": c.citation,
        "reason": c.reason,
        "columns": list(c.columns),
        "leaves": [_leaf(leaf) for leaf in c.leaves],
        "parts": [_certificate(part) for part in c.parts],
    }


def _leaf(leaf: Leaf) -> dict[str, Any]:
    box = leaf.box
    known = leaf.slack is not None and math.isfinite(leaf.slack)
    return {
        "m": [box.m_low, box.m_high],
        "v": [box.v_low, box.v_high],
        "bounds": list(leaf.bounds) if known else [],
        "slack": leaf.slack if known else None,
    }
