"""Files for the browser that Streamlit serves: scripts of components, and the chart library.

The script of a component is sent with every message to it, so what is sent only fetches a file of
these. Plotly's official bundle of cartesian charts is a third of the whole library's size.
"""

from __future__ import annotations

import hashlib
import pathlib

from streamlit.components import v1

__all__ = ["PLOTLY", "url"]

_FOLDER = pathlib.Path(__file__).parent / "served"
PLOTLY = _FOLDER / "plotly-cartesian.min.js"
# The name holds a hash, so that an old file in a browser's cache is of no account.
_HASH = hashlib.sha256(b"".join(f.read_bytes() for f in sorted(_FOLDER.iterdir()))).hexdigest()
_SERVED = v1.declare_component(f"served_{_HASH[:12]}", path=str(_FOLDER))


def url(name: str) -> str:
    """Returns a file's address, relative to the app's root."""
    return f"component/{_SERVED.name}/{name}"
