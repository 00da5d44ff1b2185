/** What a configuration is compiled to. */
import type * as pb from "../gen/strata/config/v1/config_pb.js";
import { Salt } from "./bucket.js";
import type { Attribute } from "./inputs.js";
import { Outline } from "./outline.js";
import type { Params } from "./params.js";
import type { Program, RuleNode } from "./rule.js";
import { compareText } from "./text.js";
import type { Match } from "./types.js";

let serials = 0;

/**
 * Returns a number that was never returned before, and is larger than all that were,
 * so that what is made from one configuration is not taken for what is made from
 * another.
 */
function nextSerial(): number {
  return ++serials;
}

/** A range of a layer. */
export interface SlotRange {
  readonly start: number;
  readonly end: number;
  readonly vid: number;
  /** In the source. */
  readonly index: number;
}

/** What a layer leads to. */
export interface Links {
  /** Runs of slots that get the same variant, or none: where they end. Together they cover all slots. */
  readonly ends: readonly number[];
  /** What each run gets. */
  readonly found: readonly (Linked | undefined)[];
  /** That it has variants of, or is declared to be for. */
  readonly services: ReadonlySet<string>;
  /** Whose variants stand in it. */
  readonly experiments: ReadonlySet<Experiment>;
}

const noLinks: Links = { ends: [], found: [], services: new Set(), experiments: new Set() };

/** A layer. The one that is linked to other experiments is another object. */
export class Layer {
  readonly id: string;
  readonly priority: number;
  readonly enabled: boolean;
  private links = noLinks;

  private constructor(
    readonly source: pb.Layer,
    readonly hashKey: Attribute,
    readonly salt: Salt,
    /** Sorted by their start. */
    readonly ranges: readonly SlotRange[],
    /** Another one each time the layer is read. */
    readonly serial: number,
  ) {
    this.id = source.layerId;
    this.priority = source.priority;
    this.enabled = source.enabled;
  }

  /** Returns a layer that is not linked yet. */
  static of(source: pb.Layer, hashKey: Attribute, ranges: readonly SlotRange[]): Layer {
    return new Layer(source, hashKey, new Salt(source.salt), ranges, nextSerial());
  }

  /** Returns the layer as it was before it was linked. */
  unlinked(): Layer {
    return new Layer(this.source, this.hashKey, this.salt, this.ranges, this.serial);
  }

  /** Links it, once. */
  complete(links: Links): void {
    this.links = links;
  }

  get services(): ReadonlySet<string> {
    return this.links.services;
  }

  get experiments(): ReadonlySet<Experiment> {
    return this.links.experiments;
  }

  /** Returns what is found for a slot. */
  at(slot: number): Linked | undefined {
    const { ends, found } = this.links;
    const few = 8; // up to here counting is faster than halving
    let low = 0;
    for (let high = ends.length; high - low > few;) {
      const middle = (low + high) >>> 1;
      if (slot >= (ends[middle - 1] ?? 0)) low = middle;
      else high = middle;
    }
    while (slot >= (ends[low] ?? Infinity)) low++;
    return found[low];
  }
}

/** Orders layers as they are evaluated: by priority from high to low, then by id. */
export function compareLayers(a: Layer, b: Layer): number {
  return b.priority - a.priority || compareText(a.id, b.id);
}

/** An experiment. */
export class Experiment {
  readonly eid: number;
  readonly service: string;
  /** Another one each time the experiment is read. */
  readonly serial = nextSerial();
  variants: readonly Variant[] = [];
  private made: Outline | undefined = undefined;

  constructor(
    readonly source: pb.Experiment,
    /** Undefined for none. */
    readonly rule: RuleNode | undefined,
    /** Decides whether the rule is TRUE. */
    readonly program: Program,
  ) {
    this.eid = source.eid;
    this.service = source.service;
  }

  /** The paths of all its variants. */
  outline(): Outline {
    if (!this.made) {
      this.made = new Outline();
      for (const { params } of this.variants) this.made.add(params);
    }
    return this.made;
  }
}

/** A variant. */
export interface Variant {
  readonly vid: number;
  readonly experiment: Experiment;
  readonly params: Params;
}

/** A variant in its layer: what an evaluation finds for a slot. */
export class Linked {
  /**
   * Tells it apart from all others. It leads to nothing, so that a cached result does
   * not keep alive the revision that it was made from.
   */
  readonly identity = nextSerial();
  readonly service: string;
  readonly program: Program;
  readonly params: Params;
  readonly experiment: Experiment;
  readonly match: Match;

  constructor(layer: Layer, { vid, experiment, params }: Variant) {
    this.service = experiment.service;
    this.program = experiment.program;
    this.params = params;
    this.experiment = experiment;
    this.match = Object.freeze({
      layerId: layer.id,
      hashKey: layer.hashKey.name,
      salt: layer.salt.text,
      eid: experiment.eid,
      vid,
      ruled: experiment.rule !== undefined,
      // What was read last of the two says when both were as they are.
      window: Math.max(layer.serial, experiment.serial),
    });
  }
}

/** The layers that have a variant of a service, in order of evaluation. */
export class Service {
  private made: Outline | undefined = undefined;

  constructor(
    readonly name: string,
    readonly layers: readonly Layer[],
  ) {}

  /** The paths of all its experiments whose variants stand in a layer. */
  outline(): Outline {
    if (!this.made) {
      this.made = new Outline();
      const experiments = new Set(this.layers.flatMap((layer) => [...layer.experiments]));
      for (const experiment of experiments) {
        if (experiment.service === this.name) this.made.join(experiment.outline());
      }
    }
    return this.made;
  }
}

/** A declared field. */
export interface Field {
  readonly source: pb.Field;
  readonly type: pb.FieldType;
}
