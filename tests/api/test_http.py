"""The API as bytes: rubbish, limits, guards, keys, and clients that go away."""

from __future__ import annotations

import json
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest
from engines.making import KEYS, make_folder, make_gguf

from bago_jupyter.client import NodeClient
from bago_jupyter.errors import NotFound, Unauthorized
from bago_jupyter.widgets import catalogue
from bago_jupyter.wire import NodeFile

CHAT = "/v1/chat/completions"


SLOT_POLL = 2.5
"""llama-server looks after a client that waits for a whole answer only when nothing happened for a
second, and a look at its slots is something."""


def until(condition: Callable[[], object], seconds: float = 60.0, every: float = 0.01) -> None:
    """Wait for ``condition``."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, condition
        time.sleep(every)


def busy(node: NodeClient) -> int:
    return sum(slot.busy for slot in node.slots("smol") if slot.task == "generate")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "is empty"),
        (b"not json", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b'{"model": "smol"', "not valid JSON"),
        (b"[1, 2]", "does not fit"),
        (b'{"model": 7}', "does not fit"),
        (b'{"messages": []}', "'model' is missing"),
        (b"[" * 200_000, "not valid JSON|does not fit"),
        (b'{"model": "smol", "x": ' + b"[" * 200_000, "not valid JSON"),
    ],
)
@pytest.mark.parametrize("path", [CHAT, "/v1/messages"])
def test_rubbish_gets_a_clear_error(node: NodeClient, path: str, body: bytes, said: str) -> None:
    import re

    answer = httpx.post(node.url + path, content=body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert re.search(said, error["message"])
    assert error["type"] == "invalid_request_error"
    assert ("type" in answer.json()) == (path == "/v1/messages")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit(node: NodeClient, chunked: bool) -> None:
    def parts():  # type: ignore[no-untyped-def]
        for _ in range(100):
            yield b"x" * 1_000_000

    content = parts() if chunked else b"x" * 100_000_000
    answer = httpx.post(node.url + CHAT, content=content, timeout=60)
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "request_too_large"
    assert node.status()


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "evil.example:8080"},
        {"host": "127.0.0.1.evil.example"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost.evil.example"},
    ],
)
@pytest.mark.parametrize("path", ["/v1/models", CHAT, "/api/v1/status"])
def test_a_page_of_another_site_is_refused(node: NodeClient, headers: dict[str, str], path: str) -> None:
    method = "POST" if path == CHAT else "GET"
    answer = httpx.request(method, node.url + path, headers=headers, content=b"{}" if path == CHAT else None)
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "forbidden"


def test_local_names_and_origins_pass(node: NodeClient) -> None:
    for headers in ({"host": "localhost:1"}, {"host": "[::1]:80"}, {"origin": "http://localhost:8888"}):
        assert httpx.get(node.url + "/v1/models", headers=headers).status_code == 200


def test_ipv6_loopback_answers_too(node: NodeClient) -> None:
    port = node.status().port
    if not psutil.net_if_addrs().get("lo") or not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    assert httpx.get(f"http://[::1]:{port}/health").json()["status"] == "ok"


@pytest.mark.parametrize("token", [None, "wrong"])
def test_management_wants_the_admin_token(node: NodeClient, token: str | None) -> None:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    for method, path in (("GET", "status"), ("POST", "shutdown"), ("DELETE", "models?model=smol")):
        answer = httpx.request(method, f"{node.url}/api/v1/{path}", headers=headers)
        assert answer.status_code == 401
    assert node.models()[0].id == "smol"


def test_unknown_routes_and_methods(node: NodeClient) -> None:
    assert httpx.get(node.url + "/v1/nothing").json()["error"]["code"] == "not_found"
    answer = httpx.get(node.url + CHAT)
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")
    with pytest.raises(NotFound, match="No request nope"):
        node.why("nope")


def test_health_and_metrics(node: NodeClient) -> None:
    assert httpx.get(node.url + "/health").json() == {"status": "ok", "service": "bago"}
    assert "bago_uptime_seconds" in httpx.get(node.url + "/metrics").text


def test_request_ids_are_kept_unless_they_are_rubbish(node: NodeClient) -> None:
    def ask(id: str) -> str:
        body = {"model": "smol", "messages": [{"role": "user", "content": "x"}], "max_tokens": 1}
        return httpx.post(node.url + CHAT, json=body, headers={"x-request-id": id}).headers["x-request-id"]

    assert ask("mine-1") == "mine-1"
    assert ask("mine-1") != "mine-1"  # one id, one decision
    assert ask("a b<script>") != "a b<script>"
    assert ask("x" * 65) != "x" * 65


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_frees_its_slot(node: NodeClient, stream: bool) -> None:
    body = json.dumps(
        {
            "model": "smol",
            "messages": [{"role": "user", "content": "Count."}],
            "max_tokens": 900,
            "ignore_eos": True,
            "stream": stream,
        }
    ).encode()
    cancelled = node.status().requests.cancelled
    for number in range(3):
        with socket.create_connection(("127.0.0.1", node.status().port)) as sock:
            head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
            sock.sendall(head.encode() + body)
            until(lambda: busy(node))
        until(lambda: node.status().requests.cancelled == cancelled + number + 1)  # noqa: B023
        until(lambda: not busy(node), every=0.05 if stream else SLOT_POLL)
    assert node.status().requests.in_flight == 0


def test_a_runner_that_is_killed_ends_the_stream_with_an_error_and_comes_back(node: NodeClient) -> None:
    body = {"model": "smol", "messages": [{"role": "user", "content": "Count."}], "max_tokens": 900}
    (before,) = [info.restarts for info in node.status().runners if info.task == "generate"]
    for path, more, event in (
        (CHAT, {}, b'data: {"error"'),
        ("/v1/messages", {}, b"event: error\ndata: "),
        ("/v1/responses", {"input": "Count.", "max_output_tokens": 900}, b"event: error\ndata: "),
    ):
        request = {**body, **more, "stream": True, "ignore_eos": True}
        with httpx.stream("POST", node.url + path, json=request, timeout=60) as answer:
            parts = answer.iter_bytes()
            got = next(parts)
            (pid,) = [info.pid for info in node.status().runners if info.task == "generate"]
            assert pid is not None
            psutil.Process(pid).kill()
            got += b"".join(parts)
        assert event in got
        assert got.endswith(b"\n\n")
        last = got.rstrip().rpartition(b"data: ")[2]
        assert "in the middle of its answer" in json.dumps(json.loads(last))
        again = httpx.post(node.url + CHAT, json={**body, "max_tokens": 2}, timeout=60)
        assert again.status_code == 200
    (info,) = [info for info in node.status().runners if info.task == "generate"]
    assert info.restarts == before + 3


def test_a_runner_that_dies_before_the_first_byte_costs_no_request(node: NodeClient) -> None:
    body = {"model": "smol", "messages": [{"role": "user", "content": "Count."}], "max_tokens": 40}
    (pid,) = [info.pid for info in node.status().runners if info.task == "generate"]
    assert pid is not None
    psutil.Process(pid).kill()
    assert httpx.post(node.url + CHAT, json=body, timeout=60).status_code == 200


def test_a_key_is_required_once_it_is_set(tmp_path_factory: pytest.TempPathFactory) -> None:
    import bago_jupyter as bago
    from bago_jupyter.loops import LoopThread
    from bago_jupyter.settings import Settings

    home = tmp_path_factory.mktemp("keyed")
    thread = LoopThread()
    running = bago.Node(Settings.load({"home": home, "port": 0, "api_key": "s3cret"}, {}))
    thread.run(running.start(), 60)
    try:
        url = f"http://127.0.0.1:{running.file.port}/v1/models"
        assert httpx.get(url).status_code == 401
        assert httpx.get(url, headers={"authorization": "Bearer s3cre"}).status_code == 401
        assert httpx.get(url, headers={"authorization": "Bearer s3cret"}).status_code == 200
        assert httpx.get(url, headers={"x-api-key": "s3cret"}).status_code == 200
        assert httpx.get(url.replace("/v1/models", "/health")).status_code == 200
        answer = httpx.post(url.replace("models", "messages"), content=b"{}", headers={"x-api-key": "no"})
        assert answer.json()["error"]["type"] == "authentication_error"
        with NodeClient(running.file) as client:
            assert client.api_key == "s3cret"
            assert client.status().api_key_required
            assert "s3cret" not in repr(client) + "\n".join(client.log())
        other = NodeFile(**{**_fields(running.file), "admin_token": "guess"})
        with NodeClient(other) as client, pytest.raises(Unauthorized):
            client.status()
    finally:
        thread.run(running.stop(), 60)
        thread.stop()


def _fields(file: NodeFile) -> dict[str, object]:
    import msgspec

    return msgspec.structs.asdict(file)


def test_a_batch_of_inputs_is_not_one_long_prompt(node: NodeClient) -> None:
    inputs = ["a sentence of moderate length about nothing in particular " * 5] * 24
    answer = httpx.post(node.base_url + "/embeddings", json={"model": "smol", "input": inputs}, timeout=120)
    assert answer.status_code == 200
    assert len(answer.json()["data"]) == 24


def test_an_absurd_model_name_is_refused_briefly(node: NodeClient) -> None:
    answer = httpx.post(node.url + CHAT, json={"model": "m" * 900_000, "messages": []})
    assert answer.status_code == 400
    assert len(answer.content) < 1000


def test_what_no_engine_runs_is_listed_and_never_chosen(node: NodeClient) -> None:
    folder = make_folder(Path(node.status().home) / "models" / "sf")
    try:
        until(lambda: any(model.id == "sf" for model in node.models()))
        info = next(model for model in node.models() if model.id == "sf")
        assert info.state == "unsupported"
        assert info.error == "No engine here runs sf (safetensors); it needs mlx."
        assert node.default_model() == "smol"
        assert catalogue.default(catalogue.choices(catalogue.read(node))) == "smol"
        assert "sf" not in [model["id"] for model in httpx.get(node.base_url + "/models").json()["data"]]
        answer = httpx.post(node.url + CHAT, json={"model": "sf", "messages": []})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_model_file")
        assert "No engine here runs sf" in answer.json()["error"]["message"]
    finally:
        shutil.rmtree(folder)
        until(lambda: all(model.id != "sf" for model in node.models()))


def test_a_model_without_a_chat_template_is_said_to_complete_text(node: NodeClient) -> None:
    path = Path(node.status().home) / "models" / "bare.gguf"
    make_gguf(path, {name: value for name, value in KEYS.items() if name != "tokenizer.chat_template"})
    try:
        until(lambda: any(model.id == "bare" for model in node.models()))
        assert {model.id: model.chat for model in node.models()} == {"bare": False, "smol": True}
        entries = httpx.get(node.base_url + "/models").json()["data"]
        assert {entry["id"]: entry["bago"]["nodes"][0]["chat"] for entry in entries} == {
            "bare": False,
            "smol": True,
        }
        assert node.default_model() == "smol"
    finally:
        path.unlink()
        until(lambda: all(model.id != "bare" for model in node.models()))


def test_a_corrupt_file_is_named_as_such(node: NodeClient) -> None:
    models = Path(node.status().home) / "models"
    (models / "bad.gguf").write_bytes(b"GGUF" + b"\xff" * 4000)
    try:
        until(lambda: any(model.id == "bad" for model in node.models()))
        answer = httpx.post(node.url + CHAT, json={"model": "bad", "messages": []})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_model_file")
        assert "bad" not in [model["id"] for model in httpx.get(node.base_url + "/models").json()["data"]]
    finally:
        (models / "bad.gguf").unlink()
        until(lambda: all(model.id != "bad" for model in node.models()))


def test_a_model_whose_file_is_gone_is_unloaded(node: NodeClient) -> None:
    models = Path(node.status().home) / "models"
    (models / "copy.gguf").symlink_to((models / "smol.gguf").resolve())
    until(lambda: any(model.id == "copy" for model in node.models()))
    pid = node.load("copy", context_length=256, slots=1).runners[0].pid
    assert pid is not None
    (models / "copy.gguf").unlink()
    until(lambda: all(model.id != "copy" for model in node.models()))
    assert all(runner.model != "copy" for runner in node.status().runners)
    until(lambda: not psutil.pid_exists(pid))
    assert "copy is unloaded, since its file is gone" in "\n".join(node.log(50))


def test_a_model_with_another_file_is_loaded_anew(node: NodeClient, tmp_path: Path) -> None:
    models = Path(node.status().home) / "models"
    path = models / "copy.gguf"
    shutil.copyfile(models / "smol.gguf", path)
    until(lambda: any(model.id == "copy" for model in node.models()))
    try:
        first = node.load("copy", context_length=256, slots=1).runners[0].pid
        shutil.copyfile(path, tmp_path / "other")
        (tmp_path / "other").replace(path)  # of the same size and name
        until(lambda: all(runner.pid != first for runner in node.status().runners))
        assert any(model.id == "copy" for model in node.models())
        assert node.load("copy", context_length=256, slots=1).runners[0].pid != first
    finally:
        path.unlink()
        until(lambda: all(model.id != "copy" for model in node.models()))


def test_wrong_methods_are_errors_of_the_api(node: NodeClient) -> None:
    answer = httpx.delete(node.base_url + "/models")
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")


def test_a_node_that_stops_ends_its_streams_with_an_error_event(tmp_path: Path, starter_gguf: Path) -> None:
    import bago_jupyter as bago
    from bago_jupyter.loops import LoopThread
    from bago_jupyter.settings import Settings

    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "smol.gguf").symlink_to(starter_gguf)
    thread = LoopThread()
    running = bago.Node(Settings.load({"home": tmp_path, "port": 0, "context_length": 512}, {}))
    thread.run(running.start(), 60)
    body = {"model": "smol", "messages": [], "max_tokens": 400, "stream": True, "ignore_eos": True}
    body["messages"] = [{"role": "user", "content": "Count."}]
    url = f"http://127.0.0.1:{running.file.port}{CHAT}"
    with httpx.stream("POST", url, json=body, timeout=60) as answer:
        parts = answer.iter_bytes()
        got = next(parts)
        stopping = thread.submit(running.stop())
        got += b"".join(parts)
    stopping.result(60)
    thread.stop()
    assert b"The node is stopping" in got.rpartition(b"data: ")[2]
    assert running.dispatcher.counts.in_flight == 0


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/nobody", "/v1/models/"])
def test_lists_of_models_have_an_id_too(node: NodeClient, path: str) -> None:
    own, given = (
        httpx.get(node.url + path, headers={"origin": "http://localhost:1", **headers}).headers
        for headers in ({}, {"x-request-id": "mine-1"})
    )
    assert own["x-request-id"] == own["request-id"] and own["x-request-id"].startswith("req_")
    assert given["x-request-id"] == given["request-id"] == "mine-1"
    assert own["access-control-allow-origin"] == "http://localhost:1"
