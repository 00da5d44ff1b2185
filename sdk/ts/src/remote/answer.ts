import { joinPath, parsePath } from "../engine/path.js";
import type { Match, Reading, Result } from "../engine/types.js";

/** An exposure, as data planes write and take it. */
export interface WireExposure {
  readonly layer_id: string;
  readonly hash_key: string;
  readonly key: string;
  readonly slot: number;
  readonly eid: number;
  readonly vid: number;
  readonly epoch: string;
  readonly revision: string;
  readonly hidden: boolean;
}

/** What a data plane answers for a service: strata.serving.v1.ServiceResult, with exposures. */
export interface WireResult {
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly vids: readonly number[];
  readonly matched_layers: readonly string[];
  readonly exposures: readonly WireExposure[];
  readonly leaves: readonly WireLeaf[];
  readonly branches: readonly { readonly path: string; readonly winner: number }[];
  readonly ruled: readonly number[];
}

interface WireLeaf {
  readonly path: string;
  readonly winner: number;
  readonly exposed: readonly number[];
  readonly hidden: readonly number[];
}

/** A match of which no more is known than devices are told: its salt is empty. */
export interface AnsweredMatch extends Match {
  readonly exposure: WireExposure;
}

/** How many paths are remembered. Code reads a few. */
const maxReadings = 256;

/** What one service gets in one context, as a data plane has answered. It never changes. */
export class Answer implements Result {
  readonly vids: readonly number[];
  readonly matchedLayers: readonly string[];
  readonly matches: readonly AnsweredMatch[];
  readonly #value: Readonly<Record<string, unknown>>;
  readonly #leaves: readonly WireLeaf[];
  /** By path. */
  readonly #winners: ReadonlyMap<string, number>;
  readonly #readings = new Map<string, Reading>();

  /** Throws if it is no answer. A window is as in Match. */
  constructor(wire: WireResult, window: number) {
    this.vids = wire.vids;
    this.matchedLayers = wire.matched_layers;
    this.matches = wire.exposures.map((exposure, i) => {
      const { layer_id: layerId, hash_key: hashKey, eid, vid } = exposure;
      return { layerId, hashKey, salt: "", eid, vid, ruled: wire.ruled.includes(i), window, exposure };
    });
    this.#value = frozen(wire.parameters);
    this.#leaves = wire.leaves;
    this.#winners = new Map([...wire.branches, ...wire.leaves].map(({ path, winner }) => [path, winner]));
  }

  get parameters(): string {
    return JSON.stringify(this.#value);
  }

  read(path: string): Reading {
    let reading = this.#readings.get(path);
    if (!reading) {
      reading = this.#read(path, parsePath(path));
      if (this.#readings.size < maxReadings) {
        this.#readings.set(path, reading);
      }
    }
    return reading;
  }

  leaves(): readonly Reading[] {
    return this.#leaves.map(({ path }) => this.read(path));
  }

  /** Reports whether a value is there, or a matched experiment sets one there or below. */
  knows(path: string): boolean {
    const keys = parsePath(path);
    const at = joinPath(keys);
    return this.#at(keys) !== undefined || this.#leaves.some((leaf) => isAtOrBelow(leaf.path, at));
  }

  #read(path: string, keys: readonly string[]): Reading {
    const at = joinPath(keys);
    const value = this.#at(keys);
    const here = { path, text: value === undefined ? "" : JSON.stringify(value), value };
    const all = this.matches.map((_, i) => i);
    if (keys.length === 0) {
      const isHidden = (i: number) => this.matches[i]?.exposure.hidden ?? false;
      return { ...here, winner: all[0] ?? -1, exposed: all.filter((i) => !isHidden(i)), hidden: all.filter(isHidden) };
    }
    const leaves = this.#leaves.filter((leaf) => isAtOrBelow(leaf.path, at) || isAtOrBelow(at, leaf.path));
    const exposed = new Set(leaves.flatMap((leaf) => leaf.exposed));
    const hidden = new Set(leaves.flatMap((leaf) => leaf.hidden));
    return {
      ...here,
      winner: value === undefined ? -1 : (this.#winners.get(at) ?? -1),
      exposed: all.filter((i) => exposed.has(i)),
      hidden: all.filter((i) => hidden.has(i) && !exposed.has(i)),
    };
  }

  #at(keys: readonly string[]): unknown {
    let value: unknown = this.#value;
    for (const key of keys) {
      if (typeof value !== "object" || value === null || Array.isArray(value) || !Object.hasOwn(value, key)) {
        return undefined;
      }
      value = (value as Record<string, unknown>)[key];
    }
    return value;
  }
}

/** Compares paths as joinPath writes them: they begin with each other where their keys do, as a "." of a key is escaped. */
function isAtOrBelow(path: string, other: string): boolean {
  return path === other || path.startsWith(`${other}.`);
}

function frozen<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    Object.values(value).forEach(frozen);
    Object.freeze(value);
  }
  return value;
}

/** What a service gets that was not asked for. */
export const noAnswer = new Answer(
  { parameters: {}, vids: [], matched_layers: [], exposures: [], leaves: [], branches: [], ruled: [] },
  0,
);

/** Returns the paths of the whole values that may differ in two answers; before may be none. */
export function changedPaths(before: Answer | undefined, after: Answer): string[] {
  const paths = new Set([...(before?.leaves() ?? []), ...after.leaves()].map(({ path }) => path));
  return [...paths].filter((path) => !before || said(before, path) !== said(after, path));
}

function said(answer: Answer, path: string): string {
  const { text, winner, exposed, hidden } = answer.read(path);
  const variants = [...exposed, -1, ...hidden].map((i) => answer.vids[i]);
  return JSON.stringify([text, answer.vids[winner], variants]);
}
