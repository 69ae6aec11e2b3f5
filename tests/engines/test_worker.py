from __future__ import annotations

import asyncio
import threading

import pytest
from engines.making import until

from bago_jupyter.engines.worker import Worker


def test_results_errors_and_order() -> None:
    async def run() -> None:
        worker = Worker("bago-test")
        seen: list[int] = []
        await asyncio.gather(*[worker.call(seen.append, i) for i in range(50)])
        assert seen == list(range(50))
        with pytest.raises(ZeroDivisionError):
            await worker.call(lambda: 1 / 0)
        worker.close()

    asyncio.run(run())


def test_the_thread_is_a_daemon_and_ends() -> None:
    async def run() -> None:
        worker = Worker("bago-test-end", niceness=5)
        thread = await worker.call(threading.current_thread)
        assert thread.daemon and thread is not threading.current_thread()
        worker.close()
        await until(lambda: not thread.is_alive())

    asyncio.run(run())


def test_a_cancelled_caller_leaves_the_work_alone() -> None:
    async def run() -> None:
        worker = Worker("bago-test")
        go, done = threading.Event(), threading.Event()
        task = asyncio.create_task(worker.call(lambda: go.wait(60) and done.set()))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        go.set()
        await until(done.is_set)
        worker.close()

    asyncio.run(run())
