// How numbers read on the dashboard.

/** A dash for what is not known. */
export const NONE = "–";

/** Seconds as `12 ms` or `3.4 s`. */
export function seconds(value: number | null): string {
  if (value === null) return NONE;
  if (value < 0.0995) return `${trim(value * 1000, 2)} ms`;
  return value < 0.9995 ? `${Math.round(value * 1000)} ms` : `${trim(value, 3)} s`;
}

/** A number with three digits at most, and a letter for thousands. */
export function quantity(value: number | null): string {
  if (value === null) return NONE;
  const units = ["", "k", "M", "G", "T"];
  let step = 0;
  let rest = value;
  while (rest >= 999.5 && step < units.length - 1) {
    rest /= 1000;
    step += 1;
  }
  return `${trim(rest, 3)}${units[step]}`;
}

/** Bytes in powers of 1024. */
export function bytes(value: number | null): string {
  return value === null ? NONE : `${trim(value / 2 ** 30, 3)} GiB`;
}

/** A share of 1 in percent. */
export function percent(share: number | null): string {
  return share === null ? NONE : `${Math.round(share * 100)} %`;
}

/** The smallest round number that is not below `value`: where an axis ends. */
export function nice(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const found = [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((step) => step * power >= value * (1 - 1e-9)) as number;
  return found * power;
}

/** A Unix time as hours and minutes, with the day where the span is long. */
export function clock(at: number, day = false): string {
  const options: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  if (day) options.weekday = "short";
  return new Date(at * 1000).toLocaleTimeString(undefined, options);
}

function trim(value: number, digits: number): string {
  return String(Number(value.toPrecision(digits)));
}
