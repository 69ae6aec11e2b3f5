// Turns pointers, wheels and pinches into wishes; knows nothing of what is painted.

export interface Wishes {
  pan(dx: number, dy: number): void;
  zoom(factor: number, x: number, y: number): void;
  /** The pointer is at a pixel, or (`null`) nowhere. */
  hover(at: [number, number] | null): void;
  click(x: number, y: number): void;
}

/** Pixels that a pointer may shake during a click. */
const SHAKE = 4;
/** Milliseconds after a turn of the wheel elsewhere, in which the page goes on scrolling. */
const PASSING = 350;

/** Listens on `stage` until the returned function is called. */
export function capture(stage: HTMLElement, wishes: Wishes): () => void {
  const pointers = new Map<number, [number, number]>();
  let moved = 0;
  let elsewhere = Number.NEGATIVE_INFINITY;
  const at = (event: MouseEvent): [number, number] => {
    const box = stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  const down = (event: PointerEvent) => {
    if (event.button !== 0) return;
    if (!pointers.size) moved = 0;
    pointers.set(event.pointerId, at(event));
    stage.setPointerCapture(event.pointerId);
  };
  const move = (event: PointerEvent) => {
    const here = at(event);
    const before = pointers.get(event.pointerId);
    if (!before) {
      wishes.hover(here);
      return;
    }
    const others = [...pointers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
    const other = others[0];
    const [dx, dy] = [here[0] - before[0], here[1] - before[1]];
    moved += Math.hypot(dx, dy);
    pointers.set(event.pointerId, here);
    if (moved <= SHAKE) return;
    wishes.hover(null);
    if (!other) {
      wishes.pan(dx, dy);
      return;
    }
    const apart = (place: [number, number]) =>
      Math.max(1, Math.hypot(place[0] - other[0], place[1] - other[1]));
    wishes.pan(dx / 2, dy / 2);
    wishes.zoom(apart(here) / apart(before), (here[0] + other[0]) / 2, (here[1] + other[1]) / 2);
  };
  const up = (event: PointerEvent) => {
    if (!pointers.delete(event.pointerId) || pointers.size || event.type === "pointercancel") return;
    if (moved <= SHAKE) wishes.click(...at(event));
  };
  const leave = () => wishes.hover(null);
  const wheel = (event: WheelEvent) => {
    // Whoever scrolls through the notebook does not mean the picture that comes by.
    if (event.timeStamp - elsewhere < PASSING && !event.ctrlKey) {
      elsewhere = event.timeStamp;
      return;
    }
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? 1 : 20;
    const speed = event.ctrlKey ? 0.01 : 0.0016;
    const factor = Math.exp(-Math.max(-240, Math.min(240, event.deltaY * lines)) * speed);
    wishes.zoom(factor, ...at(event));
  };
  const passing = (event: WheelEvent) => {
    if (!event.composedPath().includes(stage)) elsewhere = event.timeStamp;
  };

  stage.addEventListener("pointerdown", down);
  stage.addEventListener("pointermove", move);
  stage.addEventListener("pointerup", up);
  stage.addEventListener("pointercancel", up);
  stage.addEventListener("pointerleave", leave);
  stage.addEventListener("wheel", wheel, { passive: false });
  window.addEventListener("wheel", passing, { passive: true, capture: true });
  return () => window.removeEventListener("wheel", passing, { capture: true });
}
