"""Every page runs by itself, follows its controls and its link, and never shows a traceback."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import Mock, patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from streamlit.runtime.scriptrunner import StopException
from streamlit.testing.v1 import AppTest

from pages.propagate import text, verdict
from pages.ui import controls, page_settings, results, session, setting
from pages.ui.live import cache, work
from pages.ui.slider import Number, _told
from snn_core.activations import SELU_FORMULA
from snn_core.cache import Cache
from snn_core.propagate import Propagation, Stopped, run
from snn_core.settings import Experiment, NetworkSpec, from_query

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(ROOT.glob("pages/*/page.py"))
PROPAGATE = ROOT / "pages" / "propagate" / "page.py"
SMALL = {"depth": "4", "width": "16", "batch": "16", "seeds": "2"}


def opened(query: Mapping[str, str] = SMALL, page: Path = PROPAGATE) -> AppTest:
    """Returns a page after its first run at a link."""
    at = AppTest.from_file(str(page), default_timeout=60)
    for key, value in query.items():
        at.query_params[key] = value
    return healthy(at.run())


def healthy(at: AppTest) -> AppTest:
    """Returns the page, which must not have raised."""
    assert not at.exception, at.exception
    return at


def chart(at: AppTest, key: str = "moments") -> dict[str, Any]:
    """Returns what the chart component was given."""
    proto = at.get_by_key(key).proto
    return json.loads(proto.mixed.json if proto.WhichOneof("data") == "mixed" else proto.json)


def link(at: AppTest) -> dict[str, str]:
    return dict(at.query_params)


def control(at: AppTest, kind: str, name: str) -> Any:
    """Returns the widget of a setting."""
    (found,) = (c for c in getattr(at, kind) if c.key == f"{at.session_state['page'].name}/{name}")
    return found


def set_number(at: AppTest, name: str, value: float | str) -> AppTest:
    """Sets a number or a view as its widget does: the session's value is the setting."""
    at.session_state[f"{at.session_state['page'].name}/{name}"] = value
    at.session_state["touched"] = True
    return healthy(at.run())


def set_to(at: AppTest, kind: str, name: str, value: Any) -> AppTest:
    return healthy(control(at, kind, name).set_value(value).run())


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    cache.results.cache_clear()
    yield


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.parent.name)
def test_every_page_runs_alone(page: Path) -> None:
    opened({}, page)


def test_the_frame_names_every_page() -> None:
    source = (ROOT / "pages/frame.py").read_text()
    for page in PAGES:
        assert str(page.relative_to(ROOT / "pages")) in source


def test_the_frame_runs_and_follows_a_root_link() -> None:
    at = opened({"page": "propagate", **SMALL}, ROOT / "pages/frame.py")
    assert "depth 4" in chart(at)["alt"] and link(at) == SMALL


def test_first_screen_is_the_default_experiment_without_a_click() -> None:
    alt = chart(opened({}))["alt"]
    assert "depth 32, 8 seeds" in alt and alt == text.moments_alt(run(Experiment()))


def test_a_link_gives_the_same_numbers_in_a_fresh_session() -> None:
    first = opened(SMALL | {"activation": "leaky_relu", "activation.negative_slope": "0.3"})
    cache.results.cache_clear()
    second = opened(link(first))
    assert chart(first)["figure"] == chart(second)["figure"]
    assert chart(first)["alt"] == chart(second)["alt"]


@pytest.mark.parametrize(("kind", "name", "value"), [
    ("", "depth", 6), ("", "activation.alpha", 1.5), ("", "weight_factor", 1.5),
    ("selectbox", "activation", "tanh"), ("selectbox", "initializer", "he_uniform"),
    ("selectbox", "constraint", "centralize_unit"), ("selectbox", "data", "uniform"),
    ("toggle", "residual", True), ("selectbox", "normalization", "layer"),
    ("selectbox", "dropout", "alpha"),
])  # fmt: skip
def test_a_control_changes_the_link_and_the_figure(kind: str, name: str, value: Any) -> None:
    at = opened(SMALL | {"view.more": "open"})
    before = chart(at)["figure"]
    if kind:
        set_to(at, kind, name, value)
    else:
        set_number(at, name, value)
    assert link(at)[name] == str(int(value) if value is True else value)
    assert chart(at)["figure"] != before


def slider(at: AppTest, name: str) -> dict[str, Any]:
    """Returns what the control of a number was given."""
    return chart(at, f"number:{at.session_state['page'].name}/{name}")


