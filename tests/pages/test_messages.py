"""Nothing that the server takes back before it was sent may reach the browser in part."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from streamlit import config
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_cache import create_reference_msg, populate_hash_if_needed
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue

SETTINGS = tomllib.loads((Path(__file__).parents[2] / ".streamlit/config.toml").read_text())
LARGEST = 1_000_000 * SETTINGS["server"]["maxMessageSize"]


def left(size: int) -> int:
    """Returns how many messages of a fragment's run outlive the start of its next run."""
    message = ForwardMsg()
    message.delta.new_element.markdown.body = "x" * size
    message.delta.fragment_id = "watch"
    message.metadata.delta_path.extend([0, 5])
    populate_hash_if_needed(message)
    queue = ForwardMsgQueue()
    # a message that the browser may keep is sent the second time as a reference to it
    queue.enqueue(create_reference_msg(message) if message.metadata.cacheable else message)
    queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=["watch"])
    return len(queue)


@pytest.mark.parametrize("size", [10, 10_000, LARGEST])
def test_no_message_of_a_broken_off_look_is_left(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is left arrives at a place that isn't there, and the page goes blank."""
    name = "global.minCachedMessageSize"
    monkeypatch.setattr(
        config, "get_option", {name: SETTINGS["global"]["minCachedMessageSize"]}.__getitem__
    )
    assert left(size) == 0


def test_streamlits_own_size_would_leave_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason of the setting; where this fails, Streamlit has mended it and it can go."""
    monkeypatch.setattr(config, "get_option", lambda _: 10_000)
    assert left(20_000) == 1
