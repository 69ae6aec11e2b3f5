"""``%%bago chat`` with the answers that servers give, however odd: shown as text, or one line of error."""

from __future__ import annotations

from shapes.server import ShapeServer
from shapes.table import TABLE


def test_every_answer_is_shown_and_what_is_none_is_one_line(kernel):
    kernel.must("%bago up --name testnode")
    with ShapeServer(TABLE) as server:
        kernel.node().add_connection("up", type="openai", url=server.url)
        for name, shape in TABLE.items():
            ran = kernel.run(f"%%bago chat -m {name} --no-history --to x\nhi")
            shown = [it["data"] for it in ran.outputs if "text/markdown" in it.get("data", {})]
            assert "".join(data["text/plain"] for data in shown) == shape.text, name
            if shape.answers:
                assert ran.ok and not ran.error, (name, ran.error)
                assert kernel.value("x") == shape.text, name
                assert f"{name} · " in ran.text, name
            else:
                assert ran.error.startswith("bago:") and "\n" not in ran.error, (name, ran.error)
                assert (shape.fails or "") in ran.error or "gzip" in name
