"""The last decisions: what is kept of each, and what it is told from."""

from __future__ import annotations

from bago_jupyter.backends import Request
from bago_jupyter.backends.record import Record
from bago_jupyter.backends.records import FEW, MODELS, Records
from bago_jupyter.router import Affinity, Breakers, Inputs, Load, Offer, Shape, Table, plan, survey

TABLE = Table(
    Offer(backend=f"b{number:03}", node=f"n{number:03}", model=model, tasks=frozenset({"generate"}))
    for number in range(100)
    for model in ("m", "other")
)


class Asking:
    """Requests that are decided and recorded one after another."""

    def __init__(self) -> None:
        self.records = Records()
        self.loads: dict[tuple[str, str], Load] = {}
        self._count = 0

    def ask(self, model: str = "m", table: Table = TABLE) -> Inputs:
        """Decide one request, and give what is kept of it."""
        self._count += 1
        id, shape = f"r{self._count}", Shape(model=model)
        rows = survey(
            table,
            shape,
            loads=self.loads,
            breakers=Breakers(),
            affinity=Affinity(),
            latencies={},
            now=0.0,
        )
        record = self.records.kept[id] = Record(Request(id=id, path=b"", body=b""), shape)
        inputs = Inputs(shape, rows, turn=self._count)
        self.records.shared(record, inputs, plan(inputs))
        return self.records.inputs(id)


def test_records_share_the_rows_that_did_not_change() -> None:
    asking = Asking()
    first = asking.ask()
    asking.loads["b007", "m"] = Load(in_flight=1, work=256)
    asking.ask("other")
    second = asking.ask()
    assert len(first.rows) == 100 > FEW
    changed = [at for at, (a, b) in enumerate(zip(first.rows, second.rows, strict=True)) if a is not b]
    assert [second.rows[at].offer.backend for at in changed] == ["b007"]
    assert second.rows[changed[0]].in_flight == 1


def test_a_catalogue_that_changed_is_in_the_next_record() -> None:
    asking = Asking()
    asking.ask()
    fewer = asking.ask(table=Table(offer for offer in TABLE.offers if offer.backend != "b007"))
    assert [row.offer.backend for row in fewer.rows] == [f"b{n:03}" for n in range(100) if n != 7]
    moved = Table(
        Offer(backend=f"c{n:03}", node=f"n{n:03}", model="m", tasks=frozenset({"generate"}))
        for n in range(99)
    )
    assert [row.offer.backend for row in asking.ask(table=moved).rows] == [f"c{n:03}" for n in range(99)]


def test_every_record_decides_the_same_again() -> None:
    asking = Asking()
    for number in range(30):
        asking.loads[f"b{number:03}", "m"] = Load(in_flight=number % 2, work=number, speed=10.0 + number)
        asking.ask()
    told = asking.records.latest(30)
    assert [decision.replayed for decision in told] == [True] * 30
    assert all(len(decision.candidates) == 100 for decision in told)


def test_a_plan_that_comes_out_otherwise_is_told(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    asking = Asking()
    asking.ask()
    assert asking.records.get("r1").replayed is True
    other = plan(Inputs(Shape(model="m"), asking.records.inputs("r1").rows[::-1]))
    monkeypatch.setattr("bago_jupyter.backends.records.plan", lambda inputs: other)
    assert asking.records.get("r1").replayed is False


def test_what_is_told_is_not_kept() -> None:
    asking = Asking()
    asking.ask()
    assert len(asking.records.latest()[0].candidates) == 100
    assert asking.records.latest()[0].candidates is not asking.records.latest()[0].candidates
    assert isinstance(asking.records.kept["r1"].plan, int)


def test_models_that_nobody_asks_for_any_more_are_forgotten() -> None:
    asking = Asking()
    table = Table(
        Offer(backend=f"b{number}", node="n", model=f"m{model}", tasks=frozenset({"generate"}))
        for number in range(FEW + 1)
        for model in range(MODELS + 10)
    )
    for model in range(MODELS + 10):
        asking.ask(f"m{model}", table)
    assert 0 < len(asking.records._rows) <= MODELS