def test_a_number_between_the_stops_is_one_of_them_while_it_is_set() -> None:
    at = set_number(opened(), "width", 17)
    assert slider(at, "width")["value"] == 17 and 17 in slider(at, "width")["stops"]
    set_number(at, "width", 24)
    assert slider(at, "width")["value"] == 24 and 17 not in slider(at, "width")["stops"]


@pytest.mark.parametrize("said", [
    None, {}, [], "x", {"value": None}, {"value": "x"}, {"value": math.nan}, {"value": 1e99},
    {"value": True}, {"value": 2.5}, {"value": -3}, {"value": [1]},
])  # fmt: skip
def test_a_number_takes_no_report_but_a_value_within_the_bounds(said: Any) -> None:
    width, taken = Number("width", "Width", 1, 4096, "", 1), Mock()
    with patch("pages.ui.slider.st.session_state", {"number:width": said}):
        _told(width, "number:width", taken)
    assert not taken.called


def numbers(at: AppTest) -> list[str]:
    """Returns the settings that have a number's control on the page."""
    start = f"number:{at.session_state['page'].name}/"
    keys = [str(each.key) for each in at.get("bidi_component")]
    return [key.removeprefix(start) for key in keys if key.startswith(start)]


def test_every_setting_of_the_spec_has_a_control_with_help() -> None:
    seen = set()
    for query in (
        {"residual": "1", "dropout": "alpha", "normalization": "layer"},
        {"kind": "cnn", "pool": "max", "channels": "4", "image_size": "8", "dense": "1"},
    ):
        at = opened(SMALL | query | {"view.more": "open"})
        for name in numbers(at):
            seen.add(name)
            assert slider(at, name)["help"], name
        for group in (at.selectbox, at.toggle):
            for each in (c for c in group if (c.key or "").startswith("propagate/")):
                seen.add(each.key.removeprefix("propagate/"))
                assert each.help, each.key
    known = set(controls.PROPAGATION) - {"device"}  # shown where there is a choice
    assert known <= seen


def test_what_is_folded_is_not_built_and_keeps_its_settings() -> None:
    at = opened(SMALL | {"residual": "1"})
    assert not [each for each in at.toggle if each.key == "propagate/residual"]
    figure = chart(at)["figure"]
    set_number(at, "view.more", "open")
    assert control(at, "toggle", "residual").value and link(at)["view.more"] == "open"
    set_to(at, "toggle", "residual", False)
    assert chart(at)["figure"] != figure
    set_to(at, "toggle", "residual", True)
    set_number(at, "view.more", "closed")
    assert not [each for each in at.toggle if each.key == "propagate/residual"]
    assert chart(at)["figure"] == figure
    assert link(at)["residual"] == "1" and "view.more" not in link(at)


def test_a_widget_that_is_gone_is_not_listened_to() -> None:
    """The browser may report it still, and Streamlit takes that for a person's wish."""
    at = opened(SMALL | {"view.more": "open"})
    set_to(at, "toggle", "residual", True)
    said = control(at, "toggle", "residual")._widget_state
    assert link(at)["residual"] == "1"
    set_number(at, "view.more", "closed")
    healthy(at.button(key="reset").click().run())
    assert "residual" not in link(at)
    reported = at._tree.get_widget_states()
    reported.widgets.append(said)
    with patch.object(type(at._tree), "get_widget_states", return_value=reported):
        healthy(at.run())
    assert "residual" not in link(at)
    set_number(at, "view.more", "open")
    assert control(at, "toggle", "residual").value is False


def test_undo_takes_back_every_change_one_by_one() -> None:
    at = opened()
    assert at.button(key="undo").disabled
    set_number(at, "depth", 6)
    set_to(at, "selectbox", "activation", "tanh")
    healthy(at.button(key="new_weights").click().run())
    healthy(at.button(key="undo").click().run())
    assert link(at) == SMALL | {"depth": "6", "activation": "tanh"}
    healthy(at.button(key="undo").click().run())
    assert link(at) == SMALL | {"depth": "6"}
    assert control(at, "selectbox", "activation").value == "selu"
    healthy(at.button(key="undo").click().run())
    assert link(at) == SMALL and at.button(key="undo").disabled


def test_undo_of_what_is_refused_goes_back_to_what_worked() -> None:
    cnn = SMALL | {"kind": "cnn", "channels": "4", "image_size": "8", "dense": "1"}
    at = opened(cnn)
    set_number(at, "kernel", 4)
    assert at.error
    healthy(at.button(key="undo").click().run())
    assert not at.error and link(at) == cnn


