/**
 * An environment's configuration as it travels from servers to SDKs: entities,
 * which nobody on the way encodes again, at a position of a history, with a hash.
 */
import { createHash } from "node:crypto";

import { utf8Length } from "../engine/text.js";
import { type Changes, EntityKind } from "../gen/strata/config/v1/entity_pb.js";
import { type Difference, type Key, Tree } from "../hashtree.js";

const maxKind = 255;
const maxKeyBytes = 256;

/**
 * A place in the histories of an environment. Later ones are larger: those of a
 * later epoch, and in an epoch those of a later revision.
 */
export interface Position {
  /** When the history began, in microseconds since 1970. */
  readonly epoch: bigint;
  /** Counts in it, from 1. */
  readonly revision: bigint;
}

/** Before all other positions. */
export const zeroPosition: Position = { epoch: 0n, revision: 0n };

/** Returns -1, 0 or 1 where a is before, at or after b. */
export function comparePositions(a: Position, b: Position): number {
  if (a.epoch !== b.epoch) return a.epoch < b.epoch ? -1 : 1;
  if (a.revision !== b.revision) return a.revision < b.revision ? -1 : 1;
  return 0;
}

/** The position for people. */
export function positionText(p: Position): string {
  return `revision ${p.revision} of epoch ${p.epoch}`;
}

/** The key of a layer. */
export function layerKey(layerId: string): Key {
  return { kind: EntityKind.LAYER, name: layerId };
}

/** The key of an experiment. */
export function experimentKey(eid: number): Key {
  return { kind: EntityKind.EXPERIMENT, name: String(eid) };
}

/** The key of a declared field. */
export function fieldKey(name: string): Key {
  return { kind: EntityKind.FIELD, name };
}

/** A part of a configuration. It never changes. */
export class Entity {
  /** The SHA-256 of the payload. */
  readonly digest: Uint8Array;

  /** The entity owns its payload, the encoded message: nobody may change it. */
  constructor(
    readonly key: Key,
    readonly payload: Uint8Array,
  ) {
    this.digest = createHash("sha256").update(payload).digest();
  }
}

/** A configuration at a position. It never changes; the next one shares what stays. */
export class View {
  private constructor(
    readonly position: Position,
    private readonly tree: Tree<Entity>,
  ) {}

  /** The configuration of nothing, at the zero position. */
  static readonly empty: View = new View(zeroPosition, Tree.empty());

  /** The hash of the contents, whatever their position: 32 bytes. */
  get hash(): Uint8Array {
    return this.tree.hash;
  }

  /** How many entities there are. */
  get size(): number {
    return this.tree.size;
  }

  /** Returns an entity, if there is one. */
  get(key: Key): Entity | undefined {
    return this.tree.get(key);
  }

  /** All entities. The same contents come in the same order. */
  all(): Generator<Entity> {
    return this.tree.all();
  }

  /**
   * Returns the configuration at another position, with entities put and others
   * removed. Of an entity that is put and removed, the put counts.
   */
  with(at: Position, puts: readonly Entity[], deletes: readonly Key[]): View {
    return new View(at, puts.length + deletes.length > 0 ? this.tree.with(puts, deletes) : this.tree);
  }

  /**
   * Is with() for changes that have arrived, and takes over their payloads.
   *
   * @throws Error if they can not be from a server of ours
   */
  apply(at: Position, changes: Pick<Changes, "puts" | "deletes">): View {
    const puts = changes.puts.map((e, i) => new Entity(keyOf(`puts[${i}]`, e.kind, e.key), e.payload));
    const deletes = changes.deletes.map((e, i) => keyOf(`deletes[${i}]`, e.kind, e.key));
    return this.with(at, puts, deletes);
  }

  /**
   * Returns what differs in another configuration, by key, in time that depends
   * on what differs.
   */
  compare(after: View): Difference<Entity>[] {
    return this.tree.compare(after.tree);
  }
}

function keyOf(where: string, kind: number, name: string): Key {
  if (kind < 1 || kind > maxKind) throw new Error(`${where}: kind ${kind}: want 1 to ${maxKind}`);
  if (name === "") throw new Error(`${where}: an entity without a key`);
  const bytes = utf8Length(name);
  if (bytes > maxKeyBytes) throw new Error(`${where}: a key of ${bytes} bytes: want at most ${maxKeyBytes}`);
  return { kind, name };
}
