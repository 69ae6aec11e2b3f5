"""The LiteLLM proxy, in an environment of its own: what a Python gateway usually costs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .processes import HOST, OUT, PROXY_CORE, child, free_port

NAME = "litellm"
REQUIREMENT = "litellm[proxy]"
START_SECONDS = 90

_CONFIG = """\
model_list:
  - model_name: mock
    litellm_params: {{ model: openai/mock, api_base: "http://{host}:{upstream}/v1", api_key: bench }}
litellm_settings: {{ telemetry: false }}
general_settings: {{ dangerously_permit_weak_or_unset_master_key: true }}
"""


@contextmanager
def proxy(programs: Path, upstream: int) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """One worker of the proxy before ``upstream``; yields its process and port."""
    config = OUT / "litellm.yaml"
    config.write_text(_CONFIG.format(host=HOST, upstream=upstream))
    port = free_port()
    run = "import sys; from litellm.proxy.proxy_cli import run_server; run_server()"
    options = ["--config", str(config), "--host", HOST, "--port", str(port), "--num_workers", "1"]
    env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "PYTHONWARNINGS": "ignore"}
    with child(
        "litellm",
        [programs / "python", "-c", run, *options],
        core=PROXY_CORE,
        env=env,
        ready_port=port,
        timeout=START_SECONDS,
    ) as process:
        yield process, port
