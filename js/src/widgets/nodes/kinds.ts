// The types of connections. Mirrors bago_jupyter/connections/kinds.py.

export interface Kind {
  type: string;
  name: string;
  what?: string;
  /** An example of its address, or what none means. */
  url: string;
  cluster?: boolean;
}

export const KINDS: Kind[] = [
  {
    type: "openai",
    name: "OpenAI compatible",
    what: "vLLM, Ollama, LM Studio, llama-server, Ray Serve; without a URL OpenAI's cloud",
    url: "http://host:8000/v1",
  },
  { type: "anthropic", name: "Anthropic", url: "empty is Anthropic's cloud" },
  { type: "gemini", name: "Google Gemini", url: "empty is Google's cloud" },
  { type: "continuum_router", name: "Continuum Router", url: "http://host:8080" },
  { type: "backend_ai_go", name: "Backend.AI GO", url: "http://host:8080" },
  {
    type: "backend_ai_cluster",
    name: "Backend.AI cluster",
    url: "https://manager.example.com",
    cluster: true,
  },
];

/** A type's name, for people. */
export function nameOf(type: string): string {
  return KINDS.find((kind) => kind.type === type)?.name ?? type;
}
