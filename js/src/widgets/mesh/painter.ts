// Paints the graph that stands still: edges, cards, labels. Only what is on show, and no more detail than can be seen.
import type { Condition } from "../../wire.ts";
import { Bundles } from "./bundles.ts";
import type { Camera } from "./camera.ts";
import { backendIcon, ICONS, type Icon } from "./icons.ts";
import { along, type Box, type Curve, type Placed, WIDTH } from "./layout.ts";
import type { Scene } from "./scene.ts";
import type { Colours } from "./theme.ts";
import { clean, latency, lines } from "./words.ts";

/** Scales below which a card has no room for its second line, for its name, for a frame. */
const ROOMY = 0.6;
const READABLE = 0.24;
const TINY = 0.14;
/** Pixels of a name, at least, where it can be read at all. */
const SMALL = 11;
const RADIUS = 9;

const paths = new Map<Icon, Path2D>();
const fitted = new Map<string, string>();

/** The colour of a state. */
export function tone(state: Condition, colours: Colours): string {
  if (state === "healthy") return colours.good;
  if (state === "warming") return colours.wait;
  return state === "unhealthy" ? colours.bad : colours.muted;
}

/** Make `canvas` fill its box, sharp on every screen; its context in CSS pixels, and cleared. */
export function surface(canvas: HTMLCanvasElement, camera: Camera): CanvasRenderingContext2D {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [Math.round(camera.width * ratio), Math.round(camera.height * ratio)];
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, camera.width, camera.height);
  const { x, y, k } = camera.pose;
  context.transform(k, 0, 0, k, x, y);
  return context;
}

/** A painter that keeps its paths. */
export class GraphPainter {
  readonly #rest = new Bundles<Condition>();
  readonly #halo = new Bundles();
  readonly #lit = new Bundles<Condition>();

