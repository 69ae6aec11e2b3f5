// What the shapes and colours mean.
import { element } from "../dom.ts";
import { drawn, type Icon } from "./icons.ts";

const NODES: [Icon, string][] = [
  ["user", "User: you"],
  ["router", "Router of this node, or another router"],
  ["local", "Local engine"],
  ["peer", "Backend.AI GO peer"],
  ["cluster", "Backend.AI Cluster"],
  ["cloud", "Cloud or compatible server"],
  ["model", "Model"],
  ["group", "Many models; opens"],
];

const LINES: [string, string][] = [
  ["healthy", "Healthy connection"],
  ["unhealthy", "Unhealthy, or failed"],
  ["warming", "Warming up"],
  ["disabled", "Disabled, or not known"],
  ["request", "Request or answer on its way"],
  ["failure", "A failure coming back"],
];

export function legend(): HTMLElement {
  const list = (label: string, items: HTMLElement[]) =>
    element("ul", { "aria-label": label }, ...items.map((item) => element("li", {}, ...item.childNodes)));
  return element(
    "div",
    { class: "bago-legend", role: "group", "aria-label": "Legend", hidden: true },
    list(
      "Node types",
      NODES.map(([icon, words]) => element("li", {}, drawn(icon), words)),
    ),
    list(
      "Connections",
      LINES.map(([state, words]) =>
        element("li", {}, element("span", { class: "bago-sample", "data-state": state }), words),
      ),
    ),
  );
}
