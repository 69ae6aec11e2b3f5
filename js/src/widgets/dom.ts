// The few DOM helpers that every widget uses. Data reaches the page as text only, never as HTML.

type Attributes = Record<string, string | number | boolean | null>;

/** A new element with `attributes` and `children`; a string child is text. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) attribute(made, name, value);
  made.append(...children);
  return made;
}

/** Set or remove an attribute, touching the page only when something changes. */
export function attribute(on: Element, name: string, value: string | number | boolean | null): void {
  if (value === null || value === false) on.removeAttribute(name);
  else if (on.getAttribute(name) !== String(value))
    on.setAttribute(name, value === true ? "" : String(value));
}

/** Set the text, touching the page only when it changes. */
export function text(on: Element, value: string): void {
  if (on.textContent !== value) on.textContent = value;
}

/** Make `parent` hold one child per key, in order; kept children keep their focus, one that goes hands it on. */
export function rows<T>(
  parent: Element,
  items: T[],
  key: (item: T) => string,
  make: (item: T) => HTMLElement,
  update: (row: HTMLElement, item: T) => void,
): void {
  const old = new Map(
    [...parent.children].map((row) => [(row as HTMLElement).dataset.key, row as HTMLElement]),
  );
  let after: Element | null = null;
  for (const item of items) {
    const name = key(item);
    const row: HTMLElement = old.get(name) ?? make(item);
    old.delete(name);
    row.dataset.key = name;
    update(row, item);
    const place: Element | null = after === null ? parent.firstElementChild : after.nextElementSibling;
    if (place !== row) parent.insertBefore(row, place);
    after = row;
  }
  const held = [...old.values()].some((row) => row.contains(document.activeElement));
  for (const row of old.values()) row.remove();
  if (held) settle(parent, parent.closest(".bago-part"), parent.closest("fieldset"));
}

/** Like `rows`, of rows that show their items themselves: what it returns brings `parent` up to date. */
export function list<T>(
  parent: Element,
  key: (item: T) => string,
  make: (item: T) => { root: HTMLElement; show(item: T): void },
): (items: T[]) => void {
  const made = new WeakMap<HTMLElement, { show(item: T): void }>();
  const begin = (item: T): HTMLElement => {
    const row = make(item);
    made.set(row.root, row);
    return row.root;
  };
  return (items) => rows(parent, items, key, begin, (root, item) => made.get(root)?.show(item));
}

/** Whether the keyboard's focus is nowhere: on the page as a whole, or on what cannot be seen any more. */
export function adrift(): boolean {
  const at = document.activeElement;
  return at === null || at === document.body || !at.checkVisibility();
}

/** Put the focus on the first of `places` that can be seen: itself where it is a button, else its first button. */
export function settle(...places: (Element | null | undefined)[]): void {
  for (const place of places) {
    if (!place?.isConnected) continue;
    const inside = [place, ...place.querySelectorAll("button")].filter((one) => one.matches("button"));
    const seen = inside.find((one) => one.checkVisibility() && !one.matches(":disabled"));
    if (!seen) continue;
    (seen as HTMLElement).focus();
    return;
  }
}

/** Leave the arrow keys to the controls in `root`: JupyterLab's notebook takes them from radio buttons, sliders
 * and lists in its outputs, whatever `data-lm-suppress-shortcuts` says. */
export function keepArrows(root: HTMLElement): void {
  root.addEventListener("keydown", (event) => {
    if (event.key.startsWith("Arrow")) event.stopPropagation();
  });
}

/** Put `value` on the clipboard; `false` when the browser does not let us. */
export async function copy(value: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(value);
    return true;
  } catch {
    // The clipboard API wants HTTPS or localhost; this older way does not.
    const area = element("textarea", { readonly: true, style: "position:fixed;opacity:0" });
    const focus = document.activeElement;
    area.value = value;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (focus instanceof HTMLElement) focus.focus();
    return done;
  }
}
