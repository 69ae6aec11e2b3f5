// Steers the camera: by what the person wishes, and by itself as long as the person has not steered.
import { type Camera, type Pose, STEP } from "./camera.ts";
import type { Placed } from "./layout.ts";
import type { Scene } from "./scene.ts";
import type { Screen } from "./screen.ts";

/** The scale at which one can read a card. */
const LEGIBLE = 0.62;
/** Pixels around a selected node that the panel must not cover. */
const ROOM = 85;

export interface Cockpit {
  camera: Camera;
  screen: () => Screen;
  scene: () => Scene;
  /** Pixels that the panel covers at the right. */
  covered: () => number;
}

export class Pilot {
  readonly #in: Cockpit;
  /** Whether the person has moved the camera, so that it is no longer ours to move. */
  moved = false;

  constructor(cockpit: Cockpit) {
    this.#in = cockpit;
  }

  /** The person moves the camera. */
  steer(move: (camera: Camera) => void): void {
    this.moved = true;
    this.#in.screen().land();
    move(this.#in.camera);
    this.#in.screen().invalidate();
  }

  zoom(how: "in" | "out" | "fit"): void {
    if (how === "fit") {
      this.moved = false;
      this.refit();
    } else this.steer((camera) => camera.zoom(how === "in" ? STEP : 1 / STEP));
  }

  /** Show all of it, unless the person looks at something. */
  refit(atOnce = false): void {
    if (this.moved || this.#in.camera.width <= 1) return;
    const { selected } = this.#in.scene().marks;
    if (atOnce) this.#in.screen().jump(this.#home());
    else if (selected !== null) this.uncover(selected);
    else this.#in.screen().fly(this.#home());
  }

  /** Show a node with its surroundings. */
  reveal(id: string): void {
    const { camera, screen, covered } = this.#in;
    const placed = this.#placed(id);
    // Without steering, all of it is on show.
    if (placed && this.moved) screen().fly(camera.revealing(placed.x, placed.y, covered()));
  }

  /** Have the panel not cover what it tells of. */
  uncover(id: string): void {
    const { camera, screen, covered } = this.#in;
    const placed = this.#placed(id);
    const pose = this.moved ? camera.pose : this.#home();
    screen().fly(placed ? camera.revealing(placed.x, placed.y, covered(), ROOM, pose) : pose);
  }

  /** Go near enough to read what was looked for. */
  approach(id: string): void {
    const { camera, screen, covered } = this.#in;
    const placed = this.#placed(id);
    if (!placed) return;
    this.moved = true;
    const k = Math.max(camera.pose.k, LEGIBLE);
    const [x, y] = [(camera.width - covered()) / 2, camera.height / 2];
    screen().fly({ k, x: x - placed.x * k, y: y - placed.y * k });
  }

  /** The pose that shows all of it: beside the panel where it can be read there, else under it. */
  #home(): Pose {
    const { camera, scene, covered } = this.#in;
    const { box } = scene().layout;
    const beside = camera.fitting(box, covered());
    return beside.k >= LEGIBLE ? beside : camera.fitting(box);
  }

  #placed(id: string): Placed | undefined {
    return this.#in.scene().layout.nodes.get(id);
  }
}
