import type { Entity, EntityKey } from "../gen/strata/config/v1/entity_pb.js";
import { type Update, Update_Kind } from "../gen/strata/serving/v1/config_pb.js";
import { sameBytes } from "../hashtree.js";
import { decodePart } from "./frame.js";
import { comparePositions, positionText, View } from "./view.js";

/** The server is behind its follower, which therefore keeps what it has. */
export class OlderError extends Error {}

/**
 * Puts the parts of an Update together. What it was put together on stays as it is until
 * the last part has proved right.
 */
export class Stage {
  /** Undefined between updates. */
  private first: Update | undefined = undefined;
  /** The part that has to come. */
  private next = 0;
  private puts: Entity[] = [];
  private deletes: EntityKey[] = [];

  /**
   * Takes a part. After the last one it returns the configuration that the Update leads
   * to from the current one; before that, undefined.
   *
   * @throws Error after which nothing of the Update is held, and the follower has to begin
   * anew; after an OlderError, at another server or later
   */
  add(current: View, update: Update): View | undefined {
    let done = true;
    try {
      const next = this.take(current, update);
      done = next !== undefined;
      return next;
    } finally {
      if (done) this.reset();
    }
  }

  private reset(): void {
    this.first = undefined;
    this.next = 0;
    this.puts = [];
    this.deletes = [];
  }

  private take(current: View, update: Update): View | undefined {
    this.check(current, update);
    const changes = decodePart(update.changes);
    for (const put of changes.puts) this.puts.push(put);
    for (const key of changes.deletes) this.deletes.push(key);
    if (!update.last) return undefined;
    const base = update.kind === Update_Kind.FULL ? View.empty : current;
    const at = { epoch: update.epoch, revision: update.toRevision };
    const next = base.apply(at, { puts: this.puts, deletes: this.deletes });
    if (!sameBytes(next.hash, update.hash)) {
      throw new Error(`${positionText(at)}: the hash is ${hex(next.hash)}, and should be ${hex(update.hash)}`);
    }
    if (BigInt(next.size) !== BigInt(update.entityCount)) {
      throw new Error(`${positionText(at)}: ${next.size} entities, and should be ${update.entityCount}`);
    }
    return next;
  }

  /** Checks what can be known of an Update before its contents. */
  private check({ position }: View, update: Update): void {
    const { first } = this;
    const { kind, epoch, fromRevision, toRevision, part } = update;
    if (
      first &&
      (kind !== first.kind ||
        epoch !== first.epoch ||
        fromRevision !== first.fromRevision ||
        toRevision !== first.toRevision)
    ) {
      throw new Error("parts of two updates are mixed");
    }
    if (part !== this.next) throw new Error(`part ${part} of an update came where part ${this.next} should`);
    this.first = update;
    this.next++;
    const to = { epoch, revision: toRevision };
    if (toRevision < 1n) throw new Error(`an update leads to revision ${toRevision}`);
    if (kind === Update_Kind.FULL) {
      if (comparePositions(to, position) < 0) {
        const what = `it sends ${positionText(to)}, held is ${positionText(position)}`;
        throw new OlderError(`the server is behind what is held here: ${what}`);
      }
    } else if (kind === Update_Kind.DELTA) {
      const from = { epoch, revision: fromRevision };
      if (comparePositions(from, position) !== 0) {
        throw new Error(`an update from ${positionText(from)} came, held is ${positionText(position)}`);
      }
      if (toRevision <= position.revision) {
        throw new Error(`an update from ${positionText(position)} leads back to revision ${toRevision}`);
      }
    } else {
      throw new Error(`an update of unknown kind ${kind}`);
    }
  }
}

function hex(data: Uint8Array): string {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
