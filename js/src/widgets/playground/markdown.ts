// Markdown of a model as a tree of blocks: a subset of CommonMark, with tables, in which nothing is HTML.
import { type Inline, parseInline } from "./inline.ts";

export type Align = "left" | "center" | "right" | null;
export type Block =
  | { kind: "paragraph"; inline: Inline[] }
  | { kind: "heading"; level: number; inline: Inline[] }
  | { kind: "code"; language: string; text: string }
  | { kind: "quote"; blocks: Block[] }
  | { kind: "list"; start: number | null; items: Block[][] }
  | { kind: "table"; align: Align[]; head: Inline[][]; rows: Inline[][][] }
  | { kind: "rule" };

/** How deep lists and quotes may nest; deeper ones are paragraphs. */
const DEEPEST = 8;
// Expressions that fail late would make hostile text cost its length squared, so the ends of lines are cut by hand.
const FENCE = /^( {0,3})(`{3,}|~{3,})/;
const HEADING = /^ {0,3}(#{1,6})(?=\s|$)/;
const RULE = /^ {0,3}(?:(?:\*\s*){3,}|(?:-\s*){3,}|(?:_\s*){3,})$/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(?:( +)|$)/;
const QUOTE = /^ {0,3}> ?/;

/** The blocks of `source`, which may end anywhere, as while it arrives. */
export function parse(source: string): Block[] {
  return blocks(source.replace(/\r\n?/g, "\n").split("\n"), 0);
}

function blocks(lines: string[], depth: number): Block[] {
  const out: Block[] = [];
  let at = 0;
  while (at < lines.length) {
    const line = lines[at] as string;
    if (line.trim() === "") {
      at += 1;
      continue;
    }
    const [block, next] = one(lines, at, line, depth);
    out.push(block);
    at = next;
  }
  return out;
}

function one(lines: string[], at: number, line: string, depth: number): [Block, number] {
  const fence = opening(line);
  if (fence) return code(lines, at, fence);
  const heading = HEADING.exec(line);
  if (heading) {
    const level = (heading[1] as string).length;
    return [{ kind: "heading", level, inline: parseInline(title(line.slice(heading[0].length))) }, at + 1];
  }
  if (RULE.test(line)) return [{ kind: "rule" }, at + 1];
  if (depth < DEEPEST) {
    if (QUOTE.test(line)) return quote(lines, at, depth);
    if (ITEM.test(line)) return list(lines, at, depth);
  }
  if (line.includes("|") && divides(lines[at + 1] ?? "", line)) return table(lines, at);
  return paragraph(lines, at, depth);
}

interface Fence {
  indent: string;
  mark: string;
  language: string;
}

function opening(line: string): Fence | null {
  const found = FENCE.exec(line);
  if (!found) return null;
  const [all, indent = "", mark = ""] = found;
  const rest = line.slice(all.length).trim();
  if (mark[0] === "`" && rest.includes("`")) return null;
  return { indent, mark, language: (rest.split(/\s/, 1)[0] ?? "").slice(0, 40) };
}

function title(text: string): string {
  const trimmed = text.trim();
  let end = trimmed.length;
  while (trimmed[end - 1] === "#") end -= 1;
  return end === 0 || /\s/.test(trimmed[end - 1] as string) ? trimmed.slice(0, end).trimEnd() : trimmed;
}

function code(lines: string[], at: number, { indent, mark, language }: Fence): [Block, number] {
  const closes = (line: string) => {
    const trimmed = line.trim();
    return trimmed.startsWith(mark) && trimmed === (mark[0] as string).repeat(trimmed.length);
  };
  let end = at + 1;
  while (end < lines.length && !closes(lines[end] as string)) end += 1;
  const inside = lines
    .slice(at + 1, end)
    .map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line));
  return [{ kind: "code", language, text: inside.join("\n") }, end + 1];
}

function quote(lines: string[], at: number, depth: number): [Block, number] {
  let end = at;
  while (end < lines.length && QUOTE.test(lines[end] as string)) end += 1;
  const inside = lines.slice(at, end).map((line) => line.replace(QUOTE, ""));
  return [{ kind: "quote", blocks: blocks(inside, depth + 1) }, end];
}

function list(lines: string[], at: number, depth: number): [Block, number] {
  const first = marker(lines[at] as string) as Marker;
  const items: string[][] = [];
  let width = first.width;
  let end = at;
  for (; end < lines.length; end += 1) {
    const line = lines[end] as string;
    const found = RULE.test(line) ? null : marker(line);
    if (found && found.indent < width && found.kind === first.kind) {
      width = found.width;
      items.push([line.slice(found.width)]);
    } else if (line.trim() === "" || indentation(line) >= Math.min(width, 2)) {
      items.at(-1)?.push(line.slice(Math.min(width, indentation(line))));
    } else if (starts(line, depth) || (lines[end - 1] as string).trim() === "") {
      break;
    } else {
      items.at(-1)?.push(line.trimStart()); // a paragraph that goes on without its indentation
    }
  }
  const start = first.kind === "." || first.kind === ")" ? first.number : null;
  return [{ kind: "list", start, items: items.map((item) => blocks(item, depth + 1)) }, end];
}

interface Marker {
  indent: number;
  width: number;
  kind: string;
  number: number;
}

function marker(line: string): Marker | null {
  const found = ITEM.exec(line);
  if (!found) return null;
  const [, indent = "", mark = "", space = " "] = found;
  const gap = space.length > 4 ? 1 : space.length;
  const kind = mark.at(-1) as string;
  return {
    indent: indent.length,
    width: indent.length + mark.length + gap,
    kind,
    number: Number.parseInt(mark, 10),
  };
}

function indentation(line: string): number {
  return line.length - line.trimStart().length;
}

function table(lines: string[], at: number): [Block, number] {
  const head = cells(lines[at] as string);
  const align = cells(lines[at + 1] as string).map((cell): Align => {
    const right = cell.endsWith(":");
    return cell.startsWith(":") ? (right ? "center" : "left") : right ? "right" : null;
  });
  let end = at + 2;
  while (end < lines.length && (lines[end] as string).includes("|")) end += 1;
  const rows = lines.slice(at + 2, end).map((line) => {
    const found = cells(line);
    return head.map((_, column) => parseInline(found[column] ?? ""));
  });
  return [{ kind: "table", align, head: head.map((cell) => parseInline(cell)), rows }, end];
}

function divides(line: string, head: string): boolean {
  const found = line.includes("-") ? cells(line) : [];
  return (
    found.length > 1 && found.length === cells(head).length && found.every((cell) => /^:?-+:?$/.test(cell))
  );
}

function cells(line: string): string[] {
  const inner = line
    .trim()
    .replace(/^\|/, "")
    .replace(/(?<!\\)\|$/, "");
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function paragraph(lines: string[], at: number, depth: number): [Block, number] {
  let end = at + 1;
  while (end < lines.length) {
    const line = lines[end] as string;
    if (line.trim() === "" || starts(line, depth)) break;
    end += 1;
  }
  const text = lines
    .slice(at, end)
    .map((line) => line.trimStart())
    .join("\n");
  return [{ kind: "paragraph", inline: parseInline(text.trimEnd()) }, end];
}

/** Whether `line` begins a block even where a paragraph could go on. */
function starts(line: string, depth: number): boolean {
  const nested = depth < DEEPEST && (QUOTE.test(line) || ITEM.test(line));
  return opening(line) !== null || HEADING.test(line) || RULE.test(line) || nested;
}
