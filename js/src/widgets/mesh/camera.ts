// What part of the picture is on show, and how large. Pure: pixels in, pixels out.
import type { Box } from "./layout.ts";

export const NEAREST = 2.5;
export const FARTHEST = 0.02;
/** How much a click of the zoom buttons changes. */
export const STEP = 1.35;

/** Screen = picture * `k` + (`x`, `y`). */
export interface Pose {
  x: number;
  y: number;
  k: number;
}

export class Camera {
  pose: Pose = { x: 0, y: 0, k: 1 };
  width = 1;
  height = 1;

  /** Move the picture by pixels. */
  pan(dx: number, dy: number): void {
    this.pose = { ...this.pose, x: this.pose.x + dx, y: this.pose.y + dy };
  }

  /** Zoom by `factor`; what is at the pixel (`x`, `y`) stays there. */
  zoom(factor: number, x = this.width / 2, y = this.height / 2): void {
    const k = limited(this.pose.k * factor);
    const grown = k / this.pose.k;
    this.pose = { k, x: x - (x - this.pose.x) * grown, y: y - (y - this.pose.y) * grown };
  }

  /** The pose that shows all of `box`, not larger than life. */
  fitting(box: Box, right = 0, padding = 18): Pose {
    const width = Math.max(1, this.width - right - 2 * padding);
    const height = Math.max(1, this.height - 2 * padding);
    const k = limited(Math.min(1.1, width / Math.max(1, box.width), height / Math.max(1, box.height)));
    return {
      k,
      x: padding + (width - box.width * k) / 2 - box.x * k,
      y: padding + (height - box.height * k) / 2 - box.y * k,
    };
  }

  /** From `pose`, move as little as shows the point of the picture (`x`, `y`) with `margin` pixels around it. */
  revealing(x: number, y: number, right = 0, margin = 110, pose: Pose = this.pose): Pose {
    const shift = (at: number, size: number) =>
      (size < 2 * margin ? size / 2 : Math.min(Math.max(at, margin), size - margin)) - at;
    return {
      k: pose.k,
      x: pose.x + shift(x * pose.k + pose.x, this.width - right),
      y: pose.y + shift(y * pose.k + pose.y, this.height),
    };
  }

  toScreen(x: number, y: number): [number, number] {
    return [x * this.pose.k + this.pose.x, y * this.pose.k + this.pose.y];
  }

  toPicture(x: number, y: number): [number, number] {
    return [(x - this.pose.x) / this.pose.k, (y - this.pose.y) / this.pose.k];
  }

  /** The part of the picture that is on show. */
  get view(): Box {
    const [x, y] = this.toPicture(0, 0);
    return { x, y, width: this.width / this.pose.k, height: this.height / this.pose.k };
  }
}

const limited = (k: number): number => Math.min(NEAREST, Math.max(FARTHEST, k));

/** Between two poses, `t` from 0 to 1; eased, and even to the eye when zooming. */
export function between(from: Pose, to: Pose, t: number): Pose {
  const s = t * (2 - t);
  const mix = (a: number, b: number) => a + (b - a) * s;
  return { x: mix(from.x, to.x), y: mix(from.y, to.y), k: mix(from.k, to.k) };
}
