"""Lines as people type them, and the one sentence each mistake gets."""

import pytest

from bago_jupyter.cli import EVERYWHERE
from bago_jupyter.magics.parse import Given, parse, parse_arguments
from bago_jupyter.magics.quiet import Usage
from bago_jupyter.settings import NAMES, SECRETS


def refused(line: str, cell: str | None = None) -> str:
    with pytest.raises(Usage) as caught:
        parse(line, cell)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_nothing_is_the_status_card():
    assert parse("").verb.name == "status"
    assert parse("   ").verb.name == "status"


def test_a_prompt_keeps_its_quotes_braces_and_dashes():
    given = parse("""chat -m smol --temperature 0.5 it's {"a": 1} -- and 'that' --max-tokens?""")
    assert given.options == {"model": "smol", "temperature": 0.5}
    assert given.argument == """it's {"a": 1} -- and 'that' --max-tokens?"""


@pytest.mark.parametrize(
    ("line", "argument"),
    [
        ('chat "all of it"', "all of it"),
        ('chat "one" and "two"', '"one" and "two"'),
        ("chat -- --seed is an option", "--seed is an option"),
        ("chat -5 plus 3?", "-5 plus 3?"),
        ("chat - a list", "- a list"),
        ("chat", ""),
    ],
)
def test_where_a_prompt_begins(line, argument):
    assert parse(line).argument == argument


def test_options_of_a_cell():
    given = parse("chat -m a/b:c --stop END --stop '\\n\\n' --to x -f json --no-history", "tell me\nmore\n")
    assert given.options == {
        "model": "a/b:c",
        "stop": ["END", "\\n\\n"],
        "to": "x",
        "format": "json",
        "no_history": True,
    }
    assert given.argument == "tell me\nmore"


def test_a_cell_without_a_verb_is_a_chat():
    assert parse("", "hello").verb.name == "chat"
    assert parse("--seed=3", "hello").options == {"seed": 3}


def test_the_line_of_a_cell_stands_before_its_body():
    assert parse("chat Translate:", "guten Tag").argument == "Translate:\n\nguten Tag"


def test_options_may_follow_a_single_argument():
    given = parse("load smollm2 --slots 2 --gpu-layers -1")
    assert given.argument == "smollm2"
    assert given.options == {"slots": 2, "gpu_layers": -1}


def test_paths_keep_spaces_and_backslashes():
    assert parse(r'pull "C:\my models\a.gguf" --name a').argument == r"C:\my models\a.gguf"
    assert parse("""pull /x/"a b"'c d'/e""").argument == "/x/a bc d/e"


def test_variables_are_filled_in_after_the_splitting():
    given = parse("pull {path} --name {n}", None, lambda text: text.format(path="/a b/c", n="--d"))
    assert given.argument == "/a b/c"
    assert given.options == {"name": "--d"}


def test_every_setting_but_the_key_is_an_option_of_up():
    for name in NAMES:
        line = f"up --in process --{name.replace('_', '-')} 7"
        if name in SECRETS:
            assert "-env VAR" in refused(line)
        else:
            assert parse(line).options == {"in": "process", name: "7"}


@pytest.mark.parametrize(
    "line", ["up --api-key sk-123", "up --api-key=sk-123", "chat --api-key sk-123 hello"]
)
def test_a_key_is_refused_without_repeating_it(line):
    message = refused(line)
    assert "BAGO_API_KEY" in message
    assert "sk-123" not in message


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("chta hello", "Did you mean chat?"),
        ("xyzzy", "Known: status, up, down"),
        ("chat --temprature 1 hi", "Did you mean --temperature?"),
        ("up --conext-length 5", "Did you mean --context-length?"),
        ("down --now", "It takes none."),
        ("chat --max-tokens many hi", "needs a whole number, not 'many'"),
        ("chat --temperature hot hi", "needs a number"),
        ("chat -f jsn hi", "Did you mean json?"),
        ("chat --to 2x hi", "needs the name of a variable"),
        ("chat -m", "needs a value"),
        ("chat --system --seed 3 hi", "--system needs a value"),
        ('chat --system "open hi', "is not closed"),
        ("load", "%bago load needs a model"),
        ("load a b", "does not take 'b'"),
        ("down now", "does not take 'now'"),
        ("nodes shwo beta", "Did you mean show?"),
        ("nodes show", "%bago nodes show needs a node"),
        ("nodes set beta --in-routing yes", "does not know 'yes'"),
        ("share smol", "ends with on or off"),
        ("advertise", "ends with on or off"),
        ("advertise maybe", "ends with on or off"),
        ("share smol on now", "does not take 'now'"),
    ],
)
def test_mistakes(line, part):
    assert part in refused(line)


