"""A chat as a person has it in JupyterLab, with a real model and with one that means harm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from badmodel import LONG, NAMES, BadModel
from headless import Headless

SAID = ("Say goodbye", "You are brief", "hostile, please")
OWN = "attic <i>1</i>"


def test_the_playground_in_jupyterlab(lab: Any, starter_gguf: Path, tmp_path: Path) -> None:
    release = tmp_path / "release"
    there = Headless(tmp_path / "there", "there", starter_gguf)
    try:
        with BadModel() as bad:
            there.client.load("smol")
            lab.notebook(
                "from bago_jupyter import launch\nfrom bago_jupyter.widgets import Playground\n"
                f"node = launch.up(port=0, name={OWN!r})\n"
                f"_ = node.connect({there.client.make_key().text!r})\n"
                f"_ = node.add_connection('cloud', url={bad.url!r}, force=True)\n"
                "Playground(node)",
                f"import os, time\nwhile not os.path.exists({str(release)!r}): time.sleep(0.05)",
                "launch.down()",
            )
            file = lab.root / "work" / "card.ipynb"
            seen = lab.drive("playground.mjs", release=str(release), file=str(file))
            left = bad.left.is_set()
            bodies = list(bad.asked)
    finally:
        there.close()
    assert "failed" not in seen, seen["failed"]
    assert seen["problems"] == []
    assert (seen["faults"], seen["streamingFaults"], seen["darkFaults"]) == ([], [], [])
    chosen(seen)
    real(seen)
    hostile(seen, bodies)
    assert "Thoughts" in seen["thought"] and "Two and <b>two</b>." in seen["thought"]
    for part in ("No <b>today</b>.", "Try again", "policy", "ok 400"):
        assert part in seen["refused"], part
    assert "*" in seen["promptWhileServed"] and seen["second"] > seen["first"] >= 20
    assert "stopped" in seen["stopped"] and left, "Stop must reach the server"
    assert seen["before"] >= 8 and seen["chosen"] == "cloud/plain"
    assert "%bago up" in seen["down"]
    recorded(seen)
    saved = file.read_text()
    assert "Playground of" in saved
    for private in (*SAID, "Two and"):
        assert private not in saved


def recorded(seen: Any) -> None:
    """What the switch saves is in the file, as an output, and harmless; the live view hides it."""
    assert seen["hidden"]
    (cell, *_) = json.loads(seen["saved"])["cells"]
    assert len(cell["outputs"]) == 2 and "widgets" not in json.loads(seen["saved"])["metadata"]
    stored = "".join(cell["outputs"][0]["data"]["text/plain"])
    for said in SAID:
        assert said in stored and said in seen["record"]
    assert "<script>window.pwned = 1" in seen["record"] and set(seen["recordTags"]) == {"p", "pre"}


def chosen(seen: Any) -> None:
    groups = dict(seen["groups"])
    assert list(groups) == ["Best node", "there", "cloud"]
    assert groups["there"] == ["smol on there · loaded"]
    _, markup = NAMES
    assert groups["cloud"] == [f"{markup} on cloud", "plain on cloud"]


def real(seen: Any) -> None:
    assert seen["kept"] == "Say hello.", "what was typed must outlive a refusal"
    assert seen["focus"]
    for part in ("there/smol", "on there", "first token in", "tokens/s", "tokens", "Why there?"):
        assert part in seen["real"]
    for part in ("policy", "there", "smol", "ok 200", "slots"):
        assert part in seen["why"]
    assert seen["copied"] and seen["copied"].split()[0] in seen["real"]
    assert seen["turns"] == 2


def hostile(seen: Any, bodies: list[dict[str, Any]]) -> None:
    said = "".join(seen["hostile"].split())
    for line in ('<script>window.pwned = 1; fetch("http://script.example/")</script>', "<b>bold</b>", LONG):
        assert "".join(line.split()) in said
    assert 'onerror="window.pwned=2"' in said and "[script](javascript:window.pwned=4)" in said
    allowed = {"p", "a", "span", "strong", "code", "pre", "div", "button"}
    allowed |= {"table", "thead", "tbody", "tr", "th", "td"}
    assert set(seen["tags"]) <= allowed
    assert seen["handlers"] == [] and seen["pwned"] is None and seen["elsewhere"] == []
    links = {text: (url, armed, rel, target) for text, url, armed, rel, target in seen["links"]}
    assert "image: picture" in links and "script" not in links and "data" not in links
    assert links["good"][:2] == ("http://link.example/page", False)
    assert all("noopener" in rel and target == "_blank" for _, _, rel, target in links.values())
    assert not any(armed for _, armed, _, _ in links.values())
    assert "(thief.example)" in seen["hostile"], "a link must say where it leads"
    assert seen["armed"] == "http://link.example/page"
    assert seen["code"] == "<script>window.pwned = 6</script>"
    last = [body for body in bodies if body["messages"][-1]["content"] == "hostile, please"][-1]
    assert [message["role"] for message in last["messages"]] == ["system", "user", "assistant", "user"]
    assert last["temperature"] == 0 and "max_tokens" not in last
    assert "\ufffdturned\ufffd and \u05e9" in seen["hostile"]
