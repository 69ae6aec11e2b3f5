// Paints what moves, on a canvas of its own above the graph: light on active edges, and particles.
import { Bundles } from "./bundles.ts";
import type { Camera } from "./camera.ts";
import type { Flow } from "./flow.ts";
import { along, type Curve } from "./layout.ts";
import { CROWD, crosses, glow, surface } from "./painter.ts";
import type { Scene } from "./scene.ts";
import type { Colours } from "./theme.ts";

const SIZE = 26;

/** A painter that keeps its sprites and paths. */
export class ParticlePainter {
  readonly #sprites = new Map<string, HTMLCanvasElement>();
  readonly #light = new Bundles();

  /** Paint; returns how many particles are on show, and how many of them are red. */
  paint(
    canvas: HTMLCanvasElement,
    camera: Camera,
    scene: Scene,
    flow: Flow,
    colours: Colours,
    now: number,
  ): [number, number] {
    const context = surface(canvas, camera);
    const { k } = camera.pose;
    const { layout } = scene;
    const { view } = camera;
    const shining = new Map<string, [Curve, string]>();
    for (const [edges, bad] of [
      [flow.active, false],
      [flow.flashes, true],
    ] as const) {
      for (const edge of edges.keys()) {
        const curve = layout.curve(edge);
        if (curve && crosses(curve, view))
          shining.set(curve.id, [curve, bad || failing(curve) ? colours.bad : colours.good]);
      }
    }
    const light = this.#light.of(
      [...shining.values()].map(([curve]) => curve),
      (curve) => shining.get(curve.id)?.[1] ?? colours.good,
    );
    glow(context, light, k, shining.size > CROWD);
    const size = SIZE * Math.max(1, Math.min(0.7 / k, 14));
    // Drawn as large as it is shown, so that nothing is scaled a thousand times a frame.
    const pixels = Math.max(4, Math.round(size * k * (window.devicePixelRatio || 1)));
    const [good, bad] = [this.#sprite(colours.good, pixels), this.#sprite(colours.bad, pixels)];
    let [all, red] = [0, 0];
    for (const spot of flow.spots(now)) {
      const curve = layout.curve(spot.edge);
      if (!curve) continue;
      const [x, y] = along(curve, spot.t);
      const wrong = spot.bad || failing(curve);
      context.drawImage(wrong ? bad : good, x - size / 2, y - size / 2, size, size);
      all++;
      if (wrong) red++;
    }
    return [all, red];
  }

  #sprite(colour: string, pixels: number): HTMLCanvasElement {
    const key = `${pixels} ${colour}`;
    const known = this.#sprites.get(key);
    if (known) return known;
    if (this.#sprites.size > 16) this.#sprites.clear();
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = pixels;
    const context = canvas.getContext("2d") as CanvasRenderingContext2D;
    context.fillStyle = colour;
    for (const [radius, strength] of [
      [0.46, 0.12],
      [0.3, 0.25],
      [0.16, 1],
    ] as const) {
      context.globalAlpha = strength;
      context.beginPath();
      context.arc(pixels / 2, pixels / 2, radius * pixels, 0, 2 * Math.PI);
      context.fill();
    }
    this.#sprites.set(key, canvas);
    return canvas;
  }
}

const failing = (curve: Curve): boolean => curve.state === "unhealthy";