  paint(canvas: HTMLCanvasElement, camera: Camera, scene: Scene, colours: Colours): void {
    const context = surface(canvas, camera);
    const { view } = camera;
    const { k } = camera.pose;
    const { marks, layout, lit } = scene;
    const dim = marks.selected === null ? 1 : 0.3;
    const curves = [...layout.curves.values()].filter((curve) => crosses(curve, view));
    const rest = curves.filter((curve) => !curve.minor && !lit.has(curve.id));
    const shining = curves.filter((curve) => lit.has(curve.id));
    context.globalAlpha = dim;
    edges(context, this.#rest.of(rest, state), k, colours, 1.6);
    context.globalAlpha = 1;
    const halo = this.#halo.of(shining, (curve) => tone(curve.state, colours));
    glow(context, halo, k, shining.length > CROWD);
    edges(context, this.#lit.of(shining, state), k, colours, 2.6);
    if (k >= READABLE) {
      for (const curve of curves) {
        context.globalAlpha = lit.has(curve.id) ? 1 : dim;
        if (curve.latency !== null) tag(context, curve, k, colours);
        else if (curve.state === "unhealthy" && (k >= ROOMY || curve.source === "router"))
          cross(context, curve, colours);
      }
    }
    for (const placed of layout.nodes.values()) {
      if (!within(placed, view)) continue;
      context.globalAlpha = marks.selected === null || scene.near.has(placed.id) ? 1 : dim;
      card(context, placed, scene, k, colours);
    }
    context.globalAlpha = 1;
  }
}

const HALO = [
  [13, 0.12],
  [8, 0.18],
  [4.5, 0.3],
] as const;
/** The same for many curves at once, at a third of the cost. */
const DENSE = [[6, 0.3]] as const;
export const CROWD = 48;

const state = (curve: Curve): Condition => curve.state;

/** Light around the curves of `bundles`, which are paths by colour; wide strokes, since a canvas' own blur is slow. */
export function glow(
  context: CanvasRenderingContext2D,
  bundles: ReadonlyMap<string, Path2D>,
  k: number,
  crowded: boolean,
): void {
  const width = Math.max(1, 0.5 / k);
  const alpha = context.globalAlpha;
  context.lineCap = "butt";
  for (const [name, path] of bundles) {
    context.strokeStyle = name;
    for (const [wide, strength] of crowded ? DENSE : HALO) {
      context.globalAlpha = alpha * strength;
      context.lineWidth = wide * width;
      context.stroke(path);
    }
  }
  context.globalAlpha = alpha;
}

function edges(
  context: CanvasRenderingContext2D,
  bundles: ReadonlyMap<Condition, Path2D>,
  k: number,
  colours: Colours,
  width: number,
): void {
  context.lineCap = "butt";
  context.lineWidth = width * Math.max(1, 0.8 / k);
  for (const [state, path] of bundles) {
    // Not by colour alone: what is off is dashed.
    context.setLineDash(state === "disabled" || state === "unknown" ? [6, 5] : []);
    context.strokeStyle = tone(state, colours);
    context.stroke(path);
  }
  context.setLineDash([]);
}

function tag(context: CanvasRenderingContext2D, curve: Curve, k: number, colours: Colours): void {
  const [x, y] = along(curve, 0.62);
  const text = latency(curve.latency ?? 0);
  const size = Math.max(1, ROOMY / k) * 11;
  context.font = `${size}px ${colours.font}`;
  const width = context.measureText(text).width + size;
  context.fillStyle = colours.ground;
  context.strokeStyle = tone(curve.state, colours);
  context.lineWidth = 1;
  context.beginPath();
  context.roundRect(x - width / 2, y - size * 0.8, width, size * 1.6, size * 0.8);
  context.fill();
  context.stroke();
  write(context, text, x, y, colours.text, "center");
}

/** Not by colour alone: what fails is crossed out. */
function cross(context: CanvasRenderingContext2D, curve: Curve, colours: Colours): void {
  const [x, y] = along(curve, 0.5);
  context.strokeStyle = colours.bad;
  context.lineWidth = 2.2;
  context.beginPath();
  for (const side of [-1, 1]) {
    context.moveTo(x - 4.5, y - 4.5 * side);
    context.lineTo(x + 4.5, y + 4.5 * side);
  }
  context.stroke();
}

function card(
  context: CanvasRenderingContext2D,
  placed: Placed,
  scene: Scene,
  k: number,
  colours: Colours,
): void {
  const { marks } = scene;
  const { height } = placed;
  const [left, top] = [placed.x - WIDTH / 2, placed.y - height / 2];
  const colour = tone(placed.state, colours);
  const chosen = marks.selected === placed.id;
  if (k < TINY && !chosen && marks.focused !== placed.id) {
    context.fillStyle = colour;
    context.fillRect(left, top, WIDTH, height);
    return;
  }
  if (chosen) halo(context, left, top, height, colours.brand);
  context.beginPath();
  context.roundRect(left, top, WIDTH, height, RADIUS);
  context.fillStyle = colours.ground;
  context.fill();
  const before = context.globalAlpha;
  context.globalAlpha = before * 0.1;
  context.fillStyle = colour;
  context.fill();
  context.globalAlpha = before;
  context.strokeStyle = chosen ? colours.brand : marks.hovered === placed.id ? colours.text : colours.line;
  context.lineWidth = chosen ? 2.5 : Math.max(1, 0.6 / k);
  context.stroke();
  if (marks.focused === placed.id) ring(context, left, top, height, colours.brand, k);
  context.fillStyle = colour;
  context.beginPath();
  context.roundRect(left + 3, top + 9, 3, height - 18, 1.5);
  context.fill();
  if (k < READABLE) return;
  if (k < ROOMY) {
    const font = `550 ${Math.max(13, SMALL / k)}px ${colours.font}`;
    write(context, fit(context, placed.label, font, WIDTH - 20), left + 14, placed.y, colours.text);
    return;
  }
  context.save();
  context.translate(left + 12, top + 9);
  context.scale(1.1, 1.1);
  context.strokeStyle = placed.rank === "model" ? colours.muted : colours.text;
  context.lineWidth = 1.25;
  context.lineJoin = "round";
  context.lineCap = "round";
  context.stroke(icon(placed));
  context.restore();
  const room = WIDTH - 42;
  const title = fit(context, placed.label, `600 14px ${colours.font}`, room);
  write(context, title, left + 36, top + 18, colours.text);
  const quiet = placed.state === "unhealthy" ? colours.bad : colours.muted;
  lines(placed, scene.graph).forEach((words, at) => {
    const shown = fit(context, words, `12px ${colours.font}`, room);
    write(context, shown, left + 36, top + 36 + at * 15, quiet);
  });
}

function halo(
  context: CanvasRenderingContext2D,
  left: number,
  top: number,
  height: number,
  colour: string,
): void {
  const alpha = context.globalAlpha;
  context.strokeStyle = colour;
  for (const [wide, strength] of [
    [16, 0.1],
    [9, 0.2],
  ] as const) {
    context.globalAlpha = alpha * strength;
    context.lineWidth = wide;
    context.beginPath();
    context.roundRect(left, top, WIDTH, height, RADIUS);
    context.stroke();
  }
  context.globalAlpha = alpha;
}

function ring(
  context: CanvasRenderingContext2D,
  left: number,
  top: number,
  height: number,
  colour: string,
  k: number,
): void {
  const gap = Math.max(3.5, 2 / k);
  context.strokeStyle = colour;
  context.lineWidth = Math.max(2, 1.5 / k);
  context.beginPath();
  context.roundRect(left - gap, top - gap, WIDTH + 2 * gap, height + 2 * gap, RADIUS + gap);
  context.stroke();
}

function icon(placed: Placed): Path2D {
  const name: Icon = placed.members
    ? "group"
    : placed.rank === "backend"
      ? backendIcon(placed.node?.kind ?? null)
      : placed.rank;
  let path = paths.get(name);
  if (!path) {
    path = new Path2D(ICONS[name]);
    paths.set(name, path);
  }
  return path;
}

function write(
  context: CanvasRenderingContext2D,
  text: string,
  x: number,
  y: number,
  colour: string,
  align: CanvasTextAlign = "left",
): void {
  context.fillStyle = colour;
  context.textAlign = align;
  context.textBaseline = "middle";
  context.fillText(text, x, y);
}

/** `text` as far as it fits; sets the font. */
function fit(context: CanvasRenderingContext2D, text: string, font: string, room: number): string {
  context.font = font;
  const key = `${font}\n${text}`;
  const known = fitted.get(key);
  if (known !== undefined) return known;
  let shown = clean(text, 80);
  if (context.measureText(shown).width > room) {
    let [low, high] = [0, shown.length];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (context.measureText(`${shown.slice(0, middle)}…`).width <= room) low = middle;
      else high = middle - 1;
    }
    shown = `${shown.slice(0, low)}…`;
  }
  if (fitted.size > 8000) fitted.clear();
  fitted.set(key, shown);
  return shown;
}

export const crosses = ({ x0, y0, x1, y1 }: Curve, view: Box): boolean =>
  x1 >= view.x &&
  x0 <= view.x + view.width &&
  Math.max(y0, y1) >= view.y - 20 &&
  Math.min(y0, y1) <= view.y + view.height + 20;

const within = ({ x, y, height }: Placed, view: Box): boolean =>
  x + WIDTH >= view.x &&
  x - WIDTH <= view.x + view.width &&
  y + height >= view.y &&
  y - height <= view.y + view.height;
