"""QR codes of keys."""

from __future__ import annotations

import io
from xml.etree import ElementTree

import pytest

from bago_jupyter.trust.connection_key import ConnectionKey
from bago_jupyter.trust.qr import qr_png, qr_svg, qr_text


@pytest.fixture
def key():
    addresses = [
        "192.168.1.20:8080",
        "[fe80::1%eth0]:8080",
        "100.101.102.103:8080",
        "[fd7a:115c:a1e0::1]:8080",
    ]
    return ConnectionKey.make("Büro GPU", "fp_" + "ab" * 32, addresses, 1_900_000_000)


def test_svg(key):
    root = ElementTree.fromstring(qr_svg(str(key)))
    assert root.tag.endswith("svg")
    assert int(root.get("width")) == int(root.get("height")) > 200


def test_png_scans(key):
    zxing = pytest.importorskip("zxingcpp")
    from PIL import Image

    (found,) = zxing.read_barcodes(Image.open(io.BytesIO(qr_png(str(key)))))
    assert ConnectionKey.parse(found.text, now=0) == key


def test_text(key):
    lines = qr_text(str(key)).splitlines()
    assert len(lines) > 20
    assert len({len(line) for line in lines}) <= 2
