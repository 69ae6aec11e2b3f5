"""The LiteLLM proxy, in an environment of its own: what a Python gateway usually costs."""

from __future__ import annotations

import subprocess
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .group import BenchError, Progress
from .processes import HOST, OUT, PROXY_CORE, child, free_port

INSTALL_SECONDS = 300
START_SECONDS = 90

_CONFIG = """\
model_list:
  - model_name: mock
    litellm_params: {{ model: openai/mock, api_base: "http://{host}:{upstream}/v1", api_key: bench }}
litellm_settings: {{ telemetry: false }}
general_settings: {{ dangerously_permit_weak_or_unset_master_key: true }}
"""


def environment(progress: Progress) -> tuple[Path, str]:
    """The interpreter that has LiteLLM, and its version; installed at first use.

    Raises :class:`BenchError` where it cannot be had.
    """
    place = OUT / "litellm"
    python = place / "bin" / "python"
    if not (place / "installed").exists():
        progress("installing LiteLLM into its own environment (once, about 2 minutes)")
        venv.create(place, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "litellm[proxy]"]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_SECONDS)
        except subprocess.TimeoutExpired:
            raise BenchError(f"installing it took more than {INSTALL_SECONDS} s") from None
        except subprocess.CalledProcessError as error:
            last = error.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
            raise BenchError(" ".join(["pip could not install it:", *last])) from None
        (place / "installed").touch()
    query = "import importlib.metadata as m; print(m.version('litellm'))"
    version = subprocess.run([python, "-c", query], capture_output=True, text=True, timeout=30, check=True)
    return python, version.stdout.strip()


@contextmanager
def proxy(python: Path, upstream: int) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """One worker of the proxy before ``upstream``; yields its process and port."""
    config = OUT / "litellm.yaml"
    config.write_text(_CONFIG.format(host=HOST, upstream=upstream))
    port = free_port()
    run = "import sys; from litellm.proxy.proxy_cli import run_server; run_server()"
    options = ["--config", str(config), "--host", HOST, "--port", str(port), "--num_workers", "1"]
    env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "PYTHONWARNINGS": "ignore"}
    with child(
        "litellm",
        [python, "-c", run, *options],
        core=PROXY_CORE,
        env=env,
        ready_port=port,
        timeout=START_SECONDS,
    ) as process:
        yield process, port
