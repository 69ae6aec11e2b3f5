"""What a child process learns of the environment of its node."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from ..settings import PREFIX

_NAMES = frozenset(
    ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP", "XDG_CACHE_HOME",
     "VIRTUAL_ENV", "CONDA_PREFIX", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT",
     "USERPROFILE", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "NUMBER_OF_PROCESSORS",
     "PROCESSOR_ARCHITECTURE")
)  # fmt: skip
_PREFIXES = (
    "LC_", "LD_", "DYLD_", "PYTHON", "MALLOC_", "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "GGML_",
    "CUDA_", "NVIDIA_", "HIP_", "HSA_", "ROCM_", "ROCR_", "AMD_", "GPU_", "ZE_", "ONEAPI_", "SYCL_", "VK_",
    "MESA_", "MTL_",
)  # fmt: skip
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASS|CREDENTIAL|AUTH", re.IGNORECASE)


def of_runner(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The part of ``environ`` that loaders, drivers and Python look at.

    A list of what is passed on, since nobody can list what is secret: keys have any name in the environment
    of a notebook, and a runner reads files that strangers have made.
    """
    given = os.environ if environ is None else environ
    return {name: value for name, value in given.items() if _passes(name)}


def without_ours(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """``environ`` for a tool of the user's, which has settings and keys of its own there, but not ours."""
    given = os.environ if environ is None else environ
    return {name: value for name, value in given.items() if not name.startswith(PREFIX)}


def _passes(name: str) -> bool:
    upper = name.upper()
    return (upper in _NAMES or upper.startswith(_PREFIXES)) and not _SECRET.search(name)
