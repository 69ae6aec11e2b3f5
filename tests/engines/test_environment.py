from __future__ import annotations

import pytest

from bago_jupyter.engines.environment import of_runner, without_ours

SECRET = [
    "BAGO_API_KEY", "BAGO_HOME", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY",
    "JUPYTERHUB_API_TOKEN", "DATABASE_URL", "MY_COMPANY", "PGPASSWORD", "GPU_API_KEY", "CUDA_TOKEN",
    "PYTHON_KEYRING_PASSWORD", "http_proxy", "SSH_AUTH_SOCK", "LLAMA_API_KEY",
]  # fmt: skip
NEEDED = [
    "PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH", "CUDA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES", "GGML_CUDA_FORCE_MMQ", "OMP_NUM_THREADS", "SystemRoot",
]  # fmt: skip


@pytest.mark.parametrize("name", SECRET)
def test_a_runner_learns_nothing_secret(name: str) -> None:
    assert of_runner({name: "x"}) == {}


def test_a_runner_learns_what_drivers_need() -> None:
    given = dict.fromkeys(NEEDED, "x")
    assert of_runner(given) == given


def test_a_tool_of_the_user_keeps_what_is_not_ours() -> None:
    given = {"PIP_INDEX_URL": "https://user:pass@index", "https_proxy": "p", "BAGO_API_KEY": "k"}
    assert sorted(without_ours(given)) == ["PIP_INDEX_URL", "https_proxy"]
