"""The LiteLLM proxy before an OpenAI server."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .environments import environment
from .running import answers, process

KEY = "sk-of-the-proxy"
_CONFIG = """\
model_list:
  - model_name: chats
    litellm_params: {{ model: openai/m, api_base: "{url}/v1", api_key: upstream }}
  - model_name: gone
    litellm_params: {{ model: openai/m, api_base: "http://127.0.0.1:1/v1", api_key: upstream }}
litellm_settings: {{ telemetry: false, num_retries: 0 }}
general_settings: {{ master_key: {key} }}
"""
_RUN = "from litellm.proxy.proxy_cli import run_server; run_server()"


@contextmanager
def server(folder: Path, port: int, upstream: str) -> Iterator[subprocess.Popen[bytes]]:
    """Runs at ``port`` before ``upstream``, and one model more whose server is not there."""
    python = environment("litellm", "litellm[proxy]")
    config = folder / "litellm.yaml"
    config.write_text(_CONFIG.format(url=upstream, key=KEY))
    command = [python, "-c", _RUN, "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "PYTHONWARNINGS": "ignore"}
    url = f"http://127.0.0.1:{port}/health/liveliness"
    with process(command, folder / "litellm.log", lambda: answers(url), seconds=180, env=env) as child:
        yield child
