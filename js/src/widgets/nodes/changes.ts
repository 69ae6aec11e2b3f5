// What is to change of a connection.
import type { Connection, Typed } from "./state.ts";

/** What is typed that differs from `entry`; `null` forgets. */
export function changed(
  entry: Pick<Connection, "url" | "key_env" | "domain" | "version">,
  typed: Typed,
  forgets: boolean,
): Record<string, string | null> {
  if (forgets && typed.secret) throw new Error("Give a key or have it forgotten, not both.");
  const changes: Record<string, string | null> = forgets ? { secret: null, key_env: null } : {};
  if (typed.url && typed.url !== entry.url) changes.url = typed.url;
  for (const field of ["secret", "access_key"] as const) if (typed[field]) changes[field] = typed[field];
  for (const field of ["key_env", "domain", "version"] as const) {
    if (field in changes || typed[field] === (entry[field] ?? "")) continue;
    changes[field] = typed[field] || null;
  }
  return changes;
}
