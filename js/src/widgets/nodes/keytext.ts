// What can be read from a connection key without its secret. The format: bago_jupyter/trust/connection_key.py.

export interface KeyFacts {
  name: string;
  fingerprint: string;
  /** Unix seconds. */
  expires: number;
}

/** The facts of a pasted key, or `null` where it is none. The kernel judges it in full. */
export function readKey(pasted: string): KeyFacts | null {
  const key = pasted.replace(/\s+/g, "").replaceAll("&amp;", "&");
  const query = /^["'`<]*bago:\/\/[^/?#]+\/pair\?(.*)$/.exec(key)?.[1];
  if (query === undefined) return null;
  const fields = new Map(
    query.split("&").map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]),
  );
  try {
    const digest = atob((fields.get("f") ?? "").replaceAll("-", "+").replaceAll("_", "/"));
    const digits = [...digest].map((byte) => byte.charCodeAt(0).toString(16).padStart(2, "0"));
    const expires = Number(fields.get("e"));
    if (digits.length !== 32 || !expires) return null;
    return {
      name: decodeURIComponent(fields.get("n") ?? ""),
      fingerprint: `fp_${digits.join("")}`,
      expires,
    };
  } catch {
    return null;
  }
}
