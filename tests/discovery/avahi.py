"""The mDNS daemon of the Linux desktops, on a host of its own: a peer that nobody here wrote."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from headless import until
from lan import Lan, Process, needs

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_destination="*"/>
    <allow send_type="signal"/><allow receive_type="signal"/><allow eavesdrop="true"/>
  </policy>
</busconfig>
"""
CONFIG = """[server]
host-name=desktop{host}
use-ipv4=yes
use-ipv6=yes
enable-dbus=yes
ratelimit-interval-usec=1000000
ratelimit-burst=1000
[publish]
publish-workstation=no
"""


class Avahi:
    """``avahi-daemon`` with a bus of its own."""

    def __init__(self, lan: Lan, host: int, environ: dict[str, str]):
        self.lan, self.host, self.environ = lan, host, environ

    def browse(self) -> list[dict[str, str | list[str]]]:
        """What ``avahi-browse`` resolves of our type, one entry per interface and family."""
        command = ["env", *(f"{k}={v}" for k, v in self.environ.items())]
        out = self.lan.run(self.host, *command, "avahi-browse", "-rpt", "_bago._tcp")
        found: list[dict[str, str | list[str]]] = []
        for line in out.splitlines():
            if line.startswith("="):
                _, interface, family, name, _, _, server, address, port, text = line.split(";", 9)
                found.append(
                    {
                        "interface": interface,
                        "family": family,
                        "name": _plain(name),
                        "server": server,
                        "address": address,
                        "port": port,
                        "text": [_plain(string) for string in re.findall(r'"([^"]*)"', text)],
                    }
                )
        return found

    def publish(self, name: str, port: int, *text: str) -> Process:
        """``avahi-publish`` a service of our type."""
        return self.lan.start(
            self.host, "avahi-publish", "-s", name, "_bago._tcp", str(port), *text, environ=self.environ
        )


@contextlib.contextmanager
def avahi(lan: Lan, host: int) -> Iterator[Avahi]:
    needs("avahi-daemon", "avahi-browse", "avahi-publish", "dbus-daemon")
    folder = lan.folder / f"avahi{host}"
    folder.mkdir()
    socket = folder / "bus"
    (folder / "bus.conf").write_text(BUS.format(socket=socket))
    (folder / "avahi.conf").write_text(CONFIG.format(host=host))
    environ = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={socket}"}
    bus = lan.start(host, "dbus-daemon", f"--config-file={folder / 'bus.conf'}", "--nofork", "--nopidfile")
    until(socket.exists)
    # The daemon keeps its pid and socket in one fixed place: each gets that place to itself.
    script = (
        "mkdir -p /run/avahi-daemon && mount -t tmpfs tmpfs /run/avahi-daemon"
        f" && exec avahi-daemon -f {folder / 'avahi.conf'} --no-drop-root --no-chroot --no-rlimits"
    )
    daemon = lan.start(host, "sh", "-c", script, environ=environ)
    until(lambda: any("Server startup complete" in line for line in daemon.errors))
    try:
        yield Avahi(lan, host, environ)
    finally:
        daemon.close()
        bus.close()


def _plain(text: str) -> str:
    """Undo avahi's ``\\ddd``, one for each byte."""
    raw = re.sub(rb"\\(\d{3})", lambda found: bytes([int(found[1])]), text.encode())
    return re.sub(rb"\\(.)", rb"\1", raw).decode()
