"""A connection key as a person sees it in JupyterLab, and what JupyterLab saves of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit


def test_a_key_is_on_show_and_not_in_the_notebook(lab: Any) -> None:
    lab.notebook(
        "%load_ext bago_jupyter\n%bago up --port 0 --name attic\n%bago key --ttl 600",
        "import bago_jupyter\nnode = bago_jupyter.node(); _ = node.revoke_key(node.keys()[0].id)",
        "%bago key --ttl 600",
        "%bago down",
    )
    seen = lab.drive("key.mjs")
    assert "failed" not in seen, seen["failed"]
    assert seen["problems"] == []
    assert seen["key"].startswith("bago://")
    assert seen["qr"] > 100
    for part in ("Connection key of attic", "expires in 9 min", "%bago connect", "Copy key"):
        assert part in seen["text"]
    assert "Key copied" in seen["copied"]
    assert seen["again"] == seen["key"], "a reload of the page must not lose a key that is still open"
    assert "is revoked" in seen["over"] and "bago://" not in seen["over"]
    [secret] = parse_qs(urlsplit(seen["key"]).query)["s"]
    assert secret not in seen["html"]
    [late] = parse_qs(urlsplit(seen["late"]).query)["s"]
    assert "has expired" in seen["lateText"] and late not in seen["lateHtml"]
    left = [path for path in (lab.root / "work").rglob("*") if path.is_file()]
    assert "Connection key" in (lab.root / "work" / "card.ipynb").read_text()
    for path in left:
        assert secret not in path.read_text(), path
