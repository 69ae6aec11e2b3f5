"""Routes as they are kept."""

from __future__ import annotations

import pytest
from aside import set_aside

from bago_jupyter.backends.routes import FILE, LIMIT, MAX_NAME, MOST, Routes
from bago_jupyter.errors import InvalidRequest, NotFound, Overloaded
from bago_jupyter.router import Offer, Table
from bago_jupyter.state import Home


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


@pytest.fixture
def routes(home):
    return Routes(home)


def test_routes_are_kept_replaced_and_removed(home, routes):
    assert routes.all() == {}
    routes.set("code", ["beta/codellama", "phi-3"])
    routes.set("phi-3", ["phi-3", "mini"])
    before = routes.all()
    routes.set("code", ["codellama"])
    assert before["code"] == ("beta/codellama", "phi-3")  # what was given out does not change
    assert Routes(home).all() == {"code": ("codellama",), "phi-3": ("phi-3", "mini")}
    routes.remove("phi-3")
    assert Routes(home).all() == {"code": ("codellama",)}
    with pytest.raises(NotFound, match="There are: code"):
        routes.remove("phi-3")


@pytest.mark.parametrize(
    ("name", "targets", "said"),
    [
        ("", ["a"], "printable"),
        ("code", [], "needs a model"),
        ("code", [""], "printable"),
        ("code", ["a\nb"], "printable"),
        ("code", [" a"], "printable"),
        ("x" * (MAX_NAME + 1), ["a"], "printable"),
        ("code", ["a", "b", "a"], "names a twice"),
        ("code", ["code"], "itself only"),
        ("code", [str(number) for number in range(MOST + 1)], f"at most {MOST}"),
    ],
)
def test_what_is_no_route_is_refused(home, routes, name, targets, said):
    with pytest.raises(InvalidRequest, match=said):
        routes.set(name, targets)
    assert routes.all() == {}
    assert not (home.root / FILE).exists()


def test_the_bounds_are_allowed(home, routes):
    routes.set("x" * MAX_NAME, [str(number) for number in range(MOST)])
    routes.set("ein Name", ["Ada's laptop/phi-3"])
    assert len(Routes(home).all()) == 2


def test_there_is_a_limit(routes):
    routes._routes = {f"r{number}": ("m",) for number in range(LIMIT)}
    with pytest.raises(Overloaded):
        routes.set("one-more", ["m"])
    routes.set("r0", ["other"])


def test_a_relayed_request_means_the_model_that_its_node_chose():
    offers = [
        Offer(backend=name, node=name, model=model, tasks=frozenset({"generate"}))
        for name, model in (("here", "mini"), ("here", "phi-3"))
    ]
    table = Table(offers, {"code": ("phi-3",), "phi-3": ("gone", "mini")})
    assert [offer.model for _, offer in table.find("phi-3")] == ["mini"]
    assert [offer.model for _, offer in table.find("phi-3", relayed=True)] == ["phi-3"]
    assert table.find("code") and not table.find("code", relayed=True)


@pytest.mark.parametrize("data", [b"{", b'{"code": "phi-3"}', b'{"code": []}', b'{"code": ["code"]}'])
def test_a_damaged_file_is_set_aside(home, data):
    home.write(FILE, data)
    with set_aside(home, FILE):
        assert Routes(home).all() == {}
    assert Routes(home).all() == {}
