"""TLS between nodes: version 1.3 alone, certificates pinned, no certificate authority anywhere.

Server. :meth:`Tls.server` presents the node's certificate and asks for one. The trust anchors are exactly
the certificates of the paired peers. ``CERT_OPTIONAL`` lets a node without a certificate in (it can use
the pairing routes, nothing else), and refuses one with a certificate that is not paired, since Python
cannot be told to accept arbitrary client certificates. A client therefore shows its certificate to nodes
that it believes to be paired with, and none on first contact, where it proves its key by a
signature inside the pairing protocol instead. A refused client sees the connection end right after the
handshake (that is when TLS 1.3 verifies clients): it was probably removed there.

Client. Before pairing a server is known by its fingerprint alone. OpenSSL cannot verify that, so such a
context has ``CERT_NONE`` and a class of TLS object whose ``do_handshake`` fails unless SHA-256 of the
certificate's SubjectPublicKeyInfo is the pinned one. It runs inside the handshake, on every way to use the
context (asyncio, uvloop, blocking sockets): no byte of the application is sent before, and no caller can
forget the check. That the server has the private key is what the TLS handshake itself proves. For a paired
server the stored certificate is also the only trust anchor (``CERT_REQUIRED``); both must hold.
Names are never checked: the key is the identity, and addresses change.

Sessions are not resumed (no tickets): a removed peer must not slip in on an old session. Contexts are
made anew when the peers change, never altered. A connection that is open while its peer is removed stays
open until closed, hence requests are checked too (:meth:`~.peers.Peers.verify`) and connections are closed
by whoever holds them.
"""

from __future__ import annotations

import ssl
from typing import Any

from ..identity import Identity
from . import certificate
from .peers import Peer, Peers
from .transcript import same


class WrongPeer(ssl.SSLCertVerificationError):
    """The node at the other end is not the one that was meant (also an :class:`OSError`)."""


class Tls:
    """The TLS contexts of one node, made anew when its peers change. Belongs to the node's loop."""

    def __init__(self, identity: Identity, peers: Peers):
        self._identity = identity
        self._peers = peers
        self._server: tuple[list[str], ssl.SSLContext] | None = None
        self._clients: dict[str, tuple[str, ssl.SSLContext]] = {}

    def server(self) -> ssl.SSLContext:
        """The context for the next connection that comes in."""
        anchors = [peer.certificate for peer in self._peers]
        if self._server is None or self._server[0] != anchors:
            self._server = anchors, server_context(self._identity, anchors)
        return self._server[1]

    def client(self, peer: Peer) -> ssl.SSLContext:
        """The context for connections to paired ``peer``, with our certificate."""
        kept = self._clients.get(peer.fingerprint)
        if kept is None or kept[0] != peer.certificate:
            kept = peer.certificate, client_context(self._identity, peer.fingerprint, peer.certificate)
            self._clients[peer.fingerprint] = kept
        return kept[1]

    def stranger(self, fingerprint: str) -> ssl.SSLContext:
        """The context for first contact with the node called ``fingerprint``, without our certificate."""
        return client_context(None, fingerprint)


def server_context(identity: Identity, certificates: list[str]) -> ssl.SSLContext:
    """A server's context that admits clients without a certificate or with one of ``certificates`` (PEM)."""
    context = _context(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.path)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.num_tickets = 0
    if certificates:
        context.load_verify_locations(cadata="\n".join(certificates))
    return context


def client_context(
    identity: Identity | None, fingerprint: str, certificate_pem: str | None = None
) -> ssl.SSLContext:
    """A client's context that talks to the node called ``fingerprint`` and to no other.

    ``certificate_pem`` is the node's certificate where it is known, ``identity`` ours where it is to be
    shown.
    A handshake with anybody else raises :class:`ssl.SSLCertVerificationError`.
    """
    context = _context(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if certificate_pem is None:
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(cadata=certificate_pem)
    if identity is not None:
        context.load_cert_chain(identity.path)
    context.sslobject_class = type("PinnedObject", (_PinnedObject,), {"fingerprint": fingerprint})
    context.sslsocket_class = type("PinnedSocket", (_PinnedSocket,), {"fingerprint": fingerprint})
    return context


def peer_fingerprint(tls: ssl.SSLObject | ssl.SSLSocket | None) -> str | None:
    """The fingerprint that the other end proved; ``None`` without TLS or without a certificate."""
    der = tls.getpeercert(binary_form=True) if tls is not None else None
    return certificate.fingerprint_of(der) if der else None


def check_peer(tls: Any, fingerprint: str) -> None:
    """Raise :class:`WrongPeer` unless the other end proved ``fingerprint``."""
    found = peer_fingerprint(tls)
    if found is None or not same(found.encode(), fingerprint.encode()):
        raise WrongPeer(f"the node there is {(found or 'fp_nobody')[3:11]}, not {fingerprint[3:11]}")


class _PinnedObject(ssl.SSLObject):
    fingerprint: str

    def do_handshake(self) -> None:
        super().do_handshake()
        check_peer(self, self.fingerprint)


class _PinnedSocket(ssl.SSLSocket):
    fingerprint: str

    def do_handshake(self, block: bool = False) -> None:
        super().do_handshake(block)
        check_peer(self, self.fingerprint)


def _context(protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    context.options |= ssl.OP_NO_COMPRESSION
    return context
