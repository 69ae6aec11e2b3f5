// The Mesh: who asks, what routes, who answers with which models, live. Mirrors bago_jupyter/widgets/mesh.py.
// Everything that one does with the picture happens here, so that it works while a cell blocks the kernel.
import type { AnyModel } from "@anywidget/types";
import type { Topology } from "../wire.ts";
import { Link, patiently } from "./base.ts";
import { attribute, element, keepArrows, text } from "./dom.ts";
import { Camera } from "./mesh/camera.ts";
import { capture } from "./mesh/captors.ts";
import { Finder } from "./mesh/finder.ts";
import type { Happening } from "./mesh/flow.ts";
import { groupId } from "./mesh/layout.ts";
import { legend } from "./mesh/legend.ts";
import { Panel } from "./mesh/panel.ts";
import { Pilot } from "./mesh/pilot.ts";
import { type Marks, Scene } from "./mesh/scene.ts";
import { Screen } from "./mesh/screen.ts";
import { Scrubber } from "./mesh/scrubber.ts";
import { Theme } from "./mesh/theme.ts";
import { Timeline } from "./mesh/timeline.ts";
import { Tip } from "./mesh/tip.ts";
import { Tree } from "./mesh/tree.ts";
import { count } from "./mesh/words.ts";
import "./status.css";
import "./mesh.css";

/** The synced state; `down` says why the node cannot be reached, and `view` is then its last word. */
interface State {
  view: Topology | null;
  down: string | null;
}

interface Checked {
  checked: number;
  failed: { name: string; reason: string }[];
}

const NOTE_SECONDS = 8;
const EMPTY: Topology = { at: 0, nodes: [], edges: [] };

class View {
  readonly #link: Link<State>;
  readonly #camera = new Camera();
  readonly #marks: Marks = { selected: null, hovered: null, focused: null };
  readonly #open = new Set<string>();
  readonly #timeline = new Timeline();
  #scene: Scene = new Scene(EMPTY, new Set(), this.#marks);
  #live = false;
  #down: string | null = null;
  #noteTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #clock: ReturnType<typeof setInterval>;
  readonly #release: () => void;