@pytest.mark.parametrize(("pin", "said"), [
    ("<script>", "script"), ("depth=", "depth"), ("\x00", "pin.a"), ("depth=4&" * 300, "too long"),
])  # fmt: skip
def test_a_pin_that_says_nothing_is_told_of(pin: str, said: str) -> None:
    at = opened(SMALL | {"pin.a": pin})
    (warning,) = at.warning
    assert "pin.a" in warning.value and said in warning.value


def test_downloads_call_a_pin_by_its_own_letter_where_another_is_refused() -> None:
    big = "width=4096&depth=512&batch=4096&seeds=64"
    with patch("pages.propagate.downloads.propagation_csv") as csv:
        with patch("streamlit.download_button", lambda _, make, *more, **rest: make()):
            at = opened(SMALL | {"pin.a": big, "pin.b": "depth=3&width=8&batch=8&seeds=1"})
    assert "Pin A" in " ".join(error.value for error in at.error)
    (shown, pinned), names = csv.call_args.args
    assert list(names) == ["now", "B"] and pinned.experiment.network.depth == 3


def test_grouping_tables_name_only_settings() -> None:
    known = set(page_settings.DECLARED)
    groups = (*controls.GROUPS.values(), *controls.TRAINING.values(), page_settings.ARM)
    named = {name for names in groups for name in names}
    needed = {other for needs in setting.NEEDS.values() for other in needs}
    assert named | set(setting.NEEDS) | needed | set(setting.SLIDERS) <= known


def test_a_part_shows_its_own_parameters_only() -> None:
    at = set_to(opened(), "selectbox", "activation", "leaky_relu")
    assert "activation.negative_slope" in numbers(at)
    assert "activation.alpha" not in numbers(at)
    set_number(at, "activation.negative_slope", 0.5)
    assert link(at)["activation.negative_slope"] == "0.5"
    set_to(at, "selectbox", "activation", "selu")
    assert link(at) == SMALL


def test_settings_out_of_use_are_hidden_and_come_back() -> None:
    at = opened(SMALL | {"kind": "cnn", "channels": "4", "image_size": "8", "dense": "1"})
    set_to(at, "selectbox", "kind", "mlp")
    assert "channels" not in link(at)
    assert "channels" not in numbers(at)
    set_to(at, "selectbox", "kind", "cnn")
    assert link(at)["channels"] == "4"


def test_a_refused_combination_is_one_sentence_and_keeps_the_last_result() -> None:
    at = opened(SMALL | {"kind": "cnn", "channels": "4", "image_size": "8", "dense": "1"})
    before, where = chart(at)["figure"], link(at)
    set_number(at, "kernel", 4)
    assert len(at.error) == 1 and "kernel must be odd" in at.error[0].value
    assert chart(at)["figure"] == before and link(at) == where
    set_number(at, "kernel", 5)
    assert not at.error and link(at)["kernel"] == "5"


def test_a_setting_too_big_for_the_machine_is_one_sentence() -> None:
    at = opened()
    with patch.object(work, "refuse", side_effect=ValueError("Needs 900 GB.")):
        set_number(at, "width", 4096)
    assert [e.value for e in at.error][:1] and "Needs 900 GB" in at.error[0].value


def test_a_hostile_link_loses_only_the_setting_at_fault() -> None:
    at = opened(SMALL | {"activation": "<script>", "weight_factor": "nan", "foo": "1"})
    assert len(at.warning) == 1 and len(state_problems(at)) == 3
    assert link(at) == SMALL and "depth 4" in chart(at)["alt"]
    healthy(at.button(key="dismiss").click().run())
    assert not at.warning and link(at) == SMALL


def state_problems(at: AppTest) -> list[str]:
    return at.session_state["propagate#problems"]


KEYS = st.sampled_from([*controls.PROPAGATION, "activation.alpha", "view.tab", "view.layer",
                        "page", "view.axis", "activation.__class__", "x"])  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(["", "nan", "-1", "1e999", "9" * 5000, "../..", "cnn", "relu", "0", "<b>"]),
    st.text(max_size=30).filter(lambda text: "\x00" not in text),
)


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_no_link_breaks_the_page(query: dict[str, str]) -> None:
    def small(experiment: Experiment, *asked: bool) -> Propagation:
        return run(Experiment(NetworkSpec(depth=2, width=4), batch=4, seeds=1), *asked)

    with patch.object(results, "propagation", small):
        opened(query)


def test_buttons_reset_and_draw_new_weights() -> None:
    at = opened()
    before = chart(at)["figure"]
    healthy(at.button(key="new_weights").click().run())
    assert link(at)["seed"] == "1" and chart(at)["figure"] != before
    small = patch.object(results, "propagation", lambda e, *asked: run(from_query(SMALL), *asked))
    with small:
        healthy(at.button(key="reset").click().run())
    assert slider(at, "depth")["value"] == 32


