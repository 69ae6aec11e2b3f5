// Text of others, made fit to stand beside our own.

const CONTROLS =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** `value` with a mark in place of each character that turns the reading direction or cannot be seen. */
export function shown(value: string): string {
  return value.replace(CONTROLS, "\ufffd");
}

/** Prose without what makes it read as another text than it is; marks that right-to-left scripts need stay. */
export function unturned(value: string): string {
  return value.replace(/[\u202a-\u202e]/g, "\ufffd");
}

/** Bytes with three digits: `98.4 MB`. Mirrors `size` of bago_jupyter/widgets/plain.py. */
export function size(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let at = 0;
  while (value >= 999.5 && at < units.length - 1) {
    value /= 1000;
    at += 1;
  }
  return `${Number(value.toPrecision(3))} ${units[at]}`;
}

/** A count with three digits: `135 M`. */
export function quantity(count: number): string {
  const units = ["", " k", " M", " G", " T"];
  let value = count;
  let at = 0;
  while (value >= 999.5 && at < units.length - 1) {
    value /= 1000;
    at += 1;
  }
  return `${Number(value.toPrecision(3))}${units[at]}`;
}
