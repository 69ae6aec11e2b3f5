// Curves of one look as one path, kept for as long as they are the same curves.
import type { Curve } from "./layout.ts";

export class Bundles<Name extends string = string> {
  #curves: readonly Curve[] = [];
  #names: readonly Name[] = [];
  #paths: ReadonlyMap<Name, Path2D> = new Map();

  /** The paths of `curves` by what `name` calls them. */
  of(curves: readonly Curve[], name: (curve: Curve) => Name): ReadonlyMap<Name, Path2D> {
    const names = curves.map(name);
    if (same(curves, this.#curves) && same(names, this.#names)) return this.#paths;
    const paths = new Map<Name, Path2D>();
    curves.forEach((curve, at) => {
      const called = names[at] as Name;
      const path = paths.get(called) ?? new Path2D();
      paths.set(called, path);
      line(path, curve);
    });
    [this.#curves, this.#names, this.#paths] = [curves, names, paths];
    return paths;
  }
}

function line(path: Path2D, { x0, y0, x1, y1 }: Curve): void {
  const bend = (x1 - x0) / 2;
  path.moveTo(x0, y0);
  path.bezierCurveTo(x0 + bend, y0, x1 - bend, y1, x1, y1);
}

const same = (some: readonly unknown[], others: readonly unknown[]): boolean =>
  some.length === others.length && some.every((one, at) => one === others[at]);
