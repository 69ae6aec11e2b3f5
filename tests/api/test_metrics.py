"""``/metrics``, read as Prometheus reads it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable

import httpx
import openai
import pytest
from headless import until
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from bago_jupyter.client import NodeClient
from bago_jupyter.statistics import BOUNDS

PROMETHEUS = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"
"""What Prometheus 2.42 sends."""
ODD = 'quo"te back\\slash\nnew line é 日本 {}=,#'
HI = [{"role": "user", "content": "Say hello."}]


@pytest.fixture(scope="module")
def asked(node: NodeClient) -> NodeClient:
    """The node after two answers, a stream, an embedding and two refusals."""
    with openai.OpenAI(base_url=node.base_url, api_key=node.api_key, max_retries=0) as client:
        for _ in range(2):
            client.chat.completions.create(model="smol", messages=HI, max_tokens=4)
        list(client.chat.completions.create(model="smol", messages=HI, max_tokens=8, stream=True))
        client.embeddings.create(model="smol", input="one")
        for _ in range(2):
            with pytest.raises(openai.NotFoundError):
                client.chat.completions.create(model=ODD, messages=HI)
    until(lambda: node.status().requests.in_flight == 0)
    return node


def scrape(node: NodeClient, accept: str | None = None) -> httpx.Response:
    answer = httpx.get(node.url + "/metrics", headers={"accept": accept} if accept else {})
    assert answer.status_code == 200
    return answer


def values(families: Iterable[Metric], name: str) -> dict[frozenset[tuple[str, str]], float]:
    return {
        frozenset(sample.labels.items()): sample.value
        for family in families
        for sample in family.samples
        if sample.name == name
    }


def of(**labels: str) -> frozenset[tuple[str, str]]:
    return frozenset({"model": "smol", "node": "here", "dialect": "chat", **labels}.items())


def both(node: NodeClient) -> list[list[Metric]]:
    return [
        list(openmetrics.text_string_to_metric_families(scrape(node, PROMETHEUS).text)),
        list(prometheus(scrape(node).text)),
    ]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        (PROMETHEUS, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("rubbish;;;=,,q", "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
def test_the_form_is_the_one_that_was_asked_for(asked: NodeClient, accept: str | None, kind: str) -> None:
    answer = scrape(asked, accept)
    assert answer.headers["content-type"].partition("; escaping")[0] == kind
    assert answer.text.endswith("# EOF\n") == ("openmetrics" in kind)


def test_the_counters_are_right_in_both_forms(asked: NodeClient) -> None:
    for families in both(asked):
        requests = values(families, "bago_requests_total")
        assert requests[of(outcome="ok")] == 3
        assert requests[of(outcome="failed")] == requests[of(outcome="cancelled")] == 0
        assert requests[of(dialect="embeddings", outcome="ok")] == 1
        assert requests[of(model=ODD, node="", outcome="failed")] == 2
        tokens = values(families, "bago_tokens_total")
        counts = asked.status().requests
        assert sum(tokens[key] for key in tokens if ("kind", "completion") in key) == counts.completion_tokens
        assert sum(tokens[key] for key in tokens if ("kind", "prompt") in key) == counts.prompt_tokens > 0


def test_histograms_hold_together(asked: NodeClient) -> None:
    for families in both(asked):
        for name, count in (("bago_request_seconds", 3), ("bago_time_to_first_token_seconds", 1)):
            assert values(families, f"{name}_count")[of()] == count
            buckets = values(families, f"{name}_bucket")
            mine = {
                float(dict(key)["le"]): value for key, value in buckets.items() if ("dialect", "chat") in key
            }
            assert sorted(mine) == [*BOUNDS, float("inf")]
            assert [mine[le] for le in sorted(mine)] == sorted(mine.values())
            assert mine[float("inf")] == count
            assert values(families, f"{name}_sum")[of()] > 0


def test_what_is_so_now(asked: NodeClient) -> None:
    for families in both(asked):
        health = values(families, "bago_backend_health")
        smol = {dict(key)["bago_backend_health"]: value for key, value in health.items()}
        assert smol == {"healthy": 1, "warming": 0, "unhealthy": 0, "disabled": 0, "unknown": 0}
        assert set(values(families, "bago_breaker_open").values()) == {0}
        assert set(values(families, "bago_backend_slots").values()) == {2}
        assert values(families, "bago_requests_in_flight") == {frozenset(): 0}
        assert values(families, "bago_queue_length") == {frozenset(): 0}
        ((build, one),) = values(families, "bago_build_info").items()
        assert one == 1 and dict(build)["version"] == asked.status().version
        assert values(families, "process_resident_memory_bytes")[frozenset()] > 1e6
        names = [sample.name for family in families for sample in family.samples]
        assert not any("created" in name for name in names)


def test_no_family_comes_twice(asked: NodeClient) -> None:
    for accept in (None, PROMETHEUS):
        types = [line for line in scrape(asked, accept).text.splitlines() if line.startswith("# TYPE")]
        assert len(types) == len({line.split()[2] for line in types}) > 15


def test_prometheus_own_linter_finds_nothing(asked: NodeClient) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    done = subprocess.run(
        [promtool, "check", "metrics"], input=scrape(asked).content, capture_output=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
