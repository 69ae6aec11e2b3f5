// What a playground shows. Mirrors `Turn` of bago_jupyter/widgets/conversation.py, the parameters of
// sampling.py and the messages of playground.py.

export interface Turn {
  id: number;
  role: "user" | "assistant";
  text: string;
  thought: string;
  state: "streaming" | "done" | "stopped" | "failed";
  error: string | null;
  model: string | null;
  node: string | null;
  request: string | null;
  attempts: number | null;
  first: number | null;
  seconds: number | null;
  tokens: number | null;
  speed: number | null;
  cut: boolean;
  pieces: number;
}

export interface Parameters {
  model: string;
  system: string;
  temperature: number | null;
  max_tokens: number | null;
  top_p: number | null;
  seed: number | null;
  stop: string[];
}

export interface Whole {
  turns: Turn[];
  parameters: Parameters;
}

export interface Choices {
  label: string;
  kind: string;
  options: { value: string; label: string; state: string; chat: boolean }[];
}

export interface State {
  view: { name: string; groups: Choices[] } | null;
  down: string | null;
  save?: boolean;
  saved?: Whole | null;
}

export type Push =
  | { kind: "turn"; turn: Turn }
  | ({ kind: "turns" } & Whole)
  | { kind: "piece"; of: number; at: number; text: string; thought: string };

/** Asks the kernel; resolves with its answer. */
export type Ask = (kind: string, fields?: Record<string, unknown>) => Promise<unknown>;
