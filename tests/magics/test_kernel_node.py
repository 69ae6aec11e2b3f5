"""The verbs around a node, from its start to its end, in one notebook."""

import json
import os

import pytest


def test_a_notebook_without_a_node(kernel):
    shown = kernel.must("%bago")
    assert shown.text.startswith("No node runs here: %bago up")
    assert "holds nothing yet" in shown.text
    for line in ("models", "load x", "unload x", "pull smollm2", "why", "log", "chat hi"):
        ran = kernel.run(f"%bago {line}")
        assert not ran.ok
        assert ran.reply["ename"] == "NodeUnreachable"
        assert ran.error.startswith("bago: No node runs here; start it with %bago up")
        assert len(ran.error.splitlines()) == 1
        assert not ran.text
    assert kernel.must("%bago down").text.strip() == "No node ran here."


def test_from_up_to_down(kernel, starter_gguf):
    up = kernel.must("%bago up --name Ada").text
    assert up.startswith("Ada is up at http://127.0.0.1:")
    assert "in a thread of this kernel" in up
    assert "%bago pull smollm2" in up
    assert kernel.must("%bago up").text.startswith("Ada is up")
    assert kernel.must("%bago models").text.startswith("No models yet")

    pulled = kernel.must(f"path = {str(starter_gguf)!r}\n%bago pull {{path}} --name smol")
    assert len(pulled.outputs) == 1, "a stored notebook keeps only the last line of a bar"
    assert pulled.text.startswith("smol is in the library: Q4_1, 98.4 MB")

    (table,) = kernel.must("%bago models").outputs
    head, row = table["data"]["text/plain"].splitlines()
    columns = "model state engine quantisation parameters context size nodes"
    assert " ".join(head.split()) == columns
    assert " ".join(row.split()) == "smol available llama.cpp Q4_1 135M 8192 98.4 MB Ada"
    assert "<td>smol</td>" in table["data"]["text/html"]

    loaded = kernel.must("%bago load smol --context-length 512 --slots 1")
    assert len(loaded.outputs) == 1
    assert "512 tokens of context · 1 slots" in loaded.text
    assert "512 of 8192" in kernel.must("%bago models").text

    assert "INFO" in kernel.must("%bago log -n 2").text
    card = kernel.must("%bago")
    assert card.data("application/vnd.jupyter.widget-view+json")
    assert "Ada" in card.text
    assert "smol" in card.text

    assert kernel.must("%bago unload smol").text.strip() == "smol is unloaded."
    assert kernel.must("%bago down").text.strip() == "The node is down."
    assert "holds 1 entry" in kernel.must("%bago").text


def test_mistakes_are_one_line_and_stop_a_run(kernel):
    ran = kernel.run("%bago upp")
    assert ran.error == "bago: There is no %bago upp. Did you mean up?"
    assert ran.reply["ename"] == "Usage"
    assert len(ran.outputs) == 1

    kernel.must("%bago up --name Ada")
    for line, part in (
        ("load nope", "nope"),
        ("pull /no/such/file.gguf", "/no/such/file.gguf"),
        ("why nope", "nope"),
        ("up --api-key-env NOT_SET_ANYWHERE", "NOT_SET_ANYWHERE"),
        ("log -n 0", "at least 1"),
    ):
        ran = kernel.run(f"%bago {line}")
        assert part in ran.error
        assert ran.error.startswith("bago: ")
        assert len(ran.error.splitlines()) == 1


def test_errors_can_be_caught_by_their_type(kernel):
    kernel.must(
        "from bago_jupyter.errors import NodeUnreachable\n"
        "try:\n    %bago models\nexcept NodeUnreachable as error:\n    caught = str(error)"
    )
    assert "%bago up" in kernel.value("caught")


def test_a_key_comes_from_the_environment_and_shows_nowhere(kernel):
    ran = kernel.run("%bago up --api-key sk-very-secret")
    assert "--api-key-env VAR" in ran.error
    assert "sk-very-secret" not in json.dumps(ran.outputs)
    kernel.must("import os; os.environ['MY_KEY'] = 'sk-very-secret'")
    up = kernel.must("%bago up --name Ada --api-key-env MY_KEY")
    shown = json.dumps(up.outputs) + json.dumps(kernel.must("%bago").outputs) + kernel.must("%bago log").text
    assert "sk-very-secret" not in shown
    assert kernel.node().status().api_key_required


def test_values_of_settings_are_checked(kernel):
    ran = kernel.run("%bago up --port eighty")
    assert "port" in ran.error
    assert len(ran.error.splitlines()) == 1
    assert not (kernel.home / "node.json").exists()


@pytest.mark.skipif(os.name == "nt", reason="paths are printed with backslashes there")
def test_relative_paths_are_the_notebooks(kernel, tmp_path):
    kernel.must("%bago up --name Ada")
    (tmp_path / "broken.gguf").write_bytes(b"no model")
    ran = kernel.run(f"import os; os.chdir({str(tmp_path)!r})\n%bago pull broken.gguf")
    assert not ran.ok
    assert len(ran.error.splitlines()) == 1
    assert kernel.node().models() == []
