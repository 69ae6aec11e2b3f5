"""Settings: four sources, one order, and unknown names refused."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bago_jupyter.errors import SettingsError
from bago_jupyter.settings import FILE, Settings, _toml


def load(home: Path, environ: dict[str, str] | None = None, **arguments: object) -> Settings:
    return Settings.load(arguments, {"BAGO_HOME": str(home), **(environ or {})})


def test_an_argument_beats_the_environment_beats_the_file_beats_the_default(tmp_path: Path) -> None:
    assert load(tmp_path).slots == 4
    (tmp_path / "settings.toml").write_text("slots = 5\nport = 9000\nname = 'file'\n")
    assert load(tmp_path).slots == 5
    assert load(tmp_path, {"BAGO_SLOTS": "6"}).slots == 6
    mixed = load(tmp_path, {"BAGO_SLOTS": "6"}, slots=7)
    assert (mixed.slots, mixed.port, mixed.name) == (7, 9000, "file")


def test_values_of_the_environment_are_converted(tmp_path: Path) -> None:
    got = load(tmp_path, {"BAGO_AUTOLOAD": "false", "BAGO_IDLE_UNLOAD": "2.5", "BAGO_NAME": "n1"})
    assert (got.autoload, got.idle_unload, got.name) == (False, 2.5, "n1")


@pytest.mark.parametrize(
    ("environ", "arguments", "said"),
    [
        ({}, {"prot": 1}, "port"),
        ({}, {"slots": "many"}, "slots"),
        ({}, {"slots": 0}, "from 1"),
        ({}, {"port": 70000}, "65535"),
        ({}, {"threads": 1_000_000_000}, "threads .* to 1024"),
        ({}, {"gpu_layers": -2}, "gpu_layers .* from -1"),
        ({}, {"name": " "}, "name"),
        ({}, {"loop": "fast"}, "loop"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_hint(
    tmp_path: Path, environ: dict[str, str], arguments: dict[str, object], said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        load(tmp_path, environ, **arguments)


def test_an_unknown_name_in_the_file_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("prot = 1\n")
    with pytest.raises(SettingsError, match=r"settings\.toml.*port"):
        load(tmp_path)
    (tmp_path / "settings.toml").write_text("port =")
    with pytest.raises(SettingsError, match="not valid TOML"):
        load(tmp_path)


def test_a_copy_is_checked_too(tmp_path: Path) -> None:
    settings = load(tmp_path).replace(port=1234)
    assert (settings.port, settings.home) == (1234, tmp_path)
    with pytest.raises(SettingsError, match="port"):
        settings.replace(prot=1)


def test_a_variable_of_somebody_else_is_a_warning_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    environ = {"BAGO_SLOTZ": "3", "BAGO_OTHER_TOOL": "hush", "BAGO_": "", "BAGO_SLOTS": "6"}
    for _ in range(2):
        assert load(tmp_path, environ).slots == 6
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 3 and "hush" not in "".join(said)
    assert "BAGO_SLOTZ is no setting, and is left alone. Did you mean BAGO_SLOTS?" in said[2]


@pytest.mark.parametrize("name", ["ada \N{GRINNING FACE}", 'a "quoted" \\ name', "Zo\u00eb", "\u5c71"])
def test_a_name_that_is_kept_is_read_again(tmp_path: Path, name: str) -> None:
    load(tmp_path).replace(name=name, switch_interval=0.00001).save(["name", "switch_interval"])
    again = load(tmp_path)
    assert (again.name, again.switch_interval) == (name, 0.00001)


@given(st.text() | st.booleans() | st.integers() | st.floats(0, 1e300))
def test_every_value_is_toml(value: object) -> None:
    assert tomllib.loads(f"name = {_toml(value)}") == {"name": value}


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes("\ufeffname = 'n\u00f6de'\r\nslots = 5\r\n".encode())
    assert (load(tmp_path).name, load(tmp_path).slots) == ("n\u00f6de", 5)


def test_white_space_around_a_secret_is_none_of_it(tmp_path: Path) -> None:
    got = load(tmp_path, {"BAGO_API_KEY": "sk-abc12345\n", "BAGO_CLUSTER_KEY": " one two three \r\n"})
    assert (got.api_key, got.cluster_key) == ("sk-abc12345", "one two three")
    assert load(tmp_path, {"BAGO_API_KEY": " \n"}).api_key is None
    assert got.replace(api_key="\tsk-other ").api_key == "sk-other"


@pytest.mark.parametrize("key", ["sk-a\nb", "sk-\x7f", "sk-\x00", "sch\u00fcssel", "\N{KEY}", "a\tb"])
def test_a_key_that_no_header_can_hold_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(SettingsError, match="api_key must be of printable ASCII") as refused:
        load(tmp_path, {"BAGO_API_KEY": key})
    assert key not in str(refused.value)


@pytest.mark.parametrize("name", ["API_KEY", "NAME", "SLOTS", "CLUSTER_KEY"])
def test_a_variable_with_bytes_that_are_no_text_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=f"variable BAGO_{name} is not UTF-8"):
        Settings.load(None, {"BAGO_HOME": str(tmp_path), f"BAGO_{name}": "a\udcff"})


@pytest.mark.parametrize("home", ["~nobody-of-that-name/x", "~nobody-of-that-name"])
def test_a_home_of_nobody_is_one_sentence(home: str) -> None:
    with pytest.raises(SettingsError, match="names a user who is not known here"):
        Settings.load(None, {"BAGO_HOME": home})


def test_a_user_without_a_home_is_told_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(path: str) -> str:
        return path  # as without HOME and without an entry for the user

    monkeypatch.setattr(os.path, "expanduser", unknown)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    with pytest.raises(SettingsError, match="This user has no home; name a folder"):
        Settings.load(None, {})


def test_a_home_in_a_folder_that_was_deleted_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(SettingsError, match="which was deleted"):
        Settings.load(None, {"BAGO_HOME": "home"})


def test_a_pipe_instead_of_the_file_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / FILE)
    with pytest.raises(SettingsError, match="a pipe or a device"):
        load(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
def test_a_key_that_an_editor_wrote_for_all_to_read_is_closed(tmp_path: Path) -> None:
    file = tmp_path / FILE
    for text, mode in (('policy = "fastest"', 0o644), ('api_key = "sk-abc12345"', 0o600)):
        file.write_text(text)
        file.chmod(0o644)
        tmp_path.chmod(0o755)
        Settings.load({"home": tmp_path}, {})
        assert file.stat().st_mode & 0o777 == mode
        assert tmp_path.stat().st_mode & 0o777 == 0o755, "the folder may be more than a home"
