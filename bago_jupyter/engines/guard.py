"""A child's promise to end with its parent, whatever the child is doing then."""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading

_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """End this process, at once and uncleaned, when the other end of its stdin is closed.

    The kernel does it (SIGIO, whose default is to terminate), since a C call that keeps the
    interpreter's lock, such as the load of a model, would hold up any thread or handler of Python.
    On Linux the parent's death counts too: a process forked from the parent could keep the pipe open.
    Nothing may be written to the pipe afterwards.
    """
    if sys.platform == "win32":
        threading.Thread(target=_wait, daemon=True).start()
        return
    import fcntl
    import select

    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGIO})
    fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)
    # it may have been closed before the signal was asked for
    if select.select([0], [], [], 0)[0]:
        os._exit(0)


def _wait() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    # python -m bago_jupyter.engines.guard MODULE ARGUMENTS: run a module under the promise
    end_with_parent()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
