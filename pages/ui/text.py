"""Words that several pages share: what settings and their values are called."""

from __future__ import annotations

from collections.abc import Mapping

from pages.ui.page_settings import DECLARED
from snn_core.activations import formula, is_formula
from snn_core.settings import Experiment, settings
from snn_core.wording import count

__all__ = [
    "caption",
    "describe",
    "folded",
    "option_name",
    "plain",
    "scrolling",
    "setting_name",
    "value_name",
]

OPTIONS = {
    "mlp": "Fully connected (MLP)",
    "cnn": "Convolutional (CNN)",
    "none": "None",
    "before": "Before the activation",
    "after": "After the activation",
    "alpha": "Alpha dropout",
    "standard": "Standard dropout",
    "zeros": "Zeros",
    "circular": "Circular",
    "reflect": "Reflect",
    "max": "Max pooling",
    "average": "Average pooling",
    "cpu": "CPU",
    "cuda": "GPU (CUDA)",
    "sgd": "SGD",
    "adam": "Adam",
    "adamw": "AdamW",
    "rmsprop": "RMSprop",
    "adadelta": "Adadelta",
    "constant": "Constant",
    "cosine": "Cosine",
    "step": "Stairs",
    "warmup": "Warm-up",
    "projection": "Projection after every step",
    "parametrization": "Parametrization, built in and differentiated",
}


def plain(text: str) -> str:
    """Returns the text so that it is shown as it is: no Markdown, no HTML."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]()#+-!|<>$~:" else c for c in text)


def folded(sentence: str, *rest: str) -> str:
    """Returns the Markdown of a sentence, and of what is folded away behind "Why"."""
    more = "\n\n".join(part for part in rest if part)
    why = f"\n\n<details><summary>Why</summary>\n\n{more}\n\n</details>"
    return sentence + (why if more else "")


def scrolling(label: str, table: str) -> str:
    """Returns the Markdown of a table, as a box of its own that scrolls on a narrow screen.

    The keyboard must be able to reach it then, hence the HTML around it.
    """
    return f'<div role="region" aria-label="{label}" tabindex="0">\n\n{table}\n\n</div>'


def option_name(name: str, value: str) -> str:
    """Returns what a person calls one of a setting's options, or a formula, cut to its length."""
    if DECLARED[name].metadata["own"] and is_formula(value):
        return formula(value).label
    table = DECLARED[name].metadata["options"]
    label = getattr(table[value], "label", "") if isinstance(table, Mapping) else ""
    return label or OPTIONS.get(value, value)


def setting_name(key: str) -> str:
    """Returns what a person calls a setting, or the parameter of the part that it chooses."""
    name, _, parameter = key.partition(".")
    label = str(DECLARED[name].metadata["label"])
    return f"{label}: {parameter}" if parameter else label


def value_name(key: str, given: object) -> str:
    """Returns a setting's value in a word or two."""
    if isinstance(given, bool):
        return "yes" if given else "no"
    if isinstance(given, float):
        return f"{given:g}"
    known = "." not in key and DECLARED[key].metadata["options"] is not None
    return option_name(key, str(given)) if known else str(given)


def describe(name: str, given: object) -> str:
    """Returns a setting and its value in a few words."""
    if DECLARED[name].metadata["options"] is not None and given != "none":
        return value_name(name, given)
    label = setting_name(name).lower()
    if given is False or given == "none":
        return f"no {label}"
    return label if given is True else f"{label} {value_name(name, given)}"


def caption(experiment: Experiment) -> str:
    """Returns a setting in one line: its main values, then all that are not the default.

    >>> from snn_core.settings import NetworkSpec
    >>> caption(Experiment(NetworkSpec(depth=16, residual=True), seeds=1))
    'SELU, LeCun normal (untruncated), depth 16, width 256, 1 seed, residual connections'
    """
    net = experiment.network
    size = "channels" if net.kind == "cnn" else "width"
    said = settings(experiment)
    parts = []
    for key in ("activation", "initializer", "depth", size):
        name = describe(key, getattr(net, key))
        own = [_parameter(k, v) for k, v in said.items() if k.startswith(f"{key}.")]
        parts += [name.partition(" (")[0] if own else name, *own]  # there stand the usual ones
    parts.append(count(experiment.seeds, "seed"))
    for key, given in said.items():
        part = key.partition(".")[0]
        if part not in ("activation", "initializer", "depth", size, "seeds"):
            parts.append(describe(key, given) if part == key else _parameter(key, given))
    return ", ".join(parts)


def _parameter(key: str, given: object) -> str:
    return f"{key.partition('.')[2]} {value_name(key, given)}".replace("_", " ")
