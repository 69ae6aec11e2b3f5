"""Chats with a real model in a real kernel."""

import re

import pytest
from headless import until

FOOTER = re.compile(r"^smol · on testnode · \d+ tokens · [\d.]+ tokens/s.* · %bago why (\S+)$")
SHORT = "-m smol --max-tokens 24 --temperature 0 --seed 1"


@pytest.fixture(autouse=True)
def _forget(chatty):
    chatty.must("%bago reset")


def test_markdown_streams_through_one_output(chatty):
    ran = chatty.must(f"%%bago chat {SHORT} --to answer\nTell me about the sea.")
    answer, footer = ran.outputs
    text = chatty.value("answer")
    assert text
    assert answer["data"]["text/plain"] == text
    assert "text/html" not in answer["data"]
    shown = [update["text/plain"] for update in ran.updates if "text/markdown" in update]
    assert len(shown) > 1
    assert all(text.startswith(part) for part in shown)
    assert shown == sorted(shown, key=len)
    found = FOOTER.match(footer["data"]["text/plain"])
    assert found
    assert "cut at --max-tokens" in found[0]
    why = chatty.must(f"%bago why {found[1]}").text
    assert found[1] in why
    assert "24 tokens" in why
    assert "testnode" in why
    assert "ok 200" in why


def test_text_is_printed_as_it_comes(chatty):
    ran = chatty.must(f"%bago chat {SHORT} -f text --to answer Tell me about it's {{sea}}.")
    stream, _footer = ran.outputs
    assert stream["text"].rstrip("\n") == chatty.value("answer").rstrip("\n")
    assert chatty.history()[0]["content"] == "Tell me about it's {sea}."


def test_json_is_parsed(chatty):
    ran = chatty.must(
        "%%bago chat -m smol --temperature 0 --seed 1 --max-tokens 200 -f json --to data\n"
        'Give a JSON object like {"name": "Ada", "age": 36}. Only JSON.'
    )
    data = chatty.value("data")
    assert isinstance(data, dict | list)
    assert ran.data("application/json") == [data]


def test_json_that_does_not_end_is_one_line_and_keeps_the_text(chatty):
    ran = chatty.run(
        "%bago chat -m smol --temperature 0 --max-tokens 8 -f json --to data Give a JSON object."
    )
    assert ran.error.startswith("bago: The answer is not JSON (")
    assert len(ran.error.splitlines()) == 1
    assert chatty.value("data") == ran.outputs[0]["data"]["text/plain"] != ""
    assert chatty.history()[1]["content"] == chatty.value("data")


def test_code_is_offered_as_the_next_cell(chatty):
    ran = chatty.must(
        "%bago chat -m smol --temperature 0 --seed 1 --max-tokens 60 -f code --to code "
        "Write a Python function that adds two numbers."
    )
    code = chatty.value("code")
    assert code
    assert "```" not in code
    assert ran.outputs[0]["data"]["text/plain"] == code
    assert ran.outputs[0]["data"]["text/markdown"].startswith(("```", "<pre>"))
    (payload,) = ran.reply["payload"]
    assert payload["source"] == "set_next_input"
    assert payload["text"] == code
    assert payload["replace"] is False


def test_variables_reach_the_prompt(chatty):
    chatty.must("city = 'Lisbon'")
    out = chatty.must("city + '!'").reply["execution_count"]
    failed = chatty.run("1 / 0")
    err = failed.reply["execution_count"]
    chatty.must(
        f'%%bago chat {SHORT}\n{{city}} {{In[{out}]}} {{Out[{out}]}} {{"k": {{{{city}}}}}} {{Err[{err}]}}'
    )
    sent = chatty.history()[0]["content"]
    assert sent.startswith("Lisbon city + '!' Lisbon! {\"k\": {city}} Traceback (most recent call last):")
    assert sent.endswith("ZeroDivisionError: division by zero")
    assert "IPython" not in sent
    ran = chatty.run("%bago chat {Out[9999]}")
    assert ran.error.startswith("bago: There is no output Out[9999]; cells that have one: ")


