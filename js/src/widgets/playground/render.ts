// From the tree of a Markdown text to the page: elements made one by one, with text as text.
import { attribute, copy, element, text } from "../dom.ts";
import { shown, unturned } from "../names.ts";
import type { Inline } from "./inline.ts";
import type { Block } from "./markdown.ts";

const KEYS = new WeakMap<Node, string>();

/** Make `parent` show `blocks`; what has not changed since the last time stays as it is. */
export function render(parent: Element, blocks: Block[]): void {
  blocks.forEach((block, at) => {
    const key = JSON.stringify(block);
    const old = parent.children[at];
    if (old && KEYS.get(old) === key) return;
    if (old && block.kind === "code" && old.classList.contains("bago-block")) {
      fillCode(old, block.language, block.text); // its button keeps the focus while the code grows
      KEYS.set(old, key);
      return;
    }
    const made = build(block);
    KEYS.set(made, key);
    if (old) old.replaceWith(made);
    else parent.append(made);
  });
  while (parent.children.length > blocks.length) parent.lastElementChild?.remove();
}

/** Give the links below `root` their addresses when somebody is about to use them. Before that a browser
 * may look their hosts up by itself, and a host's name can carry what a model was told. */
export function followLinks(root: HTMLElement): void {
  const arm = (event: Event) => {
    const link = (event.target as Element).closest?.("a[data-url]");
    if (link) attribute(link, "href", link.getAttribute("data-url"));
  };
  for (const kind of ["pointerover", "pointerdown", "focusin"]) root.addEventListener(kind, arm);
}

function build(block: Block): HTMLElement {
  switch (block.kind) {
    case "paragraph":
      return element("p", { dir: "auto" }, ...inlines(block.inline));
    case "heading":
      // Below the headings of the view itself.
      return element(
        "div",
        {
          class: `bago-h${block.level}`,
          role: "heading",
          "aria-level": Math.min(6, block.level + 3),
          dir: "auto",
        },
        ...inlines(block.inline),
      );
    case "code":
      return code(block.language, block.text);
    case "quote":
      return element("blockquote", { dir: "auto" }, ...block.blocks.map(build));
    case "list": {
      const items = block.items.map((item) => element("li", { dir: "auto" }, ...item.map(build)));
      if (block.start === null) return element("ul", {}, ...items);
      return element("ol", { start: block.start === 1 ? null : block.start }, ...items);
    }
    case "table":
      return table(block);
    case "rule":
      return element("hr");
  }
}

function code(language: string, source: string): HTMLElement {
  const button = element("button", { type: "button" }, "Copy");
  const pre = element("pre", { tabindex: 0, role: "region" }, element("code", { dir: "ltr" }));
  const made = element("div", { class: "bago-block" }, element("div", {}, element("span"), button), pre);
  button.addEventListener("click", async () => {
    const done = await copy(pre.textContent ?? "");
    text(button, done ? "Copied" : "Not allowed");
    setTimeout(() => text(button, "Copy"), 2000);
  });
  fillCode(made, language, source);
  return made;
}

function fillCode(on: Element, language: string, source: string): void {
  const label = language ? `Code in ${shown(language)}` : "Code";
  text(on.querySelector("span") as Element, shown(language));
  // What turns the reading direction could make code look like another than it is.
  text(on.querySelector("code") as Element, shown(source));
  attribute(on.querySelector("pre") as Element, "aria-label", label);
  attribute(on.querySelector("button") as Element, "aria-label", `Copy ${label.toLowerCase()}`);
}

function table(block: Block & { kind: "table" }): HTMLElement {
  const cell = (tag: "th" | "td", inline: Inline[], column: number) => {
    const made = element(tag, { dir: "auto", scope: tag === "th" ? "col" : null }, ...inlines(inline));
    made.style.textAlign = block.align[column] ?? "";
    return made;
  };
  const head = element("tr", {}, ...block.head.map((inline, column) => cell("th", inline, column)));
  const rows = block.rows.map((row) => element("tr", {}, ...row.map((inline, at) => cell("td", inline, at))));
  const made = element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
  return element("div", { class: "bago-wide", tabindex: 0, role: "region", "aria-label": "Table" }, made);
}

function inlines(inline: Inline[]): (Node | string)[] {
  return inline.flatMap((node): (Node | string)[] =>
    typeof node === "string" ? [unturned(node)] : nodes(node),
  );
}

function nodes(node: Exclude<Inline, string>): Node[] {
  switch (node.kind) {
    case "break":
      return [element("br")];
    case "code":
      return [element("code", { dir: "auto" }, shown(node.text))];
    case "strong":
    case "em":
      return [element(node.kind, {}, ...inlines(node.inline))];
    case "strike":
      return [element("s", {}, ...inlines(node.inline))];
    case "link":
      return link(node.url, node.host, node.inline);
  }
}

function link(url: string, host: string, inline: Inline[]): Node[] {
  const made = element(
    "a",
    {
      "data-url": url,
      title: url,
      role: "link",
      tabindex: 0,
      target: "_blank",
      rel: "noopener noreferrer nofollow",
      referrerpolicy: "no-referrer",
    },
    ...inlines(inline),
  );
  if (made.textContent === url || `${made.textContent}/` === url) return [made];
  return [made, element("span", { class: "bago-muted bago-host" }, ` (${host})`)];
}
