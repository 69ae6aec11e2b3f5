// Which node is at a point, without asking all of them.
import { type Layout, type Placed, WIDTH } from "./layout.ts";

const CELL = 256;

export class Grid {
  readonly #cells = new Map<string, Placed[]>();

  constructor(layout: Layout) {
    for (const node of layout.nodes.values()) {
      for (const key of cells(node.x - WIDTH / 2, node.y - node.height / 2, WIDTH, node.height)) {
        const cell = this.#cells.get(key);
        if (cell) cell.push(node);
        else this.#cells.set(key, [node]);
      }
    }
  }

  /** The node at a point of the picture; `slack` makes small ones easier to hit. */
  at(x: number, y: number, slack = 0): Placed | undefined {
    let best: Placed | undefined;
    let distance = slack;
    for (const key of cells(x - slack, y - slack, 2 * slack, 2 * slack)) {
      for (const node of this.#cells.get(key) ?? []) {
        const away = Math.max(Math.abs(node.x - x) - WIDTH / 2, Math.abs(node.y - y) - node.height / 2, 0);
        if (away <= distance) [best, distance] = [node, away];
      }
    }
    return best;
  }
}

function* cells(x: number, y: number, width: number, height: number): Generator<string> {
  for (let column = Math.floor(x / CELL); column <= Math.floor((x + width) / CELL); column++) {
    for (let row = Math.floor(y / CELL); row <= Math.floor((y + height) / CELL); row++) {
      yield `${column} ${row}`;
    }
  }
}
