import assert from "node:assert/strict";
import { test } from "node:test";
import { type Inline, parseInline, safeUrl } from "../src/widgets/playground/inline.ts";
import { type Block, parse } from "../src/widgets/playground/markdown.ts";

/** All text of a tree, in order. */
function words(nodes: (Block | Inline)[]): string {
  return nodes
    .map((node) => {
      if (typeof node === "string") return node;
      if ("text" in node) return node.text;
      if ("inline" in node) return words(node.inline);
      if ("blocks" in node) return words(node.blocks);
      if (node.kind === "list") return node.items.map(words).join(" ");
      if (node.kind === "table") return [node.head, ...node.rows].flat().map(words).join(" ");
      return "";
    })
    .join("");
}

/** Every link of a tree. */
function links(nodes: (Block | Inline)[]): string[] {
  const found: string[] = [];
  JSON.stringify(nodes, (key, value) => {
    if (key === "url") found.push(value);
    return value;
  });
  return found;
}

const paragraph = (...inline: Inline[]): Block => ({ kind: "paragraph", inline });

test("paragraphs end at an empty line and keep their line breaks", () => {
  assert.deepEqual(parse("one\ntwo\r\n\n\nthree  \nfour"), [
    paragraph("one\ntwo"),
    paragraph("three", { kind: "break" }, "four"),
  ]);
  assert.deepEqual(parse(""), []);
});

test("headings have levels, and hashes at their end are left out", () => {
  assert.deepEqual(parse("# One #\n### Three\n####### seven\n#no"), [
    { kind: "heading", level: 1, inline: ["One"] },
    { kind: "heading", level: 3, inline: ["Three"] },
    paragraph("####### seven\n#no"),
  ]);
  assert.deepEqual(parse("## C#"), [{ kind: "heading", level: 2, inline: ["C#"] }]);
});

test("emphasis, code and strikes", () => {
  assert.deepEqual(parseInline("a **b *c* d** e"), [
    "a ",
    { kind: "strong", inline: ["b ", { kind: "em", inline: ["c"] }, " d"] },
    " e",
  ]);
  assert.deepEqual(parseInline("***x***"), [{ kind: "strong", inline: [{ kind: "em", inline: ["x"] }] }]);
  assert.deepEqual(parseInline("~~no~~ `` a`b ``"), [
    { kind: "strike", inline: ["no"] },
    " ",
    { kind: "code", text: "a`b" },
  ]);
  for (const text of ["2 * 3 * 4", "snake_case_name", "**open", "`open", "a ** b", "5 * x", "____", "*"]) {
    assert.deepEqual(words(parseInline(text)), text);
    assert.ok(
      parseInline(text).every((node) => typeof node === "string"),
      text,
    );
  }
  assert.deepEqual(parseInline("\\*a\\* \\<b> \\q"), ["*a* <b> \\q"]);
});

test("code blocks keep their text as it is, also one that is not closed yet", () => {
  assert.deepEqual(parse("```python\nif a:\n    b = '**x**'\n\n<b>\n```\nafter"), [
    { kind: "code", language: "python", text: "if a:\n    b = '**x**'\n\n<b>" },
    paragraph("after"),
  ]);
  assert.deepEqual(parse("~~~~\n~~~\n```\nx"), [{ kind: "code", language: "", text: "~~~\n```\nx" }]);
  assert.deepEqual(parse("``` a ` b"), [paragraph("``` a ` b")]);
});

test("lists nest and hold blocks", () => {
  const [list] = parse("- a\n- b\n  - c\n  - d\n\n- e\n  ```\n  code\n  ```\nafter it\n\nend");
  assert.ok(list?.kind === "list" && list.start === null);
  assert.equal(list.items.length, 3);
  assert.deepEqual(list.items[1], [
    paragraph("b"),
    { kind: "list", start: null, items: [[paragraph("c")], [paragraph("d")]] },
  ]);
  assert.deepEqual(list.items[2]?.[1], { kind: "code", language: "", text: "code" });
  const [numbered, after] = parse("3. three\n4. four\n   - x\n5. five\n\nafter");
  assert.ok(numbered?.kind === "list" && numbered.start === 3 && numbered.items.length === 3);
  assert.equal(words([numbered]), "three fourx five");
  assert.deepEqual(after, paragraph("after"));
});

test("quotes, rules and tables", () => {
  assert.deepEqual(parse("> a\n> > b\n\n---"), [
    { kind: "quote", blocks: [paragraph("a"), { kind: "quote", blocks: [paragraph("b")] }] },
    { kind: "rule" },
  ]);
  assert.deepEqual(parse("| a | `b|` \\| |\n|:--|--:|\n| 1 |\n| **2** | 3 | 4 |"), [
    paragraph(
      "| a | ",
      { kind: "code", text: "b|" },
      " | |\n|:--|--:|\n| 1 |\n| ",
      { kind: "strong", inline: ["2"] },
      " | 3 | 4 |",
    ),
  ]);
  assert.deepEqual(parse("| a | b \\| |\n|:--|--:|\n| 1 |\n| **2** | 3 | 4 |\n"), [
    {
      kind: "table",
      align: ["left", "right"],
      head: [["a"], ["b |"]],
      rows: [
        [["1"], []],
        [[{ kind: "strong", inline: ["2"] }], ["3"]],
      ],
    },
  ]);
});

