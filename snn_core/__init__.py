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
from snn_core.initializers import INITIALIZERS, Initializer, initializer
from snn_core.network import build
from snn_core.normalizations import NORMALIZATIONS, Normalization, normalization
from snn_core.propagate import QUANTILES, Detail, Propagation, Stopped, propagate, run
from snn_core.spec import (
    Experiment,
    NetworkSpec,
    SettingError,
    TrainingSpec,
    from_json,
    from_query,
    read_query,
    to_json,
    to_query,
)
from snn_core.theory.fixed_points import FixedPoint, NoFixedPoint, fixed_point
from snn_core.theory.maps import MomentMap, correlation_map, moment_map
from snn_core.theory.predict import predict
from snn_core.theory.prediction import Prediction
from snn_core.train import (
    ArmSnapshot,
    Checkpoint,
    Run,
    Snapshot,
    resume,
    rewind,
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
    "Activation",
    "ArmSnapshot",
    "Checkpoint",
    "Constraint",
    "Cost",
    "Dataset",
    "Detail",
    "Experiment",
    "FixedPoint",
    "Initializer",
    "MomentMap",
    "NetworkSpec",
    "NoFixedPoint",
    "Normalization",
    "Prediction",
    "Propagation",
    "Run",
    "SettingError",
    "Snapshot",
    "Split",
    "Stopped",
    "TrainingSpec",
    "activation",
    "build",
    "constraint",
    "correlation_map",
    "dataset",
    "estimate",
    "fixed_point",
    "from_json",
    "from_query",
    "initializer",
    "moment_map",
    "normalization",
    "predict",
    "propagate",
    "read_query",
    "resume",
    "rewind",
    "run",
    "split",
    "start",
    "state_of",
    "to_json",
    "to_query",
    "train",
]
