"""Loading and unloading the extension, and what it costs."""

import subprocess
import sys

LOOK = "'bago' in get_ipython().magics_manager.magics['{}']"


def test_twice_in_and_out_again(kernel):
    kernel.must("%reload_ext bago_jupyter")
    kernel.must("from bago_jupyter import magics; magics.load(get_ipython())")
    assert (
        kernel.value("sum(m.__name__ == 'bago_matcher' for m in get_ipython().Completer.custom_matchers)")
        == 1
    )
    assert kernel.value(LOOK.format("line")) is True
    kernel.must("%unload_ext bago_jupyter")
    kernel.must("magics.unload(get_ipython())")
    assert kernel.value(LOOK.format("line")) is False
    assert kernel.value(LOOK.format("cell")) is False
    assert kernel.value("[m.__name__ for m in get_ipython().Completer.custom_matchers]") == []
    kernel.must("%load_ext bago_jupyter")
    assert kernel.must("%bago help").text.startswith("%bago VERB")


def test_nothing_slow_is_imported():
    code = (
        "import sys, IPython.core.completer, IPython.core.interactiveshell; before = set(sys.modules); "
        "from bago_jupyter.magics import complete, magic, session; "
        "print(*sorted(name.partition('.')[0] for name in set(sys.modules) - before))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.split())
    assert "bago_jupyter" in loaded
    assert not loaded & {
        "httpx",
        "anywidget",
        "ipywidgets",
        "msgspec",
        "httptools",
        "starlette",
        "tqdm",
        "numpy",
    }
