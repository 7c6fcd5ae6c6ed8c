"""Results as files: tables as CSV, runs and proofs as JSON, weights as safetensors, code."""

from snn_core.export.certificate import certificate_json
from snn_core.export.design import design_code
from snn_core.export.propagation import propagation_csv, propagation_json
from snn_core.export.table import curves_csv, layers_csv, run_json
from snn_core.export.weights import weights_safetensors

__all__ = [
    "certificate_json",
    "curves_csv",
    "design_code",
    "layers_csv",
    "propagation_csv",
    "propagation_json",
    "run_json",
    "weights_safetensors",
]
