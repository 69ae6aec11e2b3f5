"""Signatures against what the official client computes, and what a manager refuses on the wire."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from faults import Faults
from manager import ACCESS_KEY, SECRET_KEY, Manager

from bago_jupyter.backends.signing import Signer, signature, signing_keys, text_to_sign
from bago_jupyter.errors import SettingsError
from bago_jupyter.http1 import Pool
from bago_jupyter.trust.secret import Secret

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "backendai-hmac-vectors.json").read_text())
CASES = VECTORS["cases"]
SECRET = Secret(VECTORS["secret_key"])


def run(coroutine: Any) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 60))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["rel_url"])
def test_signatures_are_the_official_clients(case: dict[str, str]) -> None:
    signer = Signer(VECTORS["access_key"], SECRET, case["endpoint"], version=case["version"])
    now = datetime.fromisoformat(case["date"])
    headers = signer.headers(case["method"], case["rel_url"], case["content_type"], now)
    assert headers == {
        "Host": case["host"],
        "Date": case["date"],
        "Content-Type": case["content_type"],
        "X-BackendAI-Version": case["version"],
        "X-BackendAI-Domain": "default",
        "Authorization": f"BackendAI signMethod=HMAC-SHA256,"
        f" credential={VECTORS['access_key']}:{case['signature']}",
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["rel_url"])
def test_the_keys_on_the_way(case: dict[str, str]) -> None:
    day = f"{datetime.fromisoformat(case['date']):%Y%m%d}"
    assert [key.hex() for key in signing_keys(SECRET, day, case["host"])] == [case["k1"], case["k2"]]


def test_the_example_of_the_old_documentation() -> None:
    case = VECTORS["legacy_doc_example_that_reproduces"]
    text = text_to_sign(
        case["method"],
        case["rel_url"],
        case["date"],
        case["host"],
        case["content_type"],
        case["version_header_line"],
    )
    assert not text.endswith("\n") and text.count("\n") == 6
    assert signature(SECRET, case["date"][:8], case["host"], text) == case["signature"]


@pytest.mark.parametrize(
    ("endpoint", "host", "prefix"),
    [
        ("https://h:443", "h", ""),
        ("https://h", "h", ""),
        ("http://h:80/", "h", ""),
        ("http://h:443", "h:443", ""),
        ("https://h:80", "h:80", ""),
        ("https://H.Example:8443/a/b/", "h.example:8443", "/a/b"),
        ("http://[::1]:8081", "[::1]:8081", ""),
        ("https://[2001:db8::1]:443/x", "[2001:db8::1]", "/x"),
    ],
)
def test_the_host_that_is_signed_is_the_one_that_is_sent(endpoint: str, host: str, prefix: str) -> None:
    signer = Signer(ACCESS_KEY, SECRET, endpoint)
    assert (signer.host, signer.prefix) == (host, prefix)
    now = datetime(2026, 8, 22, tzinfo=UTC)
    headers = signer.headers("GET", "/services", None, now)
    assert headers["Host"] == host
    text = text_to_sign(
        "GET", "/services", now.isoformat(), host, "text/plain", "x-backendai-version:v9.20250722"
    )
    assert headers["Authorization"].endswith(":" + signature(SECRET, "20260822", host, text))


def test_the_date_is_utc_whatever_the_zone_of_the_clock() -> None:
    signer = Signer(ACCESS_KEY, SECRET, "https://h")
    late = datetime(2026, 8, 23, 1, 30, tzinfo=timezone(timedelta(hours=9)))
    headers = signer.headers("GET", "/services", None, late)
    assert headers["Date"] == "2026-08-22T16:30:00+00:00"
    assert headers == signer.headers("GET", "/services", None, late.astimezone(UTC))


def test_parameters_of_the_media_type_are_sent_but_not_signed() -> None:
    signer = Signer(ACCESS_KEY, SECRET, "https://h")
    now = datetime(2026, 8, 22, tzinfo=UTC)
    plain = signer.headers("POST", "/x", "application/json", now)
    more = signer.headers("POST", "/x", "Application/JSON; charset=utf-8", now)
    assert more["Content-Type"] == "Application/JSON; charset=utf-8"
    assert more["Authorization"] == plain["Authorization"]


def test_a_request_without_a_body_is_text() -> None:
    signer = Signer(ACCESS_KEY, SECRET, "https://h")
    assert signer.headers("GET", "/x")["Content-Type"] == "text/plain"
    date = datetime.fromisoformat(signer.headers("GET", "/x")["Date"])
    assert timedelta() <= datetime.now(UTC) - date < timedelta(minutes=1)


@pytest.mark.parametrize(
    "fields",
    [
        {"endpoint": "ftp://h"},
        {"endpoint": "https://user:pw@h"},
        {"endpoint": "https://h/?key=1"},
        {"access_key": "A\r\nX-Evil: 1"},
        {"access_key": ""},
        {"domain": "de fault"},
        {"domain": "d\n"},
        {"version": ""},
        {"secret_key": Secret("")},
    ],
    ids=str,
)
def test_what_cannot_be_signed_is_refused_at_once(fields: dict[str, Any]) -> None:
    good: dict[str, Any] = {"access_key": ACCESS_KEY, "secret_key": SECRET, "endpoint": "https://h"}
    with pytest.raises(SettingsError) as caught:
        Signer(**(good | fields))
    assert SECRET_KEY not in str(caught.value) and "pw" not in str(caught.value)


def test_nothing_shows_the_secret() -> None:
    signer = Signer(ACCESS_KEY, SECRET, "https://h")
    assert SECRET_KEY not in repr(vars(signer)) + repr(signer) + str(signer.headers("GET", "/x"))


async def sent(
    manager: Manager,
    rel_url: str = "/services",
    *,
    method: str = "GET",
    signed: dict[str, Any] | None = None,
    tampered: dict[str, str] | None = None,
    line: str | None = None,
    body: bytes = b"",
) -> tuple[int, str]:
    """Send one signed request, some headers or the request line changed after signing; status and body."""
    options: dict[str, Any] = {"endpoint": manager.url, "now": None, "content_type": None} | (signed or {})
    signer = Signer(ACCESS_KEY, SECRET, options["endpoint"])
    headers = signer.headers(method, rel_url, options["content_type"], options["now"]) | (tampered or {})
    lines = [line or f"{method} {rel_url} HTTP/1.1"] + [f"{k}: {v}" for k, v in headers.items() if v]
    head = "\r\n".join([*lines, f"Content-Length: {len(body)}"]) + "\r\n\r\n"
    pool = Pool("127.0.0.1", manager.server.port)
    try:
        exchange = await pool.send(head.encode(), body, 30)
        return exchange.status, (await exchange.read_all()).decode()
    finally:
        pool.close()


@pytest.mark.parametrize(
    "rel_url", ["/services", "/services?name=llama-3", "/services?name=a%20b&x=%C3%A9", "/services/?"]
)
def test_a_manager_takes_what_is_signed(rel_url: str) -> None:
    async def main() -> None:
        async with Manager() as manager:
            assert await sent(manager, rel_url) == (200, "[]")

    run(main())


def test_a_manager_under_a_prefix_takes_what_is_signed() -> None:
    async def main() -> None:
        async with Manager(prefix="/pre/fix") as manager:
            assert await sent(manager, "/pre/fix/services?name=x") == (200, "[]")
            assert (await sent(manager, "/services"))[0] == 404

    run(main())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"line": "GET /services?name=other HTTP/1.1"}, "signature mismatch"),
        ({"line": "GET /services/ HTTP/1.1"}, "signature mismatch"),
        ({"line": "POST /services HTTP/1.1"}, "signature mismatch"),
        ({"tampered": {"Host": "elsewhere:1"}}, "signature mismatch"),
        ({"signed": {"endpoint": "http://elsewhere"}, "tampered": {"Host": "127.0.0.1"}}, "mismatch"),
        ({"tampered": {"X-BackendAI-Version": "v8.20240915"}}, "signature mismatch"),
        ({"tampered": {"Content-Type": "application/json"}}, "signature mismatch"),
        ({"tampered": {"Content-Type": ""}}, "signature mismatch"),
        ({"tampered": {"Authorization": ""}}, "Unauthorized access"),
    ],
    ids=str,
)
def test_each_signed_part_is_held_by_the_signature(options: dict[str, Any], said: str) -> None:
    async def main() -> None:
        async with Manager() as manager:
            assert (await sent(manager))[0] == 200
            status, body = await sent(manager, **options)
            assert status == 401 and said in body

    run(main())


def test_the_date_is_signed_as_it_is_written() -> None:
    async def main() -> None:
        now = datetime.now(UTC)
        async with Manager() as manager:
            same = now.astimezone(timezone(timedelta(hours=1)))
            assert (await sent(manager, signed={"now": now}))[0] == 200
            for other in (same, now - timedelta(seconds=90)):
                tampered = {"Date": other.isoformat()}
                status, body = await sent(manager, signed={"now": now}, tampered=tampered)
                assert status == 401 and "signature mismatch" in body

    run(main())


def test_a_signature_with_another_secret_is_refused() -> None:
    async def main() -> None:
        async with Manager() as manager:
            signer = Signer(ACCESS_KEY, Secret("not it"), manager.url)
            forged = signer.headers("GET", "/services")
            status, body = await sent(manager, tampered=forged)
            assert status == 401 and "mismatch" in body

    run(main())


@pytest.mark.parametrize(("minutes", "taken"), [(-15.1, False), (-14.0, True), (14.9, True), (16.0, False)])
@pytest.mark.parametrize("refusal", [400, 401])
def test_a_quarter_of_an_hour_either_way(minutes: float, taken: bool, refusal: int) -> None:
    async def main() -> None:
        async with Manager() as manager:
            manager.date_status = refusal
            now = datetime.now(UTC) + timedelta(minutes=minutes)
            status, body = await sent(manager, signed={"now": now})
            assert (status, "Date/time sync error" in body) == ((200, False) if taken else (refusal, True))

    run(main())


def test_the_body_is_not_signed_and_parameters_of_the_type_do_not_matter() -> None:
    async def main() -> None:
        async with Manager() as manager:
            options: dict[str, Any] = {
                "method": "POST",
                "rel_url": "/services/x/token",
                "signed": {"content_type": "application/json; charset=utf-8"},
            }
            assert "No such object" in (await sent(manager, body=b"{}", **options))[1]
            assert "No such object" in (await sent(manager, body=b"another", **options))[1]

    run(main())


def test_the_default_port_is_left_out_as_clients_do() -> None:
    """httpx leaves it out of Host by itself; what is signed must be the same."""
    import httpx

    for endpoint in ("https://h:443/services", "http://h:80/services", "https://h:8443/services"):
        host = Signer(ACCESS_KEY, SECRET, endpoint).host
        assert httpx.Request("GET", endpoint).headers["host"] == host


def test_a_client_of_another_make_is_understood_by_the_stand_in() -> None:
    """httpx sends the signed headers as they are: the stand-in judges bytes, not our own client."""
    import httpx

    async def main() -> None:
        async with Manager() as manager, httpx.AsyncClient() as client:
            headers = Signer(ACCESS_KEY, SECRET, manager.url).headers("GET", "/services?name=a")
            assert (await client.get(manager.url + "/services?name=a", headers=headers)).status_code == 200
            assert (await client.get(manager.url + "/services?name=b", headers=headers)).status_code == 401
            assert isinstance(manager.server, Faults) and len(manager.server.calls) == 2

    run(main())
