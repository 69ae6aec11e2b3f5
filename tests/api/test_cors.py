"""Web pages of this machine may use ``/v1`` from their scripts; those of other sites, and the rest, not.

The protocol is the Fetch Standard's (https://fetch.spec.whatwg.org/#http-cors-protocol): a page reads an
answer only if ``access-control-allow-origin`` names it, and is asked for leave before it sends JSON or a key.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

import bago_jupyter as bago
from bago_jupyter.client import NodeClient
from bago_jupyter.loops import LoopThread
from bago_jupyter.settings import Settings

CHAT = "/v1/chat/completions"
ORIGIN = "http://localhost:3000"
OURS = [
    *(ORIGIN, "http://127.0.0.1:5173", "http://[::1]:8000"),
    *("http://localhost", "https://localhost:8443", "http://127.0.0.1"),
]
FOREIGN = [
    *("https://evil.example", "null", "http://localhost.evil.example", "http://127.0.0.1.evil.example"),
    *("http://localhost:x@evil.example", "http://[::1]evil.example", "http://localhost@evil.example"),
    *("http://evil.example#http://localhost", "http://10.77.1.3:3000", "localhost", "file://", ""),
]
ASK = {"model": "smol", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
EXPOSED = {"x-request-id", "x-bago-node", "x-bago-attempts", "retry-after"}
KEY = "sk-of-a-page"


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a node without models that wants a key."""
    home = tmp_path_factory.mktemp("keyed")
    thread = LoopThread()
    running = bago.Node(Settings.load({"home": home, "port": 0, "api_key": KEY}, {}))
    thread.run(running.start(), 60)
    try:
        yield f"http://127.0.0.1:{running.file.port}"
    finally:
        thread.run(running.stop(), 60)
        thread.stop()


def ours(answer: httpx.Response) -> dict[str, str]:
    """What an answer says about other origins."""
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


def words(text: str) -> set[str]:
    return {word.strip().lower() for word in text.split(",") if word.strip()}


def preflight(url: str, origin: str, method: str, headers: str | None = None) -> httpx.Response:
    """What a browser sends before a request that a form could not make."""
    asked = {"origin": origin, "access-control-request-method": method}
    if headers is not None:
        asked["access-control-request-headers"] = headers
    return httpx.options(url, headers=asked)


def told(answer: httpx.Response, origin: str = ORIGIN) -> bool:
    """Whether the page of ``origin`` may read it, and the headers that say what happened."""
    said = ours(answer)
    assert "access-control-allow-credentials" not in said  # a cookie or a client certificate is no key here
    exposed = words(said.get("access-control-expose-headers", ""))
    assert not said or "*" in exposed or exposed >= EXPOSED
    return said.get("access-control-allow-origin") == origin and "origin" in words(
        answer.headers.get("vary", "")
    )


@pytest.mark.parametrize("origin", OURS)
@pytest.mark.parametrize(
    ("path", "method"), [(CHAT, "POST"), ("/v1/models", "GET"), ("/v1/messages", "POST")]
)
def test_a_page_is_given_leave(node: NodeClient, path: str, method: str, origin: str) -> None:
    asked = "authorization,content-type,x-stainless-os,anthropic-version"
    answer = preflight(node.url + path, origin, method, asked)
    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-length" not in answer.headers  # RFC 9110, 8.6
    said = ours(answer)
    assert said["access-control-allow-origin"] == origin
    assert method in said["access-control-allow-methods"]
    assert words(asked) <= words(said["access-control-allow-headers"])
    assert "origin" in words(answer.headers["vary"])
    assert "access-control-allow-credentials" not in said


def test_a_page_that_asks_for_no_headers(node: NodeClient) -> None:
    said = ours(preflight(node.url + CHAT, ORIGIN, "POST"))
    assert {"authorization", "content-type"} <= words(said["access-control-allow-headers"])


def test_leave_needs_no_key(keyed: str) -> None:
    """A browser sends none with it."""
    answer = preflight(keyed + CHAT, ORIGIN, "POST", "authorization")
    assert answer.status_code == 204 and ours(answer)["access-control-allow-origin"] == ORIGIN