def test_a_team_key_is_refused_without_repeating_it():
    message = refused("up --cluster-key hush")
    assert "%bago team --key-env VAR" in message
    assert "hush" not in message


def test_verbs_of_two_words():
    assert parse("nodes").verb.name == "nodes"
    assert parse("nodes beta").argument == "beta"
    given = parse("nodes   set  beta --priority -3 --in-routing off")
    assert (given.verb.name, given.argument) == ("nodes set", "beta")
    assert given.options == {"priority": -3, "in_routing": "off"}
    assert parse("nodes --history beta").options == {"history": True}


@pytest.mark.parametrize("line", ["share smol off", "share smol off --x", "share --on x smol off"])
def test_a_switch_comes_last(line):
    if "--" in line:
        assert "It takes none." in refused(line)
    else:
        given = parse(line)
        assert (given.argument, given.options) == ("smol", {"switch": False})


def test_a_switch_without_an_argument():
    assert parse("advertise on --name Ada").options == {"switch": True, "name": "Ada"}


def test_words_after_the_argument_where_a_verb_takes_them():
    given = parse('route set code beta/big "Ada\'s laptop/phi" else phi-3')
    assert (given.verb.name, given.argument) == ("route set", "code")
    assert given.options == {"more": ["beta/big", "Ada's laptop/phi", "else", "phi-3"]}
    assert parse("route set code").options == {"more": []}
    assert given.verb.synopsis == "%bago route set NAME TARGET [TARGET ...]"
    assert refused("route set").startswith("%bago route set needs a name")
    assert "does not take 'two'" in refused("route remove one two")
    assert "has no option --x" in refused("route set code a --x b")


def test_only_chat_takes_a_cell():
    assert "%bago pull on a line" in refused("pull x", "body")


def arguments(*words: str) -> Given:
    return parse_arguments(words, EVERYWHERE)


@pytest.mark.parametrize(
    ("words", "prompt"),
    [
        (["""say "hi" and don't stop"""], """say "hi" and don't stop"""),
        (["hello", "big  world"], "hello big  world"),
        (['"all of it"'], '"all of it"'),
        (["what", "does", "--json", "do"], "what does --json do"),
        (["what", "is", "--home", "/tmp", "--", "for"], "what is --home /tmp -- for"),
        (["--", "--json", "--home", "x"], "--json --home x"),
        (["--json is what?"], "--json is what?"),
        (["  two\n", "lines  "], "  two\n lines  "),
        (["isn't", '6" long'], """isn't 6" long"""),
    ],
)
def test_a_prompt_is_the_arguments_of_the_shell_as_they_are(words: list[str], prompt: str) -> None:
    given = arguments("chat", "--temperature", "0.5", *words)
    assert (given.verb.name, given.argument, given.options) == ("chat", prompt, {"temperature": 0.5})


def test_arguments_are_not_unquoted() -> None:
    given = arguments("chat", "--home", "/a b", "--stop", """'"'""", '--system=say "I\'m"', "Hi")
    assert given.options == {"home": "/a b", "stop": ["""'"'"""], "system": """say "I'm\""""}
    assert arguments("pull", """it's "one".gguf""").argument == """it's "one".gguf"""


def test_options_of_every_verb_stand_anywhere_but_in_a_prompt() -> None:
    for words in (["mesh", "list", "--json"], ["mesh", "--json", "list"]):
        assert (arguments(*words).verb.name, arguments(*words).options) == ("mesh list", {"json": True})
    given = arguments("nodes", "show", "beta", "--home=/h", "--json")
    assert (given.argument, given.options) == ("beta", {"home": "/h", "json": True})
    assert arguments("nodes", "show", "--", "--json").argument == "--json"
    assert parse("nodes show -- --json").argument == "--json"
    with pytest.raises(Usage, match="--home needs a value"):
        arguments("status", "--home")
