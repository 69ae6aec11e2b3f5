// The picture for keyboards and screen readers, which see no canvas: a tree that walks like it looks.
import { attribute, element, rows, text } from "../dom.ts";
import { RANKS } from "./graph.ts";
import type { Placed } from "./layout.ts";
import type { Scene } from "./scene.ts";
import { ahead } from "./search.ts";
import { clean, spoken } from "./words.ts";

export interface TreeWishes {
  focus(id: string | null): void;
  select(id: string): void;
  /** Open or close a group. */
  toggle(group: string, open: boolean): void;
  zoom(factor: "in" | "out" | "fit"): void;
  find(): void;
}

/** Milliseconds after which typing begins a new word. */
const TYPING = 700;
/** Rows that a page up or down goes. */
const PAGE = 10;

/** Right and Left walk the ranks, Up and Down the nodes of a rank, letters jump; Enter selects. */
export class Tree {
  readonly root = element("div", {
    class: "bago-tree",
    role: "tree",
    "aria-label": "Mesh, from the user over the router and the backends to the models",
  });
  readonly #wishes: TreeWishes;
  #scene: Scene | null = null;
  #current = "user";
  #typed = "";
  #typedAt = 0;

  constructor(wishes: TreeWishes) {
    this.#wishes = wishes;
    this.root.addEventListener("keydown", (event) => this.#key(event));
    this.root.addEventListener("focusin", (event) => {
      const id = (event.target as HTMLElement).dataset.key;
      if (id === undefined) return;
      this.#current = id;
      this.#rove();
      wishes.focus(id);
    });
    this.root.addEventListener("focusout", () => wishes.focus(null));
    this.root.addEventListener("click", (event) => {
      const id = (event.target as HTMLElement).closest<HTMLElement>("[data-key]")?.dataset.key;
      if (id !== undefined) wishes.select(id); // as screen readers click
    });
  }

  show(scene: Scene): void {
    this.#scene = scene;
    const { layout, graph, marks } = scene;
    const items = inOrder(scene);
    if (!layout.nodes.has(this.#current))
      this.#current = layout.shown(this.#current) ?? items[0]?.[0].id ?? "";
    const held = this.root.contains(document.activeElement);
    rows(
      this.root,
      items,
      ([placed]) => placed.id,
      () => element("div", { role: "treeitem", tabindex: -1 }),
      (row, [placed, level, at, size]) => {
        text(row, spoken(placed, graph));
        attribute(row, "aria-level", level);
        attribute(row, "aria-posinset", at);
        attribute(row, "aria-setsize", size);
        attribute(row, "aria-selected", placed.id === marks.selected ? "true" : "false");
        attribute(row, "aria-expanded", placed.members ? String(placed.open) : null);
      },
    );
    this.#rove();
    if (held && !this.root.contains(document.activeElement)) this.focus(); // its node is gone
  }

  /** Put the keyboard's focus on a node. */
  focus(id: string = this.#current): void {
    this.#current = this.#scene?.layout.shown(id) ?? this.#current;
    this.#rove();
    this.#row(this.#current)?.focus({ preventScroll: true });
  }

  #row(id: string): HTMLElement | undefined {
    return [...this.root.children].find((row) => (row as HTMLElement).dataset.key === id) as HTMLElement;
  }

  #rove(): void {
    for (const row of this.root.children) {
      attribute(row, "tabindex", (row as HTMLElement).dataset.key === this.#current ? 0 : -1);
    }
  }

  #key(event: KeyboardEvent): void {
    const scene = this.#scene;
    const here = scene?.layout.nodes.get(this.#current);
    if (!scene || !here || event.altKey || event.metaKey) return;
    const rank = scene.layout.ranks[here.rank];
    const at = rank.indexOf(here.id);
    let to: string | undefined;
    switch (event.key) {
      case "ArrowDown":
        to = rank[at + 1];
        break;
      case "ArrowUp":
        to = rank[at - 1];
        break;
      case "ArrowRight":
        to = this.#right(scene, here);
        break;
      case "ArrowLeft":
        to = this.#left(scene, here);
        break;
      case "PageDown":
        to = rank[Math.min(rank.length - 1, at + PAGE)];
        break;
      case "PageUp":
        to = rank[Math.max(0, at - PAGE)];
        break;
      case "Home":
        to = event.ctrlKey ? RANKS.map((name) => scene.layout.ranks[name][0]).find(Boolean) : rank[0];
        break;
      case "End":
        to = event.ctrlKey ? scene.layout.ranks.model.at(-1) : rank.at(-1);
        break;
      case "Enter":
      case " ":
        this.#wishes.select(here.id);
        break;
      case "+":
      case "=":
        this.#wishes.zoom("in");
        break;
      case "-":
        this.#wishes.zoom("out");
        break;
      case "0":
        this.#wishes.zoom("fit");
        break;
      case "/":
        this.#wishes.find();
        break;
      default:
        if (event.key.length !== 1 || event.ctrlKey) return;
        to = this.#jump(scene, event);
    }
    event.preventDefault();
    event.stopPropagation();
    if (to !== undefined && to !== here.id) this.focus(to);
  }

  #right(scene: Scene, here: Placed): string | undefined {
    if (here.members && !here.open) {
      this.#wishes.toggle(here.id, true);
      return undefined;
    }
    if (here.members) return here.members[0];
    const inRank = new Map(
      [...scene.layout.ranks.backend, ...scene.layout.ranks.model].map((id, at) => [id, at]),
    );
    const next = [...scene.layout.curves.values()].filter((curve) => curve.source === here.id);
    return next.sort((a, b) => (inRank.get(a.target) ?? 0) - (inRank.get(b.target) ?? 0))[0]?.target;
  }

  #left(scene: Scene, here: Placed): string | undefined {
    if (here.members && here.open) {
      this.#wishes.toggle(here.id, false);
      return undefined;
    }
    return [...scene.layout.curves.values()].find((curve) => curve.target === here.id)?.source;
  }