test("links lead to http and https only", () => {
  assert.deepEqual(parseInline("[a *b*](https://x.org/y?z 'title') http://a.b/c."), [
    { kind: "link", url: "https://x.org/y?z", host: "x.org", inline: ["a ", { kind: "em", inline: ["b"] }] },
    " ",
    { kind: "link", url: "http://a.b/c", host: "a.b", inline: ["http://a.b/c"] },
    ".",
  ]);
  assert.deepEqual(links(parse("<https://x.org/> (see https://x.org/a_(b))")), [
    "https://x.org/",
    "https://x.org/a_(b",
  ]);
  const hostile = [
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt&colon;alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](java\nscript:alert(1))",
    "[x]( javascript:alert(1) )",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](vbscript:x)",
    "[x](file:///etc/passwd)",
    "[x](//evil.example)",
    "[x](/lab/api)",
    "[x](https://user:pass@evil.example/)",
    "[x](\u0001javascript:alert(1))",
    "<javascript:alert(1)>",
    "[x][1]\n\n[1]: javascript:alert(1)",
  ];
  for (const text of hostile) assert.deepEqual(links(parse(text)), [], text);
  assert.equal(safeUrl('https://x.org/a b"c<d>')?.href, "https://x.org/a%20b%22c%3Cd%3E");
});

test("an image is a link that says so, and loads nothing", () => {
  assert.deepEqual(parseInline("![cat](https://x.org/c.png)"), [
    { kind: "link", url: "https://x.org/c.png", host: "x.org", inline: ["image: cat"] },
  ]);
  assert.deepEqual(parseInline("![x](javascript:alert(1))"), ["![x](javascript:alert(1))"]);
  assert.deepEqual(links(parseInline("[![a](https://x.org/i)](ftp://y.org/)")), ["https://x.org/i"]);
});

test("HTML is text", () => {
  const html = [
    "<script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    "<a href='javascript:alert(1)'>x</a>",
    "<iframe src=//x></iframe>",
    "<svg/onload=alert(1)>",
    "<!-- --><style>*{}</style>",
    "&lt;b&gt; &amp; &#60;",
  ];
  for (const text of html) assert.equal(words(parse(text)), text);
  assert.deepEqual(links(parse(html.join("\n\n"))), []);
});

test("a prefix of an answer is read as well as the whole", () => {
  const answer =
    "# T\n\n1. a **b**\n   ```js\n   x\n   ```\n\n| a | b |\n|---|---|\n| 1 | [l](https://x.org) |\n\n> q `c`";
  for (let end = 0; end <= answer.length; end += 1) parse(answer.slice(0, end));
});

test("hostile text costs time in proportion to its length, and loses nothing", () => {
  const patterns = [
    "*",
    "**a ",
    "_a ",
    "[",
    "[a](",
    "![",
    "`",
    "` ``",
    "~~a",
    "> ",
    "- ",
    "1. ",
    "#",
    "# ",
    "|",
    "|-",
    "a|",
    "<",
    "h",
    "https://",
    "http://a.",
    "https://a@",
    "\\",
    "  \n",
    "-\n",
    ">\n",
    "*a**b***c",
    "-   ",
    "[a](https://b ",
    "```\n",
    "*a `b [c](d ",
  ];
  const time = (text: string) => {
    const began = performance.now();
    parse(text);
    return performance.now() - began;
  };
  for (const pattern of patterns) {
    for (const tail of ["", "x", " x\n", "`", ")"]) {
      const text = pattern.repeat(Math.ceil(100_000 / pattern.length)) + tail;
      assert.ok(time(text) < 3000, `${JSON.stringify(pattern)} took too long`);
    }
  }
  for (const filler of [" ", "\t", "#", "-", ":", ".", "\u202e", "\u{1f600}"]) {
    for (const [before, after] of [
      ["# a", "b"],
      ["- ", "x"],
      ["|", "x"],
      ["a|b\n-", "|x"],
      ["```", "`"],
      ["* ", "x"],
      ["https://x.org/", "x"],
    ]) {
      assert.ok(time(`${before}${filler.repeat(100_000)}${after}`) < 3000, `${before}${filler}${after}`);
    }
  }
  const long = "x".repeat(10_000);
  assert.equal(words(parse(long)), long);
  const turned = "\u202eabc\u202c \u05d0\u05d1 \u200f!";
  assert.equal(words(parse(turned)), turned);
});
