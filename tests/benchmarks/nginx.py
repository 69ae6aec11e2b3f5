"""nginx twice: as the server that costs nothing, and as the limit of what a proxy can do."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .group import BenchError
from .machine import find_tool
from .mock import COMPLETION, MODELS
from .processes import HOST, MOCK_CORE, OUT, PROXY_CORE, child, free_port

_CONFIG = """\
daemon off; master_process off; pid {out}/{name}.pid; error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
  access_log off; tcp_nodelay on; keepalive_requests 1000000000; keepalive_timeout 600s;
  client_body_temp_path {out}/{name}.body; proxy_temp_path {out}/{name}.proxy; client_max_body_size 64m;
  fastcgi_temp_path {out}/{name}.f; uwsgi_temp_path {out}/{name}.u; scgi_temp_path {out}/{name}.s;
  default_type application/json;
  {content}
}}
"""

_STATIC = """\
server {{ listen {host}:{port} backlog=1024;
    location = /v1/models {{ return 200 '{models}'; }}
    location / {{ return 200 '{completion}'; }} }}
"""

_PROXY = """\
upstream backend {{ server {host}:{upstream}; keepalive 512; keepalive_requests 1000000000; }}
  server {{ listen {host}:{port} backlog=1024;
    location / {{ proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_request_buffering off; }} }}
"""


@contextmanager
def static() -> Iterator[int]:
    """A mock that answers every chat completion from a constant; yields its port."""
    content = _STATIC.format(host=HOST, port="{port}", models=MODELS, completion=COMPLETION)
    with _nginx("nginx-mock", content, MOCK_CORE) as (_, port):
        yield port


@contextmanager
def proxy(upstream: int) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A reverse proxy before ``upstream``; yields its process and port."""
    content = _PROXY.format(host=HOST, port="{port}", upstream=upstream)
    with _nginx("nginx-proxy", content, PROXY_CORE) as running:
        yield running


@contextmanager
def _nginx(name: str, content: str, core: int) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    program = find_tool("nginx")
    if program is None:
        raise BenchError("nginx is not installed; on Debian: apt-get install nginx-light")
    OUT.mkdir(exist_ok=True)
    port = free_port()
    config = OUT / f"{name}.conf"
    config.write_text(_CONFIG.format(out=OUT, name=name, content=content.replace("{port}", str(port))))
    command: list[str | Path] = [program, "-p", OUT, "-c", config, "-e", "stderr"]
    with child(name, command, core=core, ready_port=port) as process:
        yield process, port