def test_a_question_is_not_a_question_about_an_object(chatty):
    ran = chatty.must(f"x = 1\n%bago chat {SHORT} What is x?\ny = 2\nif x:\n    %bago chat {SHORT} And y??")
    assert "not found" not in ran.text
    assert [message["content"] for message in chatty.history()[::2]] == ["What is x?", "And y??", "next"]
    assert chatty.value("y") == 2
    assert chatty.must("%bago chat?").text.startswith("%bago chat [-m | --model TEXT]")
    (payload,) = chatty.must("%bago?").reply["payload"]
    assert "%bago help" in payload["data"]["text/plain"]


def test_variables_of_a_function(chatty):
    chatty.must(f"def ask(town):\n    %bago chat {SHORT} Where is {{town}}?\nask('Turin')")
    assert chatty.history()[0]["content"] == "Where is Turin?"


def test_the_conversation_is_sent_along_until_it_is_reset(chatty):
    chatty.must(f"%bago chat {SHORT} --system 'You are Ada.' --to one My number is 7.")
    chatty.must(f"%bago chat {SHORT} --to two What is my number?")
    one, two = chatty.value("one"), chatty.value("two")
    kept = [
        {"role": "system", "content": "You are Ada."},
        {"role": "user", "content": "My number is 7."},
        {"role": "assistant", "content": one},
        {"role": "user", "content": "What is my number?"},
        {"role": "assistant", "content": two},
        {"role": "user", "content": "next"},
    ]
    assert chatty.history() == kept
    prompt_tokens = chatty.node().why().prompt_tokens
    chatty.must(f"%bago chat {SHORT} --no-history What is my number?")
    assert chatty.node().why().prompt_tokens < prompt_tokens
    assert chatty.history() == kept
    assert not chatty.run("%bago chat -m nope fails").ok
    assert chatty.history() == kept
    assert "2 turns" in chatty.must("%bago reset").text
    assert chatty.history() == kept[-1:]
    chatty.must(f"%bago chat {SHORT} again")
    assert "forgotten" in chatty.must("%bago chat --reset").text
    assert chatty.history() == kept[-1:]


def test_a_conversation_that_is_too_long_says_how_to_go_on(chatty):
    chatty.must(f"%bago chat {SHORT} hello")
    chatty.must("long = 'word ' * 3000")
    ran = chatty.run("%bago chat -m smol {long}")
    assert ran.reply["ename"] == "ContextTooLong"
    assert "%bago reset" in ran.error
    assert len(ran.error.splitlines()) == 1
    assert len(chatty.history()) == 3
    alone = chatty.run("%bago chat -m smol --no-history {long}")
    assert alone.reply["ename"] == "ContextTooLong"
    assert "%bago reset" not in alone.error


def test_mistakes(chatty):
    assert "model 'nope'" in chatty.run("%bago chat -m nope hello").error
    assert "What should the model be asked?" in chatty.run("%bago chat").error
    assert "What should the model be asked?" in chatty.run("%%bago chat\n\n  \n").error
    ran = chatty.run("%bago chat -m smol --temperature -5000 hello")
    assert len(ran.error.splitlines()) <= 1


def test_completion(chatty):
    def ends(code):
        found = chatty.complete(code)
        assert all(line.startswith(code) for line in found), found
        return {line[len(code) - len(code.split(" ")[-1]) :] for line in found}

    assert {"up", "down", "chat", "models", "why", "unload"} <= ends("%bago ")
    assert ends("%bago lo") == {"load", "log"}
    assert ends("%bago chat --ma") == {"--max-tokens"}
    assert ends("%bago chat -f ") == {"markdown", "text", "code", "json"}
    assert {"--idle-unload", "--in"} <= ends("%bago up --i")
    assert ends("%bago up --in p") == {"process"}
    assert {"smollm2", "gemma3"} <= ends("%bago pull ")
    until(lambda: ends("%bago load ") == {"smol"})  # it is asked for in the background
    for code in ("%bago unload s", "%bago chat -m ", "%%bago chat --model smo", "%%bago -m "):
        assert ends(code) == {"smol"}, code
    assert ends("%bago help wh") == {"why"}
    assert "print" in {line.strip() for line in chatty.complete("pri")}
