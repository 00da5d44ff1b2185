/** What an evaluation answers, and what is read from it. */
import type { Cache, Cached } from "./cache.js";
import { merge, type Part } from "./merge.js";
import { parsePath } from "./path.js";
import { Outline } from "./outline.js";
import { Way } from "./read.js";
import type { Linked } from "./resources.js";
import type { Match, Reading, Result } from "./types.js";

/** How many paths of a result are remembered. Code reads a few; more come from outside. */
const maxReadings = 256;

/**
 * What the same combination of variants gets, whoever it is. It is strings and numbers
 * alone, so that a cached one keeps no configuration alive.
 */
export class Merged implements Cached {
  readonly identities: readonly number[];
  readonly matches: readonly Match[];
  readonly vids: readonly number[];
  readonly matchedLayers: readonly string[];
  readonly parameters: string;
  readonly readings = new Map<string, Reading>();
  held = 0;

  constructor(linked: readonly Linked[]) {
    this.identities = linked.map(({ identity }) => identity);
    this.matches = Object.freeze(linked.map(({ match }) => match));
    this.vids = Object.freeze(this.matches.map(({ vid }) => vid));
    this.matchedLayers = Object.freeze(this.matches.map(({ layerId }) => layerId));
    this.parameters = merge(partsOf(linked));
  }

  /** About how many bytes it holds, without its readings. */
  get size(): number {
    return 1024 + 2 * this.parameters.length + 64 * this.matches.length;
  }
}

function partsOf(linked: readonly Linked[]): Part[] {
  return linked.map(({ params }, match) => ({ match, params }));
}

/** A Result of a configuration. */
export class Evaluated implements Result {
  readonly parameters: string;
  readonly vids: readonly number[];
  readonly matchedLayers: readonly string[];
  readonly matches: readonly Match[];
  readonly #merged: Merged;
  readonly #linked: readonly Linked[];
  readonly #cache: Cache<Merged> | undefined;

  constructor(merged: Merged, linked: readonly Linked[], cache: Cache<Merged> | undefined) {
    this.parameters = merged.parameters;
    this.vids = merged.vids;
    this.matchedLayers = merged.matchedLayers;
    this.matches = merged.matches;
    this.#merged = merged;
    this.#linked = linked;
    this.#cache = cache;
  }

  read(path: string): Reading {
    const known = this.#merged.readings.get(path);
    if (known) return known;
    const reading = this.#read(path);
    this.#remember(reading);
    return reading;
  }

  leaves(): readonly Reading[] {
    const all = new Outline();
    for (const { experiment } of this.#linked) all.join(experiment.outline());
    return all.leafPaths().map((path) => this.#merged.readings.get(path) ?? this.#read(path));
  }

  #read(path: string): Reading {
    const keys = parsePath(path);
    const way = new Way(partsOf(this.#linked), keys);
    const whole = keys.length === 0;
    const { text, winner } = whole ? { text: this.parameters, winner: this.#linked.length > 0 ? 0 : -1 } : way.find();
    const exposed: number[] = [];
    const hidden: number[] = [];
    for (const [match, { experiment }] of this.#linked.entries()) {
      const { leaves, covered } = way.covers(experiment.outline(), match);
      if (leaves && covered) hidden.push(match);
      else if (leaves || whole) exposed.push(match);
    }
    return Object.freeze({
      path,
      text: text ?? "",
      value: text === undefined ? undefined : deeplyFrozen(JSON.parse(text)),
      winner,
      exposed: Object.freeze(exposed),
      hidden: Object.freeze(hidden),
    });
  }

  #remember(reading: Reading): void {
    const { readings } = this.#merged;
    if (!this.#cache || readings.size >= maxReadings) return;
    // The value takes several times as much as its text.
    const bytes = 512 + 2 * reading.path.length + 10 * reading.text.length + 8 * this.#linked.length;
    if (this.#cache.grow(this.#merged, bytes)) readings.set(reading.path, reading);
  }
}

function deeplyFrozen(value: unknown): unknown {
  if (typeof value === "object" && value !== null) {
    for (const item of Object.values(value)) deeplyFrozen(item);
    Object.freeze(value);
  }
  return value;
}

/** The result where nothing matched. */
export const noMatch: Result = Object.freeze(new Evaluated(new Merged([]), [], undefined));
