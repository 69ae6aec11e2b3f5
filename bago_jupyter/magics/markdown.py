"""Markdown of a model, made safe to render.

JupyterLab sanitises Markdown only in outputs that are not trusted, and the outputs of a cell that
was just run are: a ``<script>``, an ``onerror`` or a ``javascript:`` link would run there with all
the rights of the user. So HTML is shown as text. Code that holds HTML is written as a ``<pre>`` or
``<code>`` of our own with every special character as an entity; whatever a renderer makes of the
rest, these two are the only tags that can come out of it. Images are shown as links, because
loading one tells its host what the model put into the address.
"""

from __future__ import annotations

import re

_FENCE = re.compile(
    r"^(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})[ \t]*(?P<lang>[^\s`]*)[^\n`]*\n(?P<body>.*?)"
    r"(?:^[ \t]*(?P=fence)[`~]*[ \t]*$|\Z)",
    re.MULTILINE | re.DOTALL,
)
_SPAN = re.compile(r"(?<!`)(`+)(?!`)((?:(?!\n[ \t]*\n).)+?)(?<!`)\1(?!`)", re.DOTALL)
_MATH = re.compile(r"\$\$.+?\$\$|\$[^$\n]+\$|\\\(.+?\\\)|\\\[.+?\\\]", re.DOTALL)
_ENTITY = r"&(?=#|\w+;)"
_SCHEME = r"(?:java|vb)script(?=\\?:)"
_RISKY = re.compile(rf"<(?=[A-Za-z/!?])|!(?=\[)|{_ENTITY}|{_SCHEME}", re.IGNORECASE)
_SHOWN = {"<": "&lt;", "!": "&#33;"}


def safe(text: str) -> str:
    """``text`` as Markdown in which neither HTML, nor a script link, nor an image takes effect."""
    parts, at = [], 0
    for match in _FENCE.finditer(text):
        parts += [_prose(text[at : match.start()]), _fenced(match)]
        at = match.end()
    return "".join([*parts, _prose(text[at:])])


def _fenced(match: re.Match[str]) -> str:
    if not _RISKY.search(match[0]):
        return match[0]
    body = match["body"].removesuffix("\n")
    if match["indent"]:
        body = re.sub(rf"^{match['indent']}", "", body, flags=re.MULTILINE)
    lang = re.sub(r"[^\w+#.-]", "", match["lang"])
    kind = f' class="language-{lang}"' if lang else ""
    return f"{match['indent']}<pre><code{kind}>{_entities(body)}</code></pre>\n"


def _prose(text: str) -> str:
    parts, at = [], 0
    for match in _SPAN.finditer(text):
        if not _RISKY.search(match[2]):
            continue
        parts += [_plain(text[at : match.start()]), f"<code>{_entities(match[2].strip())}</code>"]
        at = match.end()
    return "".join([*parts, _plain(text[at:])])


def _plain(text: str) -> str:
    parts, at = [], 0
    for match in _MATH.finditer(text):
        # an entity would reach MathJax as it stands; a space means nothing in a formula
        parts += [_escape(text[at : match.start()]), _RISKY.sub(r"\g<0> ", match[0])]
        at = match.end()
    return "".join([*parts, _escape(text[at:])])


def _escape(text: str) -> str:
    # a zero-width space breaks "javascript:" and "&colon;" for good: some renderers decode an
    # address twice, so an "&amp;" would come out as the entity again
    return _RISKY.sub(lambda match: _SHOWN.get(match[0], match[0] + "\u200b"), text)


def _entities(text: str) -> str:
    """``text`` with all but letters, digits and spaces as entities: none of it is Markdown any more."""
    return re.sub(r"[^\w ]|_", lambda match: f"&#{ord(match[0])};", text)
