import { type Context, type Match, type Result, type Ruleset, slot } from "./engine/index.js";
import type { Evaluated } from "./evaluation.js";
import { type Exposer, keyOf, type Occasion } from "./exposures.js";
import { compileView, type View } from "./view.js";

/** A configuration that is evaluated. It never changes. */
export class Running {
  readonly view: View;
  readonly rules: Ruleset;
  /** Rounded beyond 2^53. */
  readonly revision: number;
  #hashKeys: readonly string[] | undefined;

  /** Compiles what differs from what runs. It throws ViewFaults. */
  constructor(before: Running | undefined, view: View) {
    this.view = view;
    this.rules = compileView(before?.view, before?.rules, view);
    this.revision = Number(view.position.revision);
  }

  /** The attributes that layers hash. */
  get hashKeys(): readonly string[] {
    return (this.#hashKeys ??= this.rules.hashKeys());
  }
}

/** What a service gets in a context. */
export class LocallyEvaluated implements Evaluated, Occasion {
  readonly service: string;
  readonly context: Context;
  readonly result: Result;
  readonly #running: Running;
  readonly #exposer: Exposer;

  constructor(running: Running, exposer: Exposer, service: string, context: Context) {
    this.service = service;
    this.context = context;
    this.result = running.rules.evaluate(service, context);
    this.#running = running;
    this.#exposer = exposer;
  }

  get revision(): number {
    return this.#running.revision;
  }

  get position(): { epoch: bigint; revision: bigint } {
    return this.#running.view.position;
  }

  knows(path: string): boolean {
    return this.#running.rules.knows(this.service, path);
  }

  slot(match: Match): number {
    const key = keyOf(this.context, match.hashKey);
    return key === undefined ? -1 : slot(match.salt, key);
  }

  expose(match: Match, path: string, hidden: boolean): void {
    this.#exposer.expose(this, match, path, hidden);
  }
}