def test_nothing_is_said_that_was_not_clear(node: NodeClient) -> None:
    """What a page asks for comes back; no line of its own may come with it."""
    answer = preflight(node.url + CHAT, ORIGIN, "POST", "x-a, x(b), " + "x" * 20_000)
    assert len(ours(answer).get("access-control-allow-headers", "")) < 10_000
    assert "(" not in ours(answer).get("access-control-allow-headers", "")


@pytest.mark.parametrize("origin", OURS)
def test_a_page_reads_a_whole_answer(node: NodeClient, origin: str) -> None:
    answer = httpx.post(node.url + CHAT, json=ASK, headers={"origin": origin}, timeout=60)
    assert answer.status_code == 200 and answer.json()["choices"] and answer.headers["x-request-id"]
    assert told(answer, origin)
    assert told(httpx.get(node.url + "/v1/models", headers={"origin": origin}), origin)


def test_a_page_reads_a_stream(node: NodeClient) -> None:
    with httpx.stream(
        "POST", node.url + CHAT, json={**ASK, "stream": True}, headers={"origin": ORIGIN}, timeout=60
    ) as answer:
        assert answer.read().endswith(b"data: [DONE]\n\n")
    assert answer.status_code == 200 and told(answer)


def test_a_page_reads_what_went_wrong(node: NodeClient, keyed: str) -> None:
    here = {"origin": ORIGIN}
    for status, answer in (
        (400, httpx.post(node.url + CHAT, content=b"{", headers=here)),
        (401, httpx.post(keyed + CHAT, json=ASK, headers=here)),
        (401, httpx.get(keyed + "/v1/models", headers=here)),
        (401, httpx.post(keyed + "/v1/messages", json=ASK, headers={**here, "x-api-key": "wrong"})),
        (404, httpx.post(node.url + CHAT, json={**ASK, "model": "nope"}, headers=here)),
        (404, httpx.get(node.url + "/v1/nothing", headers=here)),
        (405, httpx.get(node.url + CHAT, headers=here)),
        (413, httpx.post(node.url + CHAT, content=b"x" * ((1 << 20) + 1), headers=here)),
    ):
        assert answer.status_code == status and told(answer), (status, answer.headers)
    answer = httpx.get(keyed + "/v1/models", headers={**here, "authorization": f"Bearer {KEY}"})
    assert answer.status_code == 200 and told(answer)


@pytest.mark.parametrize("origin", FOREIGN)
def test_other_pages_are_told_nothing(node: NodeClient, origin: str) -> None:
    for answer in (
        preflight(node.url + CHAT, origin, "POST", "authorization"),
        preflight(node.url + "/v1/models", origin, "GET"),
        httpx.post(node.url + CHAT, json=ASK, headers={"origin": origin}),
        httpx.get(node.url + "/v1/models", headers={"origin": origin}),
    ):
        assert answer.status_code == 403 and not ours(answer)


def test_a_page_under_another_name_is_told_nothing(node: NodeClient) -> None:
    """A name that was led to 127.0.0.1 is another site, whatever the Origin says."""
    asked = {"host": "evil.example", "origin": ORIGIN, "access-control-request-method": "POST"}
    answer = httpx.options(node.url + CHAT, headers=asked)
    assert answer.status_code in (403, 421) and not ours(answer)


@pytest.mark.parametrize(
    "path", ["/api/v1/status", "/api/v1/models", "/api/v1/nothing", "/metrics", "/health"]
)
def test_only_the_models_are_for_pages(node: NodeClient, path: str) -> None:
    """Management has a token, and no page shall try one."""
    assert not ours(preflight(node.url + path, ORIGIN, "GET", "authorization"))
    assert preflight(node.url + path, ORIGIN, "GET").status_code != 204
    token = {"authorization": f"Bearer {node.node.admin_token}"}
    assert not ours(httpx.get(node.url + path, headers={"origin": ORIGIN, **token}))


def test_who_is_no_page_is_told_nothing_of_it(node: NodeClient) -> None:
    assert not ours(httpx.get(node.url + "/v1/models"))
    answer = httpx.options(node.url + CHAT)
    assert answer.status_code == 405 and not ours(answer)