  #jump(scene: Scene, event: KeyboardEvent): string | undefined {
    const fresh = event.timeStamp - this.#typedAt > TYPING;
    this.#typed = fresh ? event.key : this.#typed + event.key;
    this.#typedAt = event.timeStamp;
    const ids = inOrder(scene).map(([placed]) => placed.id);
    const labels = ids.map((id) => clean(scene.layout.nodes.get(id)?.label ?? "", 80));
    const found = ahead(labels, this.#typed, Math.max(0, ids.indexOf(this.#current)));
    return found < 0 ? undefined : ids[found];
  }
}

/** All nodes as a tree reads: each with its level, its place among its siblings, and how many they are. */
function inOrder(scene: Scene): [Placed, number, number, number][] {
  const { layout } = scene;
  const found: [Placed, number, number, number][] = [];
  const models = new Map<string, string[]>();
  for (const id of layout.ranks.model) {
    const placed = layout.nodes.get(id);
    const owner = placed?.members ? id.slice("group:".length) : (placed?.node?.backend ?? "");
    models.set(owner, [...(models.get(owner) ?? []), id]);
  }
  const add = (ids: readonly string[], level: number, after?: (id: string) => void) => {
    ids.forEach((id, at) => {
      const placed = layout.nodes.get(id);
      if (placed) found.push([placed, level, at + 1, ids.length]);
      after?.(id);
    });
  };
  add(layout.ranks.user, 1);
  add(layout.ranks.router, 2);
  add(layout.ranks.backend, 3, (backend) => {
    const own = models.get(backend) ?? [];
    models.delete(backend);
    const [group, ...members] = own;
    if (group && layout.nodes.get(group)?.members) {
      add([group], 4);
      add(members, 5);
    } else add(own, 4);
  });
  for (const rest of models.values()) add(rest, 3);
  return found;
}
