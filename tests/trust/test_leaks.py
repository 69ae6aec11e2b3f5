"""Nothing secret shows itself: not in a log, a repr, a message or a file."""

from __future__ import annotations

import logging

import pytest

from bago_jupyter.errors import BagoError
from bago_jupyter.trust.approval import Approvals
from bago_jupyter.trust.asking import Asking
from bago_jupyter.trust.connection_key import ConnectionKey
from bago_jupyter.trust.issued import IssuedKeys
from bago_jupyter.trust.joining import TeamJoin, TeamResponder
from bago_jupyter.trust.messages import KeyAnswer, KeyRequest
from bago_jupyter.trust.pairing import KeyPairing, KeyResponder
from bago_jupyter.trust.secret import Secret
from bago_jupyter.trust.team import TeamKey

PHRASE = "correct horse battery"


def test_nothing_secret_shows(party, run, wire, caplog, tmp_path):
    """Every way to pair, successes and failures, at level DEBUG; then logs, reprs and files are searched."""
    caplog.set_level(logging.DEBUG)
    a, b, c, d = (party(n) for n in "abcd")
    shown: list[object] = []
    secrets: set[str] = {PHRASE}

    issued = IssuedKeys(b.home, b.fingerprint)
    key = issued.issue("b", ["127.0.0.1:1"])
    secrets.add(key.secret.reveal())
    by_key = KeyResponder(b.identity, issued, b.peers, b.card)

    async def go():
        async with b.serve({KeyRequest: lambda m: by_key.answer(m, "127.0.0.1")}) as port:
            for who in (a, c):  # c comes too late
                pairing = KeyPairing(who.identity, key, who.card())
                shown.extend([pairing, pairing.request])
                secrets.add(pairing.request.token)
                try:
                    answer = await wire(port, who.tls.stranger(b.fingerprint), pairing.request, KeyAnswer)
                    shown.extend([answer, pairing.finish(answer, who.peers)])
                except BagoError as error:
                    shown.append(error)

    run(go())

    approvals = Approvals(b.identity, b.peers, b.card)
    asking = Asking(c.identity, b.fingerprint, c.card())
    reveal = asking.answered(approvals.ask(asking.ask, "127.0.0.1"))
    approvals.reveal(reveal)
    approvals.approve(reveal.id)
    confirm = asking.confirm()
    done = approvals.confirm(confirm)
    asking.finish(done, c.peers)
    shown += [asking, asking.ask, reveal, confirm, done, approvals, *approvals._pending.values()]
    secrets |= {confirm.token, done.token}

    team = TeamKey(Secret(PHRASE))
    by_team = TeamResponder(b.identity, team, b.peers, b.card)
    for own_key in (TeamKey(Secret(PHRASE + "!")), team):
        own = TeamJoin(d.identity, own_key, b.fingerprint, d.card())
        proof = own.proof(by_team.hello(own.hello, "127.0.0.1"))
        shown += [own, own_key, proof, by_team, *by_team._runs.values()]
        try:
            own.finish(by_team.proof(proof), d.peers)
        except BagoError as error:
            shown.append(error)

    with pytest.raises(BagoError) as caught:
        ConnectionKey.parse(str(key)[:-3])
    shown += [caught.value, key, issued, *issued.listed()]
    tokens = set()
    for node in (a, b, c, d):
        assert len(node.peers) == (3 if node is b else 1)
        shown += [node.identity, node.peers, node.tls, *node.peers]
        tokens |= {peer.token.reveal() for peer in node.peers}
    private = [
        line
        for node in (a, b, c, d)
        for line in node.identity.pem.decode().splitlines()[12:-1]
        if len(line) > 20
    ]
    assert private

    everything = (
        caplog.text + "".join(f"{thing!r} {thing} " for thing in shown if thing is not key) + repr(key)
    )
    for secret in [*secrets, *tokens, *private]:
        assert secret not in everything
    assert any("Paired with" in record.message for record in caplog.records)

    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert path.stat().st_mode & 0o077 == 0, path
            text = path.read_text("utf-8")
            assert PHRASE not in text and key.secret.reveal() not in text
            if path.name != "peers.json":  # which holds the tokens that its node presents
                assert not [token for token in tokens if token in text]
