"""Ctrl-C in the middle of an answer."""

import http.server
import threading
import time

import pytest

STORY = (
    "%%bago chat -m smol --no-history --max-tokens 900 --temperature 1 --to story\nTell a very long story."
)


def interrupt_when_it_streams(kernel, code):
    id = kernel.start(code)
    ran = kernel.finish(id, until=lambda ran: any("text/markdown" in update for update in ran.updates))
    assert not ran.reply, "the answer ended before it could be interrupted"
    kernel.manager.interrupt_kernel()
    return kernel.finish(id, ran=ran)


def within(seconds, what, holds):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def threads(kernel):
    return kernel.value("__import__('threading').active_count()")


def memory(kernel):
    return kernel.value("__import__('psutil').Process().memory_info().rss")


def test_ten_in_a_row_are_let_go_by_the_node_and_grow_nothing(chatty):
    node = chatty.node()
    before = None
    for _ in range(10):
        ran = interrupt_when_it_streams(chatty, STORY)
        within(20.0, "the node still holds the request", lambda: not node.status().requests.in_flight)
        assert node.why().outcome == "cancelled"
        assert ran.reply["status"] == "error"
        assert ran.error.startswith("interrupted; what arrived is kept · smol · on testnode")
        assert len(ran.error.splitlines()) == 1
        assert chatty.value("story") == ran.outputs[0]["data"]["text/plain"] != ""
        before = before or (threads(chatty), memory(chatty))
    assert threads(chatty) <= before[0] + 1, "the completion cache may be at work"
    assert memory(chatty) - before[1] < 16 * 2**20
    assert chatty.must("%bago chat -m smol --no-history --max-tokens 4 hello").ok


def test_ten_in_a_row_free_the_slot_of_the_runner(chatty):
    """The runner's part: it is told by a closed socket, and has to stop computing."""
    node = chatty.node()
    for _ in range(10):
        interrupt_when_it_streams(chatty, STORY)
        within(20.0, "the slot is still at work", lambda: not chatty.busy_slots(node))


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
def stalled():
    """The address of a file of which the first half arrives and the rest never does."""

    class Half(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-length", "2000000")
            self.end_headers()
            self.wfile.write(b"GGUF" + bytes(999_996))
            over.wait()

        def log_message(self, *_):
            pass

    over = threading.Event()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Half)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/half.gguf"
    over.set()
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_pull_says_what_is_kept(chatty, stalled):
    id = chatty.start(f"%bago pull {stalled}")
    ran = chatty.finish(id, until=lambda ran: "downloading" in ran.text)
    assert not ran.reply, ran.error
    chatty.manager.interrupt_kernel()
    ran = chatty.finish(id, ran=ran)
    assert ran.error == "interrupted; what arrived is kept, and the same %bago pull goes on from there"
    assert not ran.text
    assert [model.id for model in chatty.node().models()] == ["smol"]
