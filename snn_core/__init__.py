"""Self-normalizing networks: measured, predicted, side by side.

>>> import snn_core as snn
>>> p = snn.propagate(snn.NetworkSpec(depth=4, width=128), batch=128, seeds=2)
>>> p.variance.shape, p.predicted.variance.round(6).tolist()
((2, 5), [1.0, 1.0, 1.0, 1.0, 1.0])
"""

from snn_core.activations import ACTIVATIONS, Activation, activation
from snn_core.constraints import CONSTRAINTS, Constraint, constraint
from snn_core.cost import Cost, estimate
from snn_core.datasets import DATASETS, Dataset, Split, dataset, split
from snn_core.diagnosis import (
    TRAPS,
    Diagnosis,
    FanIn,
    Repair,
    Summary,
    Trap,
    Verdict,
    diagnose,
    fan_in_experiment,
    repaired,
    summary,
    verdict,
)
from snn_core.export import (
    certificate_json,
    curves_csv,
    design_code,
    layers_csv,
    propagation_csv,
    propagation_json,
    run_json,
    weights_safetensors,
)
from snn_core.initializers import INITIALIZERS, Initializer, initializer
from snn_core.network import build
from snn_core.normalizations import NORMALIZATIONS, Normalization, normalization
from snn_core.propagate import QUANTILES, Detail, Propagation, Stopped, propagate, run
from snn_core.settings import (
    Experiment,
    NetworkSpec,
    SettingError,
    TrainingSpec,
    arms_from_query,
    arms_to_query,
    from_json,
    from_query,
    read_query,
    to_json,
    to_query,
)
from snn_core.sweep import Cell, Grid, grid
from snn_core.theory.certificates import (
    Certificate,
    certify,
    entry_theorem,
    sharp_contraction,
    sharp_image,
    theorem_1,
    theorem_2,
    theorem_3,
)
from snn_core.theory.mean_field.correlation import (
    CorrelationCurve,
    CorrelationPoint,
    correlation_curve,
)
from snn_core.theory.mean_field.edge import edge_of_chaos
from snn_core.theory.mean_field.phases import Phase, phase
from snn_core.theory.mean_field.predict import predict
from snn_core.theory.mean_field.prediction import Prediction
from snn_core.theory.moments.affine import Affine, normalized
from snn_core.theory.moments.designer import (
    AlphaDropout,
    Design,
    alpha_dropout_constants,
    design,
    solve_selu,
)
from snn_core.theory.moments.fixed_points import FixedPoint, NoFixedPoint, fixed_point
from snn_core.theory.moments.flow import Orbit, VectorField, basin, orbit, vector_field
from snn_core.theory.moments.maps import MomentMap, correlation_map, moment_map
from snn_core.theory.moments.search import FixedPoints, fixed_points
from snn_core.train import (
    ArmSnapshot,
    Boundary,
    Checkpoint,
    Histogram,
    Histograms,
    Run,
    Snapshot,
    checkpoint_at,
    decision_boundary,
    histograms,
    resume,
    rewind,
    series,
    start,
    state_of,
    train,
)

__all__ = [
    "ACTIVATIONS",
    "CONSTRAINTS",
    "DATASETS",
    "INITIALIZERS",
    "NORMALIZATIONS",
    "QUANTILES",
    "TRAPS",
    "Activation",
    "Affine",
    "AlphaDropout",
    "ArmSnapshot",
    "Boundary",
    "Cell",
    "Certificate",
    "Checkpoint",
    "Constraint",
    "CorrelationCurve",
    "CorrelationPoint",
    "Cost",
    "Dataset",
    "Design",
    "Detail",
    "Diagnosis",
    "Experiment",
    "FanIn",
    "FixedPoint",
    "FixedPoints",
    "Grid",
    "Histogram",
    "Histograms",
    "Initializer",
    "MomentMap",
    "NetworkSpec",
    "NoFixedPoint",
    "Normalization",
    "Orbit",
    "Phase",
    "Prediction",
    "Propagation",
    "Repair",
    "Run",
    "SettingError",
    "Snapshot",
    "Split",
    "Stopped",
    "Summary",
    "TrainingSpec",
    "Trap",
    "VectorField",
    "Verdict",
    "activation",
    "alpha_dropout_constants",
    "arms_from_query",
    "arms_to_query",
    "basin",
    "build",
    "certificate_json",
    "certify",
    "checkpoint_at",
    "constraint",
    "correlation_curve",
    "correlation_map",
    "curves_csv",
    "dataset",
    "decision_boundary",
    "design",
    "design_code",
    "diagnose",
    "edge_of_chaos",
    "entry_theorem",
    "estimate",
    "fan_in_experiment",
    "fixed_point",
    "fixed_points",
    "from_json",
    "from_query",
    "grid",
    "histograms",
    "initializer",
    "layers_csv",
    "moment_map",
    "normalization",
    "normalized",
    "orbit",
    "phase",
    "predict",
    "propagate",
    "propagation_csv",
    "propagation_json",
    "read_query",
    "repaired",
    "resume",
    "rewind",
    "run",
    "run_json",
    "series",
    "solve_selu",
    "sharp_contraction",
    "sharp_image",
    "split",
    "start",
    "state_of",
    "summary",
    "theorem_1",
    "theorem_2",
    "theorem_3",
    "to_json",
    "to_query",
    "train",
    "vector_field",
    "verdict",
    "weights_safetensors",
]
