/** A compiled configuration, and how it is evaluated. */
import type { Snapshot } from "../gen/strata/config/v1/config_pb.js";
import { Cache } from "./cache.js";
import { type Decision, decide } from "./decide.js";
import { Delta, repeatedIn } from "./delta.js";
import { explainLayers, explainParameters } from "./explain.js";
import { Faults } from "./fault.js";
import { Attributes, Look } from "./inputs.js";
import { type Change, emptyState, link, type State } from "./link.js";
import { parsePath } from "./path.js";
import type { Experiment, Layer, Linked } from "./resources.js";
import { Evaluated, Merged, noMatch } from "./result.js";
import { compareText } from "./text.js";
import { type Context, type Explanation, Outcome, type Result } from "./types.js";

/** What a Ruleset and those made from it use together. */
class Shared {
  readonly cache = new Cache<Merged>();
  readonly attributes = new Attributes();
}

/**
 * A compiled configuration. It never changes; a new revision is a new Ruleset that
 * shares with the old one whatever did not change.
 */
export class Ruleset {
  readonly #state: State;
  readonly #shared: Shared;

  private constructor(state: State, shared: Shared) {
    this.#state = state;
    this.#shared = shared;
  }

  /**
   * Compiles a whole configuration. What is equal in the previous one is shared with it
   * and not compiled again; this is cheapest where it is the same message. The messages
   * of the snapshot must not be changed afterwards.
   *
   * @throws Faults everything that is wrong
   */
  static compile(previous: Ruleset | undefined, snapshot: Snapshot): Ruleset {
    const before = previous ? previous.#state : emptyState();
    const shared = previous ? previous.#shared : new Shared();
    const delta = new Delta(before, snapshot);
    const { state, faults } = link(before, delta.change, shared.attributes);
    if (faults.length + delta.repeated.length > 0) {
      throw new Faults([...delta.repeated, ...faults.map((fault) => delta.located(fault))]);
    }
    return new Ruleset(state, shared);
  }

  /**
   * Returns the configuration with a change made to it. Only what changed is compiled; a
   * change of a field's type compiles all rules that use it.
   *
   * @throws Faults everything that is wrong; an index is the place in the list of the
   * change, or -1 for a resource that was not changed itself
   */
  apply(change: Change): Ruleset {
    const repeated = repeatedIn(change);
    const { state, faults } = link(this.#state, change, this.#shared.attributes);
    if (faults.length + repeated.length > 0) throw new Faults([...repeated, ...faults]);
    return new Ruleset(state, this.#shared);
  }

  /** The revision that the configuration was given. */
  get revision(): bigint {
    return this.#state.revision;
  }

  /** How many layers there are. */
  get layers(): number {
    return this.#state.layers.size;
  }

  /** How many experiments there are. */
  get experiments(): number {
    return this.#state.experiments.size;
  }

  /**
   * Returns what a service gets in a context. If layers is not empty, only layers named
   * in it take part. Whatever the context holds, it throws nothing.
   */
  evaluate(service: string, context: Context, layers: readonly string[] = []): Result {
    const found = this.#state.services.get(service);
    if (!found) return noMatch;
    const only = selection(layers);
    const look = new Look(context);
    const decision: Decision = { outcome: Outcome.NOT_REQUESTED, slot: -1, found: undefined };
    const linked: Linked[] = [];
    for (const layer of found.layers) {
      if (only && !only.has(layer.id)) continue;
      decide(decision, layer, found.name, look);
      if (decision.outcome === Outcome.MATCHED && decision.found) linked.push(decision.found);
    }
    look.end();
    return this.#result(linked);
  }

  /** Returns the result of some matches, merging them if it is not at hand. */
  #result(linked: readonly Linked[]): Result {
    if (linked.length === 0) return noMatch;
    const { cache } = this.#shared;
    let merged = cache.get(linked);
    if (!merged) {
      merged = new Merged(linked);
      cache.put(merged, merged.size);
    }
    return new Evaluated(merged, linked, cache);
  }

  /** Evaluates like evaluate, and says why. It costs many times as much. The explanation is the caller's. */
  explain(service: string, context: Context, layers: readonly string[] = []): Explanation {
    const found = this.#state.services.get(service);
    if (!found) return { result: noMatch, layers: [], parameters: [], truncated: false };
    const look = new Look(context);
    const explained = explainLayers(found, look, selection(layers));
    look.end();
    return {
      result: this.#result(explained.linked),
      layers: explained.layers,
      ...explainParameters(explained.linked),
    };
  }

  /**
   * Reports whether a variant of the service has a value at a path. Variants that stand
   * in no layer do not count.
   */
  knows(service: string, path: string): boolean {
    return this.#state.services.get(service)?.outline().has(parsePath(path)) ?? false;
  }

  /** Returns the context fields that layers hash, each once, in UTF-8 byte order. */
  hashKeys(): string[] {
    const names = new Set(Array.from(this.#state.layers.values(), ({ hashKey }) => hashKey.name));
    return [...names].sort(compareText);
  }

  /**
   * Returns where parameters may differ between two configurations: service.path for each
   * leaf of each experiment that came, went or changed, or whose layer did, in UTF-8 byte
   * order. A dot in the name of a service stays as it is.
   */
  static changed(before: Ruleset | undefined, after: Ruleset | undefined): string[] {
    const was = before ? before.#state : emptyState();
    const now = after ? after.#state : emptyState();
    const touched = new Set<Experiment>();
    for (const layer of now.layers.values()) touch(touched, was.layers.get(layer.id), layer);
    for (const layer of was.layers.values()) {
      if (!now.layers.get(layer.id)) touch(touched, layer, undefined);
    }
    const keys = new Set<string>();
    for (const experiment of touched) {
      for (const path of experiment.outline().leafPaths()) keys.add(`${experiment.service}.${path}`);
    }
    return [...keys].sort(compareText);
  }
}

/** Adds the experiments of a layer that came, went or changed, or all if the layer did. */
function touch(touched: Set<Experiment>, was: Layer | undefined, now: Layer | undefined): void {
  if (was === now) return;
  const same = was?.serial === now?.serial;
  for (const experiment of was?.experiments ?? []) {
    if (!same || !now?.experiments.has(experiment)) touched.add(experiment);
  }
  for (const experiment of now?.experiments ?? []) {
    if (!same || !was?.experiments.has(experiment)) touched.add(experiment);
  }
}

/** The layers that a request names; undefined for all. */
function selection(layers: readonly string[]): ReadonlySet<string> | undefined {
  return layers.length > 0 ? new Set(layers) : undefined;
}
