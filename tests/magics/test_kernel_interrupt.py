"""Ctrl-C in the middle of an answer."""

import pytest
from headless import until
from slowfile import SlowFile

STORY = (
    "%%bago chat -m smol --no-history --max-tokens 900 --temperature 0 --to story\nTell a very long story."
)
"""Without dice the model does not end it before the bound."""


def interrupt_when_it_streams(kernel, code):
    id = kernel.start(code)
    ran = kernel.finish(id, until=lambda ran: any("text/markdown" in update for update in ran.updates))
    assert not ran.reply, "the answer ended before it could be interrupted"
    kernel.manager.interrupt_kernel()
    return kernel.finish(id, ran=ran)


def threads(kernel):
    return kernel.value("__import__('threading').active_count()")


def memory(kernel):
    return kernel.value("__import__('psutil').Process().memory_info().rss")


def test_ten_in_a_row_are_let_go_by_the_node_and_grow_nothing(chatty):
    node = chatty.node()
    before = None
    for _ in range(10):
        ran = interrupt_when_it_streams(chatty, STORY)
        until(lambda: not node.status().requests.in_flight)
        assert node.why().outcome == "cancelled"
        assert ran.reply["status"] == "error"
        assert ran.error.startswith("interrupted; what arrived is kept · smol · on testnode")
        assert len(ran.error.splitlines()) == 1
        assert chatty.value("story") == ran.outputs[0]["data"]["text/plain"] != ""
        before = before or (threads(chatty), memory(chatty))
    assert threads(chatty) < before[0] + 5, "those of pools may be more, and one is left by none"
    assert memory(chatty) - before[1] < 16 * 2**20
    assert chatty.must("%bago chat -m smol --no-history --max-tokens 4 hello").ok


def test_ten_in_a_row_free_the_slot_of_the_runner(chatty):
    """The runner's part: it is told by a closed socket, and has to stop computing."""
    node = chatty.node()
    for _ in range(10):
        interrupt_when_it_streams(chatty, STORY)
        until(lambda: not chatty.busy_slots(node))


def test_the_partial_answer_is_in_the_conversation(chatty):
    chatty.must("%bago reset")
    interrupt_when_it_streams(chatty, STORY.replace("--no-history ", ""))
    kept = chatty.history()
    assert [message["content"] for message in kept] == [
        "Tell a very long story.",
        chatty.value("story"),
        "next",
    ]
    chatty.must("%bago reset")


def test_run_all_stops_at_the_interrupted_cell(chatty):
    chatty.must("went_on = False")
    id = chatty.start(STORY)
    waiting = chatty.start("went_on = True")
    ran = chatty.finish(id, until=lambda ran: bool(ran.updates))
    chatty.manager.interrupt_kernel()
    chatty.finish(id, ran=ran)
    assert chatty._reply(waiting)["status"] == "aborted"
    assert chatty.value("went_on") is False


@pytest.fixture
def stalled(tmp_path):
    """The address of a file of which the first half arrives and the rest never does."""
    path = tmp_path / "half.gguf"
    path.write_bytes(b"GGUF" + bytes(1_999_996))
    with SlowFile(path) as server:
        yield server.url


def test_a_pull_says_what_is_kept(chatty, stalled):
    id = chatty.start(f"%bago pull {stalled}")
    ran = chatty.finish(id, until=lambda ran: "downloading" in ran.text)
    assert not ran.reply, ran.error
    chatty.manager.interrupt_kernel()
    ran = chatty.finish(id, ran=ran)
    assert ran.error == "interrupted; what arrived is kept, and the same %bago pull goes on from there"
    assert not ran.text
    assert [model.id for model in chatty.node().models()] == ["smol"]
