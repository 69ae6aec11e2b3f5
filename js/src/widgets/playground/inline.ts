// The inside of a line of Markdown, as a tree: a subset of CommonMark in which nothing is HTML.

export type Inline =
  | string
  | { kind: "code"; text: string }
  | { kind: "break" }
  | { kind: "strong" | "em" | "strike"; inline: Inline[] }
  | { kind: "link"; url: string; host: string; inline: Inline[] };

/** How deep emphasis and links may nest; deeper ones stay text. */
const DEEPEST = 6;
const LONGEST_URL = 2000;
const URL_START = /https?:\/\/[^\s<>"'`\\]{1,2000}/y;
const PUNCTUATION = /[!-/:-@[-`{-~]/;
const WORD = /[\p{L}\p{N}]/u;
const MARKS = [
  ["***", "strong"],
  ["___", "strong"],
  ["**", "strong"],
  ["__", "strong"],
  ["~~", "strike"],
  ["*", "em"],
  ["_", "em"],
] as const;

/** `url` if a page may lead there: http or https, without a user, and what it means to a browser. */
export function safeUrl(url: string): URL | null {
  try {
    const parsed = new URL(url);
    const good = (parsed.protocol === "http:" || parsed.protocol === "https:") && parsed.hostname !== "";
    return good && !parsed.username && !parsed.password ? parsed : null;
  } catch {
    return null;
  }
}

/** The tree of `source`. Takes time in proportion to its length, whatever it holds. */
export function parseInline(source: string, depth = 0): Inline[] {
  return new Parser(source, depth).parse();
}

class Parser {
  readonly #source: string;
  readonly #depth: number;
  readonly #out: Inline[] = [];
  /** Marks that are known not to come again. */
  readonly #missing = new Set<string>();
  #text = "";
  #at = 0;

  constructor(source: string, depth: number) {
    this.#source = source;
    this.#depth = depth;
  }

  parse(): Inline[] {
    while (this.#at < this.#source.length) {
      if (this.#special()) continue;
      this.#text += this.#source[this.#at];
      this.#at += 1;
    }
    this.#flush();
    return this.#out;
  }

  #special(): boolean {
    switch (this.#source[this.#at]) {
      case "\\":
        return this.#escape();
      case "\n":
        return this.#newline();
      case "`":
        return this.#code();
      case "*":
      case "_":
      case "~":
        return this.#emphasis();
      case "!":
        return this.#source[this.#at + 1] === "[" && this.#link(1);
      case "[":
        return this.#link(0);
      case "<":
        return this.#angle();
      case "h":
        return this.#bare();
      default:
        return false;
    }
  }

  #push(node: Inline, end: number): true {
    this.#flush();
    this.#out.push(node);
    this.#at = end;
    return true;
  }

  #flush(): void {
    if (this.#text) this.#out.push(this.#text);
    this.#text = "";
  }

  #escape(): boolean {
    const next = this.#source[this.#at + 1];
    if (next === undefined || !PUNCTUATION.test(next)) return false;
    this.#text += next;
    this.#at += 2;
    return true;
  }

  #newline(): boolean {
    const hard = this.#text.endsWith("  ");
    this.#text = this.#text.trimEnd();
    if (hard) return this.#push({ kind: "break" }, this.#at + 1);
    this.#text += "\n";
    this.#at += 1;
    return true;
  }

  #code(): boolean {
    let end = this.#at;
    while (this.#source[end] === "`") end += 1;
    const fence = this.#source.slice(this.#at, end);
    let close = this.#missing.has(fence) ? -1 : this.#source.indexOf(fence, end);
    while (close >= 0 && this.#source[close + fence.length] === "`") {
      let after = close;
      while (this.#source[after] === "`") after += 1;
      close = this.#source.indexOf(fence, after);
    }
    if (close < 0) {
      this.#missing.add(fence);
      this.#text += fence;
      this.#at = end;
      return true;
    }
    const text = this.#source.slice(end, close).replace(/\n/g, " ");
    const padded = text.startsWith(" ") && text.endsWith(" ") && text.trim() !== "";
    return this.#push({ kind: "code", text: padded ? text.slice(1, -1) : text }, close + fence.length);
  }

  #emphasis(): boolean {
    const mark = MARKS.find(([text]) => this.#source.startsWith(text, this.#at));
    if (!mark || this.#depth >= DEEPEST) return false;
    const [text, kind] = mark;
    const begin = this.#at + text.length;
    const before = this.#source[this.#at - 1] ?? " ";
    const opens = !/[\s*_~]/.test(this.#source[begin] ?? " ") && !(text[0] === "_" && WORD.test(before));
    const end = opens && !this.#missing.has(text) ? this.#closing(text, begin) : -1;
    if (end < 0) {
      if (opens) this.#missing.add(text);
      this.#text += text;
      this.#at = begin;
      return true;
    }
    const inner = parseInline(this.#source.slice(begin, end), this.#depth + 1);
    const inline: Inline[] = text.length === 3 ? [{ kind: "em", inline: inner }] : inner;
    return this.#push({ kind, inline }, end + text.length);
  }

  #closing(mark: string, from: number): number {
    for (let at = this.#source.indexOf(mark, from); at >= 0; at = this.#source.indexOf(mark, at)) {
      let end = at;
      while (this.#source[end] === mark[0]) end += 1;
      const after = this.#source[end] ?? " ";
      const closes = !/\s/.test(this.#source[at - 1] as string) && !(mark[0] === "_" && WORD.test(after));
      // A longer run of the same mark closes something inside first, unless this is all of it.
      if (closes && end - at >= mark.length && (mark.length > 1 || end - at !== 2)) return end - mark.length;
      at = end;
    }
    return -1;
  }

  #link(image: number): boolean {
    const begin = this.#at + image + 1;
    if (this.#missing.has("](") || this.#depth >= DEEPEST) return false;
    const middle = this.#source.indexOf("](", begin);
    if (middle < 0) {
      this.#missing.add("](");
      return false;
    }
    const label = this.#source.slice(begin, middle);
    if (label.length > 1000 || label.includes("[") || label.includes("]")) return false;
    const [inside, ended] = this.#source.slice(middle + 2, middle + 2 + LONGEST_URL).split(")", 2);
    if (inside === undefined || ended === undefined) return false;
    const [target = ""] = inside.trim().split(/\s+/, 1);
    const url = safeUrl(target.replace(/^<|>$/g, ""));
    if (!url) return false;
    // An image is a link as well: loading it would tell its host what the model put into the address.
    const inline = image ? [`image: ${label || "untitled"}`] : parseInline(label, this.#depth + 1);
    return this.#push(made(url, noLinks(inline)), middle + 2 + inside.length + 1);
  }

  #angle(): boolean {
    URL_START.lastIndex = this.#at + 1;
    const found = URL_START.exec(this.#source)?.[0];
    if (!found || this.#source[this.#at + 1 + found.length] !== ">") return false;
    const url = safeUrl(found);
    return url !== null && this.#push(made(url, [found]), this.#at + found.length + 2);
  }

  #bare(): boolean {
    if (WORD.test(this.#source[this.#at - 1] ?? " ")) return false;
    URL_START.lastIndex = this.#at;
    let found = URL_START.exec(this.#source)?.[0] ?? "";
    while (/[!-.:-@[-`{-~]$/.test(found.slice(-1))) found = found.slice(0, -1);
    const url = safeUrl(found);
    return url !== null && this.#push(made(url, [found]), this.#at + found.length);
  }
}

function made(url: URL, inline: Inline[]): Inline {
  return { kind: "link", url: url.href, host: url.host, inline };
}

/** A link in a link would be two things to click in one place. */
function noLinks(inline: Inline[]): Inline[] {
  return inline.flatMap((node) => {
    if (typeof node === "string" || !("inline" in node)) return [node];
    return node.kind === "link" ? noLinks(node.inline) : [{ ...node, inline: noLinks(node.inline) }];
  });
}
