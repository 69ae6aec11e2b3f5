"""An attacker: announcements that are hostile, malformed or simply too many."""

from __future__ import annotations

import json
import random
import socket
import struct
import sys

GROUP = ("224.0.0.251", 5353)
SERVICE = b"\x05_bago\x04_tcp\x05local\x00"


def name(label: bytes) -> bytes:
    return bytes([len(label)]) + label + SERVICE


def answer(owner: bytes, kind: int, data: bytes, ttl: int = 4500) -> bytes:
    return owner + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


def packet(label: bytes, text: bytes, address: str, ttl: int = 4500) -> bytes:
    host = b"\x04evil\x05local\x00"
    answers = [
        answer(SERVICE, 12, name(label), ttl),
        answer(name(label), 33, struct.pack("!HHH", 0, 0, 666) + host, ttl),
        answer(name(label), 16, text, ttl),
        answer(host, 1, socket.inet_aton(address), ttl),
    ]
    return struct.pack("!HHHHHH", 0, 0x8400, 0, len(answers), 0, 0) + b"".join(answers)


def packed(strings: list[bytes]) -> bytes:
    return b"".join(bytes([len(string)]) + string for string in strings)


def texts(chance: random.Random, victim: str) -> bytes:
    fingerprint = b"fp_" + chance.randbytes(32).hex().encode()
    good = {b"name": b"evil", b"fingerprint": fingerprint, b"port": b"1", b"version": b"1"}
    match chance.randrange(10):
        case 0:
            good[b"name"] = b"<img src=x onerror=alert(1)>\x1b[2J"
        case 1:
            good[b"name"] = "\u202egnp.exe\u2066\u200b".encode()
        case 2:
            good[b"name"] = chance.randbytes(100)
        case 3:
            good[b"port"] = b"99999"
        case 4:
            good[b"fingerprint"] = victim.encode()
        case 5:
            good |= {b"x%d" % n: chance.randbytes(200) for n in range(4)}
        case 6:
            return chance.randbytes(300)
        case 7:
            return b"\xff"
        case 8:
            good[b"engines"] = b"," * 200
    return packed([key + b"=" + value for key, value in good.items()])


def main() -> None:
    size, victim, sources = json.loads(sys.argv[1])
    chance = random.Random(1)
    sockets = []
    for source in sources:
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sender.bind((source, 5353))
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(source))
        sockets.append((sender, source))
    sent = 0
    while sent < size:
        sender, source = chance.choice(sockets)
        if chance.randrange(10):
            label = chance.choice([chance.randbytes(16).hex().encode(), b"\x00\x1b<b>", chance.randbytes(20)])
            data = packet(label, texts(chance, victim), source)
            if not chance.randrange(10):
                data = data[: chance.randrange(len(data))]
        else:
            data = chance.randbytes(chance.randrange(1, 1400))
        sender.sendto(data, GROUP)
        sent += len(data)
    print(json.dumps({"sent": sent}), flush=True)


if __name__ == "__main__":
    main()
