from __future__ import annotations

from pathlib import Path

from engines.making import make_folder, make_gguf

from bago_jupyter.engines.engine import ENGINES, accelerator
from bago_jupyter.engines.llama_cpp import LlamaCpp
from bago_jupyter.engines.modelfile import read_model
from bago_jupyter.engines.spec import RunnerSpec


def test_the_registry(tmp_path: Path) -> None:
    gguf = read_model(make_gguf(tmp_path / "m.gguf"), "m")
    folder = read_model(make_folder(tmp_path / "f"), "f")
    assert [engine.name for engine in ENGINES if engine.handles(gguf)] == ["llama.cpp"]
    assert not LlamaCpp().handles(folder)


def test_what_is_told_about_llama_cpp() -> None:
    info = LlamaCpp().info()
    assert info.available and info.version is not None and info.version.startswith("xllamacpp 20")


def test_no_secret_leaves_by_the_command_line_or_repr() -> None:
    spec = RunnerSpec(path="/m.gguf", api_key="hunter2")
    assert "hunter2" not in " ".join(LlamaCpp().command(spec)) + repr(spec) + str(spec)


def test_reasons_are_found_in_the_log() -> None:
    explain = LlamaCpp().explain
    assert explain(["0.00 I all well"]) is None
    assert (
        explain(
            [
                "0.00.021.020 E gguf_init_from_reader: failed to read key-value pairs",
                "0.00.022.322 E llama_model_load: error loading model: tensor 'x' is odd.",
                "0.00.031.939 E srv          init: exiting due to model loading error",
            ]
        )
        == "tensor 'x' is odd"
    )
    assert explain(["ModuleNotFoundError: No module named 'xllamacpp'"]) is not None


def test_accelerator() -> None:
    assert accelerator() in ("cuda", "rocm", "metal", "cpu")
