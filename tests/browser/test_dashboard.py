"""The dashboard as a person sees it in JupyterLab: two nodes, a server that is away, an hour of requests."""

from __future__ import annotations

import math
import random
import time
from pathlib import Path
from typing import Any

from bago_jupyter.statistics.collector import Collector
from bago_jupyter.statistics.store import Store
from bago_jupyter.wire import Attempt, Decision

NAME = "desk <i>1</i>"
HOSTILE = "<img src=x onerror=alert(1)>"
OTHER = """
import os, subprocess, sys
from pathlib import Path
from bago_jupyter.client import NodeClient
from bago_jupyter.state import Home
from bago_jupyter.wire import NodeFile
home = Path(os.environ['BAGO_HOME']).with_name('attic')
(home / 'models').mkdir(parents=True)
(home / 'models' / 'smol.gguf').symlink_to({model!r})
command = [sys.executable, '-m', 'bago_jupyter', 'serve', '--until-eof', '--name', 'attic', '--port', '0']
other = subprocess.Popen(command, stdin=-1, stdout=-1, env={{**os.environ, 'BAGO_HOME': str(home)}})
other.stdout.readline()
node.connect(NodeClient(Home(home).read_node()).make_key().text)
"""


def past(path: Path, seconds: int = 50 * 60) -> None:
    """An hour of requests in the statistics, as the node itself would have counted them."""
    store, chance, now = Store(path), random.Random(7), time.time()
    collector = Collector()
    for at in range(int(now) - seconds, int(now) - 120, 11):
        wave = 1.2 + math.sin((now - at) / 400)
        failed = chance.random() < 0.08
        took = 0.4 + wave * chance.random()
        decision = Decision(
            id="x", at=at, model="smol", dialect="chat", stream=True, caller="me", policy="balanced"
        )
        decision.attempts = [
            Attempt(
                backend="local",
                node=chance.choice([NAME, "attic"]),
                model=chance.choice(["smol", HOSTILE]),
                started=0.0,
                first_byte=0.1,
                ended=took,
                status=500 if failed else 200,
                outcome="ok",
            )
        ]
        decision.prompt_tokens, decision.completion_tokens = 20, int(40 * took)
        decision.seconds, decision.status = took, 500 if failed else 200
        decision.outcome, decision.verdict = "ok", "failed" if failed else "ok"
        collector.record(decision)
    path.parent.mkdir(parents=True, exist_ok=True)
    store.write(collector.take())
    store.close()


def test_the_dashboard_in_jupyterlab(lab: Any, starter_gguf: Path, tmp_path: Path) -> None:
    release = tmp_path / "release"
    past(lab.root / "home" / "stats.db")
    say = (
        "with node.chat([{'role': 'user', 'content': 'x'}], model='smol', max_tokens=2) as (_, pieces): "
        "list(pieces)"
    )
    lab.notebook(
        "%load_ext bago_jupyter\nimport bago_jupyter as bago\n"
        f"node = bago.up(port=0, name={NAME!r})\n"
        f"node.pull({str(starter_gguf)!r}, name='smol')\nnode.load('smol', context_length=512)\n"
        + OTHER.format(model=str(starter_gguf))
        + f"node.add_connection('away', url='http://127.0.0.1:9/v1', force=True)\n{say}\n%bago ui dashboard",
        f"import time\n{say}\nwhile not os.path.exists({str(release)!r}): time.sleep(0.05)",
        "bago.down()",
    )
    seen = lab.drive("dashboard.mjs", release=str(release))
    assert "failed" not in seen, seen["failed"]
    assert seen["problems"] == []
    light, dark = seen["light"], seen["dark"]
    for shown in (light, dark):
        assert shown["violations"] == []
        for part in (NAME, "attic", "away", "smol", HOSTILE, "ready", "Latency"):
            assert part in shown["text"], part
        assert "<i>" not in shown["html"] and "<img" not in shown["html"]

    assert "available" in light["text"]

    meters = dict(seen["meters"])
    for name in (NAME, "attic"):
        assert " % of " in meters[f"CPU of {name}"]
        assert " GiB of " in meters[f"Memory of {name}"]

    hour, day = seen["hour"], seen["day"]
    assert hour["pictures"][0].startswith("Latency, last hour. p50 between ")
    assert all(line.count("L") > 10 for line in hour["lines"][:3])
    assert seen["chosen"] == "24 h" and day["pictures"][0].startswith("Latency, last 24 hours.")
    assert seen["quarter"]["chosen"] == "15 min"
    assert seen["next"] == "As a table"
    assert seen["table"][0] == ["Time", "p50", "p95"] and len(seen["table"]) == 16
    assert any(row[1].endswith("s") for row in seen["table"][1:])
    assert "p50 " in seen["pointed"] and ":" in seen["pointed"]

    assert int(seen["after"]) == int(seen["before"]) + 1
    assert "*" in seen["promptMeanwhile"], "the page followed only after the cell"
    assert "%bago up" in seen["down"]
