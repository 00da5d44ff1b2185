/** Why a service gets what it gets. */
import { type Decision, decide } from "./decide.js";
import type { Look } from "./inputs.js";
import { collect, type MergedMember, objectsOf, type Part, type Whole } from "./merge.js";
import type { Layer, Linked, Service } from "./resources.js";
import { type RuleNode, truthOf } from "./rule.js";
import { operatorName, typeName } from "./rulereader.js";
import { clip, compareText, utf8Length } from "./text.js";
import {
  type Contribution,
  type LayerExplanation,
  Outcome,
  type ParameterExplanation,
  type RuleExplanation,
  Truth,
} from "./types.js";
import { plain, valueText } from "./value.js";

/**
 * Bounds the paths of one explanation, all together: those of deep parameters with long
 * keys would be much longer than the parameters.
 */
const maxPathBytes = 16 << 20;

/** Explains what each layer of a service does, and returns what matched, too. */
export function explainLayers(
  service: Service,
  look: Look,
  only: ReadonlySet<string> | undefined,
): { layers: LayerExplanation[]; linked: Linked[] } {
  const layers: LayerExplanation[] = [];
  const linked: Linked[] = [];
  const decision: Decision = { outcome: Outcome.NOT_REQUESTED, slot: -1, found: undefined };
  for (const layer of service.layers) {
    if (!only || only.has(layer.id)) {
      decide(decision, layer, service.name, look);
    } else {
      Object.assign(decision, { outcome: Outcome.NOT_REQUESTED, slot: -1, found: undefined });
    }
    if (decision.outcome === Outcome.MATCHED && decision.found) linked.push(decision.found);
    layers.push(explainLayer(layer, decision, look));
  }
  return { layers, linked };
}

function explainLayer(layer: Layer, { outcome, slot, found }: Decision, look: Look): LayerExplanation {
  const hashKey = layer.hashKey.name;
  const nothing = { key: "", slot, start: 0, end: 0, eid: 0, vid: 0, rule: undefined };
  const base = { layerId: layer.id, priority: layer.priority, hashKey, ...nothing };
  switch (outcome) {
    case Outcome.DISABLED:
      return { ...base, outcome, detail: "the layer is disabled" };
    case Outcome.NOT_REQUESTED:
      return { ...base, outcome, detail: "the request names other layers" };
    case Outcome.NO_KEY:
      return { ...base, outcome, detail: noKeyDetail(hashKey, look.raw(hashKey)) };
    default:
  }
  const key = look.key(layer.hashKey)?.text ?? "";
  if (!found) return { ...base, outcome, key, detail: `slot ${slot} is in no range` };
  const { start, end } = layer.ranges.find((range) => range.start <= slot && slot < range.end) ?? base;
  const { eid, vid } = found.match;
  const there = { ...base, key, start, end, eid, vid };
  if (outcome === Outcome.OTHER_SERVICE) {
    return { ...there, outcome, detail: `slot ${slot} belongs to service ${found.service}` };
  }
  const node = found.experiment.rule;
  const rule = node && explainRule(node, look);
  if (outcome === Outcome.MATCHED || !rule) {
    return { ...there, outcome, rule, detail: `slot ${slot} is in [${start}, ${end})` };
  }
  const unknown = rule.truth === Truth.UNKNOWN;
  return {
    ...there,
    outcome: unknown ? Outcome.RULE_UNKNOWN : Outcome.RULE_FALSE,
    rule,
    detail: `the rule of experiment ${eid} is ${unknown ? "UNKNOWN" : "FALSE"}`,
  };
}

function noKeyDetail(name: string, value: unknown): string {
  if (value === undefined) return `the context has no ${name}`;
  const known = plain(value);
  let what = "a value of another type";
  if (value === null) what = "null";
  else if (known !== undefined) what = clip(valueText(known));
  let why = "only strings and whole numbers can be hashed";
  if (typeof known === "string") why = "the empty string is not hashed";
  else if (typeof known === "number" && !Number.isInteger(known)) why = "numbers with a fraction are not hashed";
  else if (typeof known === "number") {
    why = "whole numbers beyond 2^53 - 1 are not hashed, since readers round them differently: send the id as a string";
  }
  return `${name} is ${what}: ${why}`;
}

function explainRule(node: RuleNode, look: Look): RuleExplanation {
  const { op, children, condition } = node;
  return {
    op: operatorName(op),
    truth: truthOf(node, look),
    children: children.map((child) => explainRule(child, look)),
    field: condition?.attribute.name ?? "",
    type: condition ? typeName(condition.type) : "",
    values: condition?.values ?? [],
    seen: condition && look.raw(condition.attribute.name),
  };
}

/** Explains where each value of the merge of some matches came from. */
export function explainParameters(linked: readonly Linked[]): {
  parameters: ParameterExplanation[];
  truncated: boolean;
} {
  const trace = new Trace(linked);
  trace.walk(
    "",
    linked.map(({ params }, match) => ({ match, params })),
  );
  return {
    parameters: trace.found.sort((a, b) => compareText(a.path, b.path)),
    truncated: trace.truncated,
  };
}

/** Records where each value of a merge came from, and what it hid. */
class Trace {
  readonly found: ParameterExplanation[] = [];
  truncated = false;
  private bytes = 0;

  constructor(private readonly linked: readonly Linked[]) {}

  walk(above: string, parts: readonly Part[]): void {
    for (const [key, merged] of collect(parts)) {
      if (this.truncated) return;
      const path = `${above}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
      const objects = objectsOf(merged);
      // An object that stays empty is a value of its own.
      if (merged.hidden.length > 0 || objects.every(({ params }) => params.members.size === 0)) {
        this.keep(path, merged);
      }
      this.walk(path, objects);
    }
  }

  private keep(path: string, merged: MergedMember): void {
    this.bytes += utf8Length(path);
    if (this.bytes > maxPathBytes) {
      this.truncated = true;
      return;
    }
    this.found.push({
      path,
      winner: this.contribution(merged),
      hidden: merged.hidden.map((below) => this.contribution(below)),
    });
  }

  private contribution({ match, owner, member }: Whole): Contribution {
    const found = this.linked[match]?.match;
    return {
      layerId: found?.layerId ?? "",
      eid: found?.eid ?? 0,
      vid: found?.vid ?? 0,
      value: owner.text.slice(member.value, member.end),
    };
  }
}
