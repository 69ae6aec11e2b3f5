// Decides when to paint: the graph when it changed, particles while something flows and can be seen, else nothing.
import { attribute } from "../dom.ts";
import { between, type Camera, type Pose } from "./camera.ts";
import type { Flow } from "./flow.ts";
import { GraphPainter } from "./painter.ts";
import { ParticlePainter } from "./particles.ts";
import type { Scene } from "./scene.ts";
import type { Theme } from "./theme.ts";

const FLIGHT = 260;

export interface Stage {
  root: HTMLElement;
  stage: HTMLElement;
  graph: HTMLCanvasElement;
  particles: HTMLCanvasElement;
  camera: Camera;
  theme: Theme;
  flow: () => Flow;
  scene: () => Scene;
  resized: () => void;
}

export class Screen {
  readonly #on: Stage;
  readonly #still = new GraphPainter();
  readonly #moving = new ParticlePainter();
  readonly #calm = matchMedia("(prefers-reduced-motion: reduce)");
  readonly #size: ResizeObserver;
  readonly #sight: IntersectionObserver;
  #frame = 0;
  #stale = true;
  #inSight = true;
  #flight: { from: Pose; to: Pose; start: number } | null = null;
  #settle: ReturnType<typeof setTimeout> | undefined;
  /** Called when the person begins or ends to want reduced motion. */
  onMotion: (allowed: boolean) => void = () => {};

  constructor(on: Stage) {
    this.#on = on;
    this.#size = new ResizeObserver(() => this.#resize());
    this.#size.observe(on.stage);
    this.#sight = new IntersectionObserver((seen) => {
      this.#inSight = seen.at(-1)?.isIntersecting ?? true;
      if (this.#inSight) this.invalidate();
    });
    this.#sight.observe(on.stage);
    this.#calm.addEventListener("change", this.#changed);
  }

  /** Whether things may move. */
  get motion(): boolean {
    return !this.#calm.matches;
  }

  close(): void {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#settle);
    this.#size.disconnect();
    this.#sight.disconnect();
    this.#calm.removeEventListener("change", this.#changed);
  }

  /** Paint everything with the next frame. */
  invalidate(): void {
    this.#stale = true;
    this.stir();
  }

  /** Something may flow: paint what moves until nothing does. */
  stir(): void {
    if (this.#frame || document.hidden || !this.#inSight) return;
    this.#frame = requestAnimationFrame((now) => this.#paint(now));
  }

  /** Be at `pose` at once. */
  jump(pose: Pose): void {
    this.#flight = null;
    this.#on.camera.pose = pose;
    this.invalidate();
  }

  /** Move to `pose`, smoothly where that is wished. */
  fly(pose: Pose): void {
    if (!this.motion) {
      this.jump(pose);
      return;
    }
    this.#flight = { from: this.#on.camera.pose, to: pose, start: performance.now() };
    this.stir();
  }

  /** Stop moving: the person steers. */
  land(): void {
    this.#flight = null;
  }

  #paint(now: number): void {
    this.#frame = 0;
    const { camera, theme, graph, particles, root } = this.#on;
    const flow = this.#on.flow();
    const scene = this.#on.scene();
    if (this.#flight) {
      const { from, to, start } = this.#flight;
      const t = Math.min(1, Math.max(0, (now - start) / FLIGHT));
      camera.pose = between(from, to, t);
      if (t === 1) this.#flight = null;
      this.#stale = true;
    }
    if (camera.width > 1) {
      if (this.#stale) {
        theme.refresh();
        this.#still.paint(graph, camera, scene, theme.colours);
      }
      this.#stale = false;
      flow.advance(now);
      const [all, red] = this.#moving.paint(particles, camera, scene, flow, theme.colours, now);
      attribute(root, "data-particles", all);
      attribute(root, "data-red", red);
      attribute(root, "data-active", flow.active.size);
    }
    attribute(root, "data-moving", flow.moving && this.motion);
    clearTimeout(this.#settle);
    if (this.#flight || (flow.moving && this.motion)) this.stir();
    else if (flow.moving) this.#settle = setTimeout(() => this.stir(), 250); // light that goes out, without motion
  }

  #resize(): void {
    const { stage, camera } = this.#on;
    const fresh = camera.width <= 1;
    camera.width = Math.max(1, stage.clientWidth);
    camera.height = Math.max(1, stage.clientHeight);
    this.#on.resized();
    if (fresh && this.#flight) this.jump(this.#flight.to);
    this.invalidate();
  }

  #changed = (): void => {
    this.onMotion(this.motion);
    this.invalidate();
  };
}
