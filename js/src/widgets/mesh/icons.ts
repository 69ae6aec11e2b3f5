// One small drawing for each type of node, in a box of 16 by 16: for the canvas and for the legend.

const CLOUD = "M4.5 12.5a3 3 0 0 1-.3-6 4 4 0 0 1 7.6-.6 3.3 3.3 0 0 1-.3 6.6z";
const BOX = "M2.5 4.5 8 2l5.5 2.5v7L8 14l-5.5-2.5zM2.5 4.5 8 7l5.5-2.5M8 7v7";

/** Lines, as SVG path data. */
export const ICONS = {
  user: "M8 8a2.8 2.8 0 1 0 0-5.6A2.8 2.8 0 0 0 8 8zM2.8 14a5.2 5.2 0 0 1 10.4 0",
  router:
    "M2 8h12M8 2v12M4.5 5.5 2 8l2.5 2.5M11.5 5.5 14 8l-2.5 2.5M5.5 4.5 8 2l2.5 2.5M5.5 11.5 8 14l2.5-2.5",
  local: "M4 4h8v8H4zM6.5 1.5V4M9.5 1.5V4M6.5 12v2.5M9.5 12v2.5M1.5 6.5H4M1.5 9.5H4M12 6.5h2.5M12 9.5h2.5",
  peer: "M2 3h12v8H2zM5.5 14h5M8 11v3",
  cluster: "M2.5 2.5h11v3h-11zM2.5 6.5h11v3h-11zM2.5 10.5h11v3h-11zM5 4h.1M5 8h.1M5 12h.1",
  cloud: CLOUD,
  model: BOX,
  group: "M2.5 5.5h8v8h-8zM5.5 5.5v-3h8v8h-3",
} as const;

export type Icon = keyof typeof ICONS;

const KINDS: Record<string, Icon> = {
  local: "local",
  peer: "peer",
  backend_ai_go: "peer",
  continuum_router: "router",
  backend_ai_cluster: "cluster",
};

/** The icon of a backend's type. */
export const backendIcon = (kind: string | null): Icon => KINDS[kind ?? ""] ?? "cloud";

/** The icon as an element. */
export function drawn(icon: Icon): SVGSVGElement {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const path = document.createElementNS(space, "path");
  for (const [name, value] of [
    ["viewBox", "0 0 16 16"],
    ["width", "16"],
    ["height", "16"],
    ["aria-hidden", "true"],
  ] as const) {
    svg.setAttribute(name, value);
  }
  path.setAttribute("d", ICONS[icon]);
  svg.append(path);
  return svg;
}
