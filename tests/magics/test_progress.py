"""A bar as it is shown in a kernel."""

from bago_jupyter.magics.progress import bundle
from bago_jupyter.wire import Progress


def test_bytes():
    shown = bundle(Progress(stage="downloading", done=25e6, total=1e8, message="<b>"), 5.0)
    assert shown["text/plain"] == (
        "[#######.......................]  25% downloading · 25 MB of 100 MB · 5 MB/s · 15.0 s left · <b>"
    )
    assert 'value="0.2500"' in shown["text/html"]
    assert "<b>" not in shown["text/html"]


def test_no_total_and_other_units():
    assert bundle(Progress(stage="checking"), 0.1)["text/plain"] == "checking"
    assert bundle(Progress(stage="loading", done=3, total=4, unit="layers"), 0.1)["text/plain"].endswith(
        " 75% loading · 3 layers of 4 layers"
    )
    assert bundle(Progress(stage="loading", done=0.5, total=1, unit=""), 9)["text/plain"].endswith(
        "50% loading"
    )
    assert "value=" not in bundle(Progress(stage="checking"), 0.1)["text/html"]
