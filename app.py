"""The entry point: ``streamlit run app.py``."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

STYLE = Path(__file__).parent / "pages/ui/page.css"
# Name in a root link -> file, title. All but the first have their address in pages/ too.
PAGES = {
    "propagate": ("pages/explore/propagate.py", "Propagate"),
    "map": ("pages/explore/moment_map.py", "Moment map"),
    "train": ("pages/train/train.py", "Train"),
}


@st.cache_resource(show_spinner=False)
def warm_up() -> bool:
    """Imports what every page needs, once per process, and takes it out of the garbage collector.

    Streamlit may collect garbage after a rerun; with torch's objects in the heap that costs some
    170 ms, frozen it costs 7.
    """
    import gc

    import pages.ui.figures
    import pages.ui.live
    import pages.ui.results  # noqa: F401  brings the core, and with it torch

    gc.collect()
    gc.freeze()
    return True


@st.cache_resource(show_spinner=False)
def warm_up_training() -> bool:
    """Trains for a step, once per process: optimizers bring 90 MB that only Train needs."""
    import gc

    import pages.ui.live

    pages.ui.live.warm_up()
    gc.collect()
    gc.freeze()
    return True


def style() -> None:
    """Brings the style sheet of all pages, with the first message.

    Not by `st.html`, whose code the browser has to fetch first: a phone's page was wider than its
    screen until then.
    """
    with st.container(key="page_style"):
        st.markdown(f"<style>{STYLE.read_text()}</style>", unsafe_allow_html=True)


def main() -> None:
    """Sets up the frame, follows a root link to its page, and runs the page."""
    st.set_page_config(page_title="Self-normalizing networks", page_icon="〰️", layout="wide")
    from pages.ui.plotly_view import preload

    pages = {
        name: st.Page(file, title=title, url_path=name, default=name == "propagate")
        for name, (file, title) in PAGES.items()
    }
    current = st.navigation(list(pages.values()), position="top")
    style()
    preload()
    asked = st.query_params.get("page")
    if asked in pages and pages[asked] != current:
        rest = {k: v for k, v in st.query_params.to_dict().items() if k != "page"}
        st.switch_page(pages[asked], query_params=rest)
    with st.spinner("Loading PyTorch, once after the server's start"):
        warm_up()
        if current == pages["train"]:
            warm_up_training()
    from pages.ui import departure, live

    if current != pages["train"]:
        live.elsewhere(pages["train"])
    current.run()
    live.clear_up()  # last, so that no plot waits for it
    departure.depart()


if __name__ == "__main__":
    main()