def test_another_address_in_the_same_session_is_followed() -> None:
    at = opened()
    at.query_params["depth"] = "7"
    healthy(at.run())
    assert "depth 7" in chart(at)["alt"] and slider(at, "depth")["value"] == 7


@pytest.mark.parametrize(
    "tab", ["Distribution", "Gradients", "Omega and tau", "Saturation and correlation"]
)
def test_every_tab_draws_only_itself(tab: str) -> None:
    at = opened(SMALL | {"view.tab": tab})
    drawn = [k for k in ("distribution", "gradients", "units", "saturation") if has(at, k)]
    assert len(drawn) == 1 and chart(at, drawn[0])["alt"]


def has(at: AppTest, key: str) -> bool:
    try:
        at.get_by_key(key)
    except KeyError:
        return False
    return True


def test_the_layer_of_the_units_is_part_of_the_link() -> None:
    at = opened(SMALL | {"view.tab": "Omega and tau", "view.layer": "2"})
    assert "layer 2 (dense 2)" in chart(at, "units")["alt"]
    healthy(at.slider(key="propagate/view.layer").set_value(3).run())
    assert link(at)["view.layer"] == "3"


def test_a_stopped_propagation_keeps_the_last_result_until_asked() -> None:
    at = opened()
    before = chart(at)["figure"]
    at.session_state["stopped"] = from_query(SMALL | {"depth": "6"})
    set_number(at, "depth", 6)
    assert chart(at)["figure"] == before and "Stopped" in at.info[0].value
    healthy(at.button(key="release").click().run())
    assert "depth 6" in chart(at)["alt"] and not at.info


def test_a_turn_is_given_back_however_it_ends() -> None:
    for end in (ValueError("no"), Stopped(), KeyboardInterrupt()):
        lane = results._turn()
        with pytest.raises(type(end)), results.turn(lane, lambda done, text: True):
            raise end
    assert lane.acquire(blocking=False) and not lane.acquire(blocking=False)
    lane.release()


def test_the_cache_forgets_the_oldest_first_and_is_bounded() -> None:
    p = run(from_query(SMALL))
    kept = Cache(int(2.5 * cache.size(p)), cache.size)
    for key in "abc":
        kept.get("a")
        kept.put(key, p)
    assert [kept.get(key) is p for key in "abc"] == [True, False, True]


@pytest.mark.parametrize("begun", ["he_normal", "lecun_normal"])
@pytest.mark.parametrize("button", ["undo", "reset"])
def test_what_a_widget_showed_before_takes_nothing_back(button: str, begun: str) -> None:
    """A run may be cut off before its rail is drawn; the browser then tells what it still has."""
    at = set_to(opened(SMALL | {"initializer": begun}), "selectbox", "initializer", "orthogonal")
    before = at._tree.get_widget_states()
    with patch.object(verdict, "draw", side_effect=StopException):
        at.button(key=button).click().run()
    at = healthy(at._run(before))
    wanted = begun if button == "undo" else "lecun_normal"
    assert link(at).get("initializer", "lecun_normal") == wanted
    assert control(at, "selectbox", "initializer").value == wanted
    at = set_to(at, "selectbox", "initializer", "glorot_normal")  # and a choice is one again
    assert link(at)["initializer"] == "glorot_normal"


def broken(at: AppTest) -> AppTest:
    at.session_state["break_it"] = True  # the list is open
    return healthy(at.run()).button(key="trap.he").click().run()


@pytest.mark.parametrize("drawn", [True, False])
def test_a_browser_that_is_behind_takes_no_preset_back_and_leaves_no_step_to_undo(
    drawn: bool,
) -> None:
    """The rail is drawn, and what it shows has not reached the browser: it tells what it has."""
    at = opened(SMALL | {"depth": "5"})
    before = at._tree.get_widget_states()
    at = healthy(broken(at))
    assert link(at)["initializer"] == "he_normal"
    if drawn:
        at = healthy(at._run(before))
        assert link(at)["initializer"] == "he_normal" and link(at)["depth"] == "48"
    at = healthy(at.button(key="undo").click().run())
    assert "initializer" not in link(at) and link(at)["depth"] == "5"
    with patch.object(session, "BEHIND", 0.0):  # a hand, later
        at = healthy(broken(at))
    at = set_to(at, "selectbox", "initializer", "lecun_normal")
    assert link(at)["depth"] == "48" and "initializer" not in link(at)