  readonly #pilot = new Pilot({
    camera: this.#camera,
    screen: () => this.#screen,
    scene: () => this.#scene,
    covered: () => this.#panel.width,
  });
  readonly #tree = new Tree({
    focus: (id) => this.#focused(id),
    select: (id) => this.#select(id, true),
    toggle: (id, open) => this.#toggle(id, open),
    zoom: (how) => this.#pilot.zoom(how),
    find: () => this.#finder.input.focus(),
  });
  readonly #panel = new Panel({
    close: () => this.#select(null, true),
    check: (node) => this.#ask("check", { node: node.id }),
    select: (id) => this.#select(id, true),
  });
  readonly #finder = new Finder(
    () => this.#scene.graph,
    (id) => {
      this.#unfold(id);
      this.#select(id, true);
      this.#pilot.approach(id);
    },
  );
  readonly #scrubber = new Scrubber({
    show: (at) => {
      this.#timeline.show(at);
      this.#tick();
    },
    play: (on) => {
      this.#timeline.play(on);
      this.#tick();
    },
  });
  readonly #legend = legend();
  readonly #tip = new Tip();
  readonly #graph = element("canvas", { class: "bago-graph", "aria-hidden": "true" });
  readonly #particles = element("canvas", { class: "bago-particles", "aria-hidden": "true" });
  readonly #stage = element(
    "div",
    { class: "bago-stage" },
    this.#graph,
    this.#particles,
    this.#tip.root,
    this.#legend,
    this.#panel.root,
  );
  readonly #refresh = button("Refresh", "Check the health of all connections now", () =>
    this.#ask("refresh"),
  );
  readonly #explain = button("Legend", "What shapes and colours mean", () => this.#toggleLegend());
  readonly #banner = element("div", { class: "bago-down", role: "status", hidden: true });
  readonly #note = element("span", { class: "bago-note", role: "status" });
  readonly #state = element("span", { class: "bago-muted bago-uptime" });
  readonly #root = element(
    "section",
    {
      class: "bago-status bago-mesh",
      tabindex: -1,
      "data-lm-suppress-shortcuts": "true",
      "aria-label": "Mesh",
    },
    element(
      "header",
      {},
      this.#finder.root,
      element(
        "div",
        { class: "bago-buttons", role: "group", "aria-label": "View" },
        button("+", "Zoom in", () => this.#pilot.zoom("in")),
        button("−", "Zoom out", () => this.#pilot.zoom("out")),
        button("Fit", "Show the whole mesh", () => this.#pilot.zoom("fit")),
        this.#refresh,
        this.#explain,
      ),
      this.#note,
      this.#state,
    ),
    this.#banner,
    this.#tree.root,
    this.#stage,
    this.#scrubber.root,
  );
  readonly #theme: Theme;
  readonly #screen: Screen;

  constructor(model: AnyModel<{ snapshot: unknown }>, el: HTMLElement) {
    attribute(this.#explain, "aria-expanded", "false");
    keepArrows(this.#root);
    el.append(this.#root);
    this.#theme = new Theme(this.#root, () => this.#screen.invalidate());
    this.#screen = new Screen({
      root: this.#root,
      stage: this.#stage,
      graph: this.#graph,
      particles: this.#particles,
      camera: this.#camera,
      theme: this.#theme,
      flow: () => this.#timeline.flow,
      scene: () => this.#scene,
      resized: () => this.#pilot.refit(),
    });
    this.#timeline.changed = (topology) => this.#draw(topology);
    this.#timeline.stirred = () => this.#screen.stir();
    this.#screen.onMotion = (allowed) => this.#timeline.allow(allowed);
    this.#timeline.allow(this.#screen.motion);
    this.#release = capture(this.#particles, {
      pan: (dx, dy) => this.#pilot.steer((camera) => camera.pan(dx, dy)),
      zoom: (factor, x, y) => this.#pilot.steer((camera) => camera.zoom(factor, x, y)),
      hover: (at) => this.#hover(at),
      click: (x, y) => this.#click(x, y),
    });
    this.#root.addEventListener("keydown", (event) => this.#key(event));
    this.#clock = setInterval(() => this.#tick(), 1000);
    document.addEventListener("visibilitychange", this.#visibility);
    // The link shows the last known state while it is made.
    let link: Link<State> | undefined;
    link = new Link<State>(model, (state, live) => this.#show(state, live, link));
    this.#link = link;
    link.onEvents = (events) => this.#timeline.happened(events as Happening[]);
    this.#tick();
  }

  close(): void {
    clearInterval(this.#clock);
    clearTimeout(this.#noteTimer);
    document.removeEventListener("visibilitychange", this.#visibility);
    this.#timeline.close();
    this.#release();
    this.#screen.close();
    this.#link.close();
  }

  // What comes from the kernel.

  #show(state: State, live: boolean, link: Link<State> | undefined): void {
    this.#live = live;
    this.#down = state.down;
    if (link) link.restless = state.down !== null;
    attribute(this.#root, "data-state", !live ? "stale" : state.down !== null ? "down" : "up");
    this.#banner.hidden = state.down === null;
    text(this.#banner, state.down ?? "");
    this.#timeline.arrived(state.view ?? EMPTY, live && state.down === null);
    this.#tick();
  }

  /** Whether the kernel serves requests, as far as is known. */
  get #served(): boolean {
    return this.#link?.answered === true && this.#down === null;
  }

  #draw(topology: Topology): void {
    const first = this.#scene.graph.nodes.size === 0;
    const before = this.#scene.layout.box;
    const { marks } = this.#scene;
    this.#scene = new Scene(topology, this.#open, marks);
    this.#age();
    const gone = marks.selected !== null && !this.#standing(marks.selected);
    // The keyboard is not left in a panel that closes by itself.
    if (gone) this.#select(null, this.#panel.root.contains(document.activeElement));
    this.#scene.light();
    this.#tree.show(this.#scene);
    this.#panel.show(this.#scene, marks.selected, this.#served);
    const { box } = this.#scene.layout;
    if (first || box.width !== before.width || box.height !== before.height) this.#pilot.refit(first);
    attribute(this.#root, "data-selected", marks.selected);
    attribute(this.#root, "data-lit", this.#scene.lit.size);
    this.#screen.invalidate();
  }

  /** Let what counts seconds count them; a node's own clock may differ from the page's by little. */
  #age(): void {
    const { graph } = this.#scene;
    if (this.#live) graph.age = Math.max(0, (this.#timeline.at ?? Date.now() / 1000) - graph.at);
  }

  #standing(id: string): boolean {
    return this.#scene.layout.shown(id) !== undefined;
  }

  // What the person wishes.

  #select(id: string | null, focus: boolean): void {
    const placed = id === null ? undefined : this.#scene.layout.nodes.get(id);
    if (placed?.members && id !== null) this.#toggle(id, !placed.open);
    const before = this.#marks.selected;
    this.#marks.selected = id;
    this.#draw(this.#timeline.shown);
    this.#tip.hide();
    if (!focus) return;
    if (id !== null) {
      this.#panel.focus();
      this.#pilot.uncover(id);
    } else if (before !== null) {
      this.#tree.focus(before);
      this.#pilot.refit();
    }
  }

  #toggle(group: string, open: boolean): void {
    const backend = group.slice(groupId("").length);
    if (open) this.#open.add(backend);
    else this.#open.delete(backend);
    this.#draw(this.#timeline.shown);
  }

  /** Open the group that hides a node. */
  #unfold(id: string): void {
    const shown = this.#scene.layout.shown(id);
    if (shown !== undefined && shown !== id) this.#toggle(shown, true);
  }

  #click(x: number, y: number): void {
    const hit = this.#at([x, y]);
    if (hit) this.#select(hit.id, true);
    else if (this.#marks.selected !== null) {
      this.#select(null, false);
      this.#pilot.refit();
    }
  }

  #at([x, y]: [number, number]) {
    const [px, py] = this.#camera.toPicture(x, y);
    return this.#scene.grid.at(px, py, 4 / this.#camera.pose.k);
  }

  #hover(at: [number, number] | null): void {
    const hit = at ? this.#at(at) : undefined;
    if (at && hit) this.#tip.show(hit, this.#scene.graph, at, this.#camera.width, this.#camera.height);
    else this.#tip.hide();
    attribute(this.#stage, "data-over", hit !== undefined);
    if ((hit?.id ?? null) === this.#marks.hovered) return;
    this.#marks.hovered = hit?.id ?? null;
    this.#screen.invalidate();
  }

  #focused(id: string | null): void {
    this.#marks.focused = id;
    if (id !== null) this.#pilot.reveal(id);
    const placed = id === null ? undefined : this.#scene.layout.nodes.get(id);
    // What is too small to be read is said beside it.
    if (placed && !this.#pilot.moved) {
      const at = this.#camera.toScreen(placed.x, placed.y);
      this.#tip.show(placed, this.#scene.graph, at, this.#camera.width, this.#camera.height);
    } else this.#tip.hide();
    this.#screen.invalidate();
  }

  #toggleLegend(): void {
    this.#legend.hidden = !this.#legend.hidden;
    attribute(this.#explain, "aria-expanded", String(!this.#legend.hidden));
  }

  #key(event: KeyboardEvent): void {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    if (this.#finder.close()) return;
    if (this.#marks.selected !== null) this.#select(null, true);
    else if (!this.#legend.hidden) this.#toggleLegend();
  }

  async #ask(kind: "refresh" | "check", fields: Record<string, unknown> = {}): Promise<void> {
    const say = (note: string, bad: boolean) =>
      kind === "check" ? this.#panel.say(note, bad) : this.#say(note, bad);
    if (kind === "refresh" && this.#refresh.ariaDisabled === "true") return;
    attribute(this.#refresh, "data-busy", kind === "refresh");
    if (kind === "refresh") this.#say("Checking all connections…", false);
    this.#tick();
    try {
      const asked = this.#link.request(kind, fields) as Promise<Checked>;
      const { checked, failed } = await patiently(asked, (waits) => say(waits, false));
      const named = ({ name, reason }: { name: string; reason: string }) =>
        reason.startsWith(name) ? reason : `${name}: ${reason}`;
      const bad = failed.map(named).join("; ");
      const good = `${count(checked - failed.length, "connection")} healthy`;
      say(kind === "check" ? bad || "It answers." : [good, bad].filter(Boolean).join("; "), bad !== "");
    } catch (error) {
      say((error as Error).message, true);
    } finally {
      attribute(this.#refresh, "data-busy", null);
      this.#tick();
    }
  }

  #say(note: string, bad: boolean): void {
    clearTimeout(this.#noteTimer);
    text(this.#note, note);
    attribute(this.#note, "data-bad", bad);
    this.#noteTimer = setTimeout(() => text(this.#note, ""), NOTE_SECONDS * 1000);
  }

  #tick(): void {
    const past = this.#timeline.at !== null;
    const present = !this.#live ? "last known state" : this.#down !== null ? "down" : "live";
    text(this.#state, past ? "the past" : present);
    attribute(this.#root, "data-past", past);
    this.#scrubber.show(this.#timeline.at, this.#timeline.earliest, this.#timeline.playing, present);
    const usable = this.#served && !this.#refresh.hasAttribute("data-busy");
    attribute(this.#refresh, "aria-disabled", usable ? null : "true");
    this.#age();
    this.#panel.show(this.#scene, this.#marks.selected, this.#served);
    this.#screen.invalidate();
  }

  #visibility = (): void => {
    // A hidden page is told nothing, so what was in flight may be over when it comes back.
    this.#timeline.forget();
    this.#screen.invalidate();
  };
}

function button(label: string, title: string, clicked: () => unknown): HTMLButtonElement {
  const made = element("button", { type: "button", title, "aria-label": title }, label);
  made.addEventListener("click", () => void clicked());
  return made;
}

export default {
  render({ model, el }: { model: AnyModel<{ snapshot: unknown }>; el: HTMLElement }): () => void {
    const view = new View(model, el);
    return () => view.close();
  },
};
