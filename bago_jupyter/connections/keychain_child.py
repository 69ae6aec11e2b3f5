"""One question to the keyring, asked over stdin and answered on stdout as JSON.

Run as a file (``python -P keychain_child.py``), so that it starts without the package around it.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def main() -> None:
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # a plugin may print
    try:
        said = _answer(**json.loads(sys.stdin.readline()))
    except Exception:  # whatever a plugin raises means that it does not work
        said = {"ok": False}
    out.write(json.dumps(said))
    out.close()


def _answer(what: str, service: str, name: str, text: str) -> dict[str, Any]:
    import keyring
    from keyring.core import recommended
    from keyring.errors import PasswordDeleteError

    # Not recommended are the backends that keep nothing (null, fail) or keep it in a plain file of their own.
    if not recommended(keyring.get_keyring()):
        return {"ok": False}
    if what == "put":
        keyring.set_password(service, name, text)
        return {"ok": keyring.get_password(service, name) == text}
    if what == "get":
        return {"ok": True, "text": keyring.get_password(service, name)}
    if what == "forget":
        try:
            keyring.delete_password(service, name)
        except PasswordDeleteError:
            return {"ok": False}
    return {"ok": True}


if __name__ == "__main__":
    main()
