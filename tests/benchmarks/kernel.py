"""A real ipykernel, as JupyterLab starts one."""

from __future__ import annotations

import ast
import os
import queue
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psutil
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from .group import BenchError
from .processes import OUT, ROOT, pinned

START_SECONDS = 60


class Kernel:
    """A running kernel and its client."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient, pid: int):
        self.manager = manager
        self.client = client
        self.pid = pid

    def run(self, code: str, value: str = "None", timeout: float = 60) -> Any:
        """Execute ``code`` and return what the expression ``value`` (a Python literal) is after it.

        Raises :class:`BenchError` with the cell's own error.
        """
        return self.result(self.begin(code, value), timeout)

    def begin(self, code: str, value: str = "None") -> str:
        """Start a cell without waiting for it."""
        identity: str = self.client.execute(
            code, user_expressions={"value": f"repr({value})"}, store_history=False
        )
        return identity

    def await_start(self, identity: str, timeout: float = 10) -> None:
        """Return once the cell of :meth:`begin` runs."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                message = self.client.get_iopub_msg(timeout=1)
            except queue.Empty:
                continue
            if message["parent_header"].get("msg_id") == identity and message["msg_type"] == "execute_input":
                return
        raise BenchError(f"a cell did not begin within {timeout:.0f} s")

    def result(self, identity: str, timeout: float = 60) -> Any:
        """Wait for the cell of :meth:`begin`."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                reply = self.client.get_shell_msg(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise BenchError(f"a cell did not end within {timeout:.0f} s") from None
            if reply["parent_header"].get("msg_id") == identity:
                break
        content = reply["content"]
        if content["status"] != "ok":
            raise BenchError(f"a cell failed: {content.get('ename')}: {content.get('evalue')}")
        shown = content["user_expressions"]["value"]
        if shown["status"] != "ok":
            raise BenchError(f"a cell failed: {shown.get('ename')}: {shown.get('evalue')}")
        return ast.literal_eval(ast.literal_eval(shown["data"]["text/plain"]))

    def interrupt(self) -> None:
        """What the stop button does."""
        self.manager.interrupt_kernel()

    def shutdown(self) -> float:
        """Ask the kernel to end; returns the seconds until its process was gone."""
        process = psutil.Process(self.pid)
        started = time.perf_counter()
        self.client.shutdown()
        try:
            process.wait(20)
        except psutil.TimeoutExpired:
            raise BenchError("the kernel did not end within 20 s") from None
        return time.perf_counter() - started


@contextmanager
def kernel(*, core: int | None = None, env: Mapping[str, str] | None = None) -> Iterator[Kernel]:
    """A fresh kernel in the project's directory, ended with the block."""
    manager = KernelManager(kernel_name="python3")
    environment = {**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1", "IPYTHONDIR": "", **(env or {})}
    environment = {name: text for name, text in environment.items() if text}
    OUT.mkdir(exist_ok=True)
    with pinned(core), (OUT / "kernel.log").open("wb") as log:
        manager.start_kernel(cwd=str(ROOT), env=environment, stdout=log, stderr=log)
    client = manager.client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=START_SECONDS)
        pid: int = getattr(manager.provisioner, "pid")  # noqa: B009
        yield Kernel(manager, client, pid)
    except RuntimeError as error:
        raise BenchError(f"no kernel: {error}") from None
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
