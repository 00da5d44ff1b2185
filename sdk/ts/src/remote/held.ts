import { compareText } from "../engine/text.js";
import { changedPaths, type Answer } from "./answer.js";

/** How many contexts are held. A page has one or two. */
const maxContexts = 100;

/** What was answered for a context, all of one revision. */
export interface Answers {
  readonly revision: number;
  readonly services: ReadonlyMap<string, Answer>;
}

/** A context that is of interest, and what was answered for it. */
export interface Held {
  /** As contextText writes it. */
  readonly text: string;
  answers: Answers | undefined;
  /** Somebody was answered with defaults, as there was no answer yet. */
  missed: boolean;
  /** Those who wait for an answer. */
  waiting: ((error?: Error) => void)[];
}

/** HeldContexts are those used last. */
export class HeldContexts {
  /** In the order of use. */
  readonly #all = new Map<string, Held>();

  all(): Held[] {
    return [...this.#all.values()];
  }

  has(held: Held): boolean {
    return this.#all.get(held.text) === held;
  }

  /** Returns a context, which is new if it is not held. For one that is new another one may have to go. */
  use(text: string): Held {
    const held = this.#all.get(text) ?? { text, answers: undefined, missed: false, waiting: [] };
    this.#all.delete(text);
    this.#all.set(text, held);
    for (const [other, { waiting }] of this.#all) {
      if (this.#all.size <= maxContexts) {
        break;
      }
      if (waiting.length === 0) {
        this.#all.delete(other);
      }
    }
    return held;
  }
}

/** What is answered at a time, by context. */
export type Shown = ReadonlyMap<string, Answers>;

/** Ends the waiting for a context. */
export function settle(held: Held, error?: Error): void {
  const { waiting } = held;
  held.waiting = [];
  waiting.forEach((each) => each(error));
}

/** Returns the keys that changed, as in Change. A context that is in after alone counts as a whole. */
export function changedKeys(before: Shown | undefined, after: Shown | undefined): string[] {
  const keys = new Set<string>();
  for (const [text, { services }] of after ?? []) {
    for (const [service, answer] of services) {
      for (const path of changedPaths(before?.get(text)?.services.get(service), answer)) {
        keys.add(`${service}.${path}`);
      }
    }
  }
  return [...keys].sort(compareText);
}