def test_the_state_has_a_default_for_every_setting() -> None:
    assert all(session.default(name) is not None for name in page_settings.DECLARED)


def test_an_accident_in_the_core_is_one_sentence_and_the_page_goes_on() -> None:
    at = opened()
    before = chart(at)["figure"]
    with patch.object(work, "one_seed", side_effect=RuntimeError("out of memory: <b>secret</b>")):
        set_number(at, "depth", 6)
    assert chart(at)["figure"] == before
    assert "failed on the server" in at.error[0].value and "secret" not in at.error[0].value
    set_number(at, "depth", 8)
    assert "depth 8" in chart(at)["alt"] and not at.error


def test_junk_about_the_view_leaves_the_link() -> None:
    at = opened(SMALL | {"view.evil": "1", "view.axis": "junk", "view.tab": "Gradients"})
    assert {k for k in link(at) if k.startswith("view.")} <= {"view.axis", "view.tab"}


def test_a_control_shows_the_value_that_a_default_gave_way_to() -> None:
    at = opened({"kind": "cnn", "data": "digits", "depth": "3", "batch": "8", "seeds": "1"})
    assert slider(at, "dense")["value"] == 2 and link(at)["depth"] == "3"
    assert not at.error and not at.warning
    set_number(at, "depth", 2)
    assert at.error  # now it was said, and its sentence tells what fits


def field(at: AppTest) -> Any:
    """Returns the text field of the activation's formula."""
    return at.text_input(key="formula:propagate/activation")


def test_an_own_formula_begins_as_selu_and_is_followed() -> None:
    at = opened()
    before = chart(at)["figure"]
    set_to(at, "selectbox", "activation", SELU_FORMULA)
    assert link(at)["activation"] == SELU_FORMULA and field(at).value == SELU_FORMULA[1:]
    healthy(field(at).set_value("1.6 * tanh(x)").run())
    assert link(at)["activation"] == "=1.6*tanh(z)" and field(at).value == "1.6*tanh(z)"
    assert chart(at)["figure"] != before and not at.error
    shown = control(at, "selectbox", "activation")
    assert shown.format_func(shown.value) == "Own formula…" in shown.options
    set_to(at, "selectbox", "activation", "relu")
    assert not [t for t in at.text_input if t.key == "formula:propagate/activation"]
    set_to(at, "selectbox", "activation", control(at, "selectbox", "activation").options[-1])
    assert field(at).value == "1.6*tanh(z)" and link(at)["activation"] == "=1.6*tanh(z)"


@pytest.mark.parametrize(("typed", "said"), [
    ("tanhh(z)", "Did you mean 'tanh'"), ("", "it is empty"), ("z +", "it ends after"),
    ("__import__('os').system('x')", "is not known here"), ("(" * 200, "it ends after"),
    ("9**9**9**9", "an exponent is between"), ("sign(z)", "it jumps at z = 0"),
    ("z\x00", "has no meaning"),
])  # fmt: skip
def test_a_refused_formula_is_one_sentence_and_the_last_good_one_stays(
    typed: str, said: str
) -> None:
    at = opened(SMALL | {"activation": "=1.6*tanh(z)"})
    before = chart(at)["figure"]
    healthy(field(at).set_value(typed).run())
    (error,) = at.error
    assert re.search(said, error.value.replace("\\", "")) and "still in use" in error.value
    assert field(at).value == typed and chart(at)["figure"] == before
    assert link(at)["activation"] == "=1.6*tanh(z)"
    healthy(at.run())
    assert len(at.error) == 1
    healthy(field(at).set_value("=erf(z)").run())
    assert not at.error and link(at)["activation"] == "=erf(z)" and field(at).value == "erf(z)"


def test_a_link_opens_with_its_formula_or_says_what_is_wrong_with_it() -> None:
    selu = opened(SMALL)
    at = opened(SMALL | {"activation": SELU_FORMULA, "view.tab": "Gradients"})
    assert field(at).value == SELU_FORMULA[1:] and not at.warning
    assert chart(at)["alt"] == chart(selu)["alt"]
    at = opened(SMALL | {"activation": "=nonsense(z)"})
    assert len(at.warning) == 1 and "character 1" in at.warning[0].value and link(at) == SMALL


@pytest.mark.parametrize("tab", ["Distribution", "Omega and tau", "Saturation and correlation"])
def test_every_tab_draws_a_formula(tab: str) -> None:
    at = opened(SMALL | {"activation": "=where(z>0,z,2*z^2/(1+z^2))", "view.tab": tab})
    assert not at.error and not at.warning
