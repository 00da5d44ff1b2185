import { after, jittered, now, Waker } from "../clock.js";
import { Changes, type Moment } from "../changes.js";
import type { Context, Explanation } from "../engine/types.js";
import { type Evaluated, Evaluation } from "../evaluation.js";
import type { Event } from "../event.js";
import type { Log } from "../log.js";
import type { Change, State, Status } from "../status.js";
import { Answer, type AnsweredMatch, noAnswer } from "./answer.js";
import { contextText } from "./context.js";
import { messageOf } from "./event.js";
import { explanationOf } from "./explain.js";
import { Exposer } from "./exposer.js";
import { type Answers, changedKeys, type Held, HeldContexts, settle, type Shown } from "./held.js";
import { watchPage } from "./page.js";
import { type Answered, Plane } from "./plane.js";
import { Sender } from "./sender.js";
import type { Settings } from "./settings.js";
import { Signal } from "./signal.js";
import type { Times } from "./times.js";

/** How often is asked again soon where a server does not have what another one has told of. */
const maxBehind = 5;

/** Core is what a Client does, with its times to be chosen. */
export class Core {
  readonly #log: Log;
  readonly #times: Times;
  readonly #services: readonly string[];
  readonly #plane: Plane;
  readonly #signal: Signal;
  readonly #sender: Sender;
  readonly #exposer: Exposer;
  readonly #changes: Changes<Shown>;
  readonly #contexts = new HeldContexts();
  /** The attributes that are known to be hashed. */
  readonly #hashKeys = new Set<string>();
  readonly #ended = new AbortController();
  readonly #waker = new Waker();
  /** What is to be asked for. */
  readonly #wanted = new Set<Held>();
  /** Somebody waits for that, so that it is not put off. */
  #urgent = false;
  /** Until when it is put off otherwise, by the clock of now(). */
  #calm = 0;
  /** What is answered. It is another one if those who listen are to be told. */
  #shown: Map<string, Answers> | undefined;
  /** The newest that was answered. The epoch is 0 as long as nobody matched anything. */
  #epoch = 0;
  #revision = 0;
  /** Counts revisions. */
  #window = 0;
  /** What a stream has told of last. */
  #told = "";
  /** How often in a row a server has answered that does not have that. */
  #behind = 0;
  /** There is a stream. */
  #open = false;
  /** It was not told what there is here. */
  #blind = false;
  /** When it was last known that what is answered is the newest there is. */
  #confirmed = now();
  /** The data plane is not sure that it has that. */
  #doubted = false;
  #asked = -Infinity;
  #failures = 0;
  #error: Error | undefined;
  #ready: (() => void)[] = [];
  #closing: Promise<void> | undefined;

  constructor(settings: Settings, times: Times) {
    const { url, services, context, log } = settings;
    this.#log = log;
    this.#times = times;
    this.#services = services;
    this.#plane = new Plane(url, services);
    this.#sender = new Sender((batch, signal, goes) => this.#plane.record(batch, signal, goes), log);
    this.#exposer = new Exposer(this.#sender);
    this.#changes = new Changes(() => this.#moment(), log, changedKeys);
    this.#signal = new Signal(
      () => {
        this.#blind = this.#epoch === 0;
        return this.#plane.events(this.#blind ? undefined : `${this.#epoch}-${this.#revision}`);
      },
      { open: (is) => this.#opened(is), told: (position) => this.#hear(position) },
      log,
    );
    const leave = watchPage({ comes: () => this.#look(), goes: () => this.#sender.leave() });
    this.#ended.signal.addEventListener("abort", leave);
    if (context !== undefined) {
      this.load(context).catch(() => {}); // the status has the error
    }
    void this.#run();
    this.#tick();
  }

  ready(timeoutMillis?: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = () => {
        cancel();
        this.#ready = this.#ready.filter((each) => each !== end);
        if (this.#shown) {
          resolve();
        } else if (this.#closing) {
          reject(new Error("strata: the client is closed"));
        } else {
          reject(this.#late(timeoutMillis));
        }
      };
      const cancel = whenOver(timeoutMillis, end);
      this.#ready.push(end);
      if (this.#shown || this.#closing) {
        end();
      }
    });
  }

  async load(context: Context, timeoutMillis?: number): Promise<void> {
    const text = contextText(context);
    if (text === undefined) {
      throw new Error("strata: what is to be loaded is no context");
    }
    if (this.#closing) {
      throw new Error("strata: the client is closed");
    }
    const held = this.#contexts.use(text);
    if (held.answers) {
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const end = (error?: Error) => {
        cancel();
        held.waiting = held.waiting.filter((each) => each !== end);
        if (error) {
          reject(error);
        } else {
          resolve();
        }
      };
      const cancel = whenOver(timeoutMillis, () => {
        held.missed = true;
        end(this.#late(timeoutMillis));
      });
      held.waiting.push(end);
      this.#want([held], true);
    });
  }

  evaluate(service: string, context: Context): Evaluation {
    const text = contextText(context);
    if (text === undefined) {
      return new Evaluation("INVALID_CONTEXT");
    }
    const { answers } = this.#use(text);
    return new Evaluation(answers ? this.#evaluated(service, answers) : "NOT_READY");
  }

  explain(service: string, context: Context): Explanation {
    return explanationOf(this.#use(contextText(context) ?? "{}").answers?.services.get(service) ?? noAnswer);
  }

  knows(service: string, path: string): boolean {
    if (path === "") {
      return this.#shown !== undefined && this.#services.includes(service);
    }
    return [...(this.#shown?.values() ?? [])].some(({ services }) => services.get(service)?.knows(path));
  }

  onChange(listener: (change: Change) => unknown): () => void {
    return this.#changes.listen(listener);
  }

  status(): Status {
    return {
      state: this.#state(),
      epoch: this.#epoch,
      revision: this.#revision,
      staleFor: this.#staleFor(),
      error: this.#error,
      faults: [],
      dropped: this.#sender.dropped,
    };
  }

  record(event: Event): void {
    const message = messageOf(event, this.#hashKeys);
    if (typeof message === "string") {
      this.#sender.drop(1, message);
    } else {
      this.#sender.put("events", message);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end(): Promise<void> {
    // The state is another one only once close has returned what it waits for.
    await Promise.resolve();
    this.#changes.notice();
    this.#ended.abort();
    this.#signal.close();
    this.#waker.wake();
    const closed = new Error("strata: the client is closed");
    for (const held of this.#contexts.all()) {
      settle(held, closed);
    }
    this.#ready.forEach((each) => each());
    await this.#sender.close();
  }

  #late(timeoutMillis: number | undefined): Error {
    const why = this.#error ? `: ${this.#error.message}` : "";
    return new Error(`strata: there is no answer after ${timeoutMillis} ms${why}`, { cause: this.#error });
  }

  /** Returns a context for an evaluation, and has it asked for, soon, if there is no answer. */
  #use(text: string): Held {
    const held = this.#contexts.use(text);
    if (!held.answers && !held.missed && !this.#closing) {
      held.missed = true;
      this.#want([held], false);
    }
    return held;
  }

  #evaluated(service: string, { revision, services }: Answers): Evaluated {
    return {
      result: services.get(service) ?? noAnswer,
      revision,
      knows: (path) => this.knows(service, path),
      slot: (match) => (match as AnsweredMatch).exposure.slot,
      expose: (match, path, hidden) => this.#exposer.expose(service, match as AnsweredMatch, path, hidden),
    };
  }

  #opened(is: boolean): void {
    if (this.#isHeard()) {
      this.#confirmed = now(); // until now
    }
    this.#open = is;
    if (is && this.#blind) {
      this.#refresh();
    }
    this.#changes.notice();
  }

  #hear(position: string): void {
    this.#told = position;
    this.#behind = 0;
    this.#refresh();
  }

  #refresh(): void {
    this.#want(this.#contexts.all(), true);
  }

  #want(contexts: readonly Held[], urgent: boolean): void {
    contexts.forEach((held) => this.#wanted.add(held));
    this.#urgent ||= urgent;
    this.#waker.wake();
  }

  /** Looks whether it is time to ask again, or to tell that what there is has become stale. */
  #look(): void {
    const every = this.#open && this.#state() !== "STALE" ? this.#times.check : this.#times.poll;
    if (now() - this.#asked >= every) {
      this.#refresh();
    }
    this.#changes.notice();
  }

  #tick(): void {
    const cancel = after(jittered(this.#times.tick), () => {
      this.#ended.signal.removeEventListener("abort", cancel);
      this.#look();
      this.#tick();
    });
    this.#ended.signal.addEventListener("abort", cancel);
  }

  /** Asks for what is wanted, until the client is closed. */
  async #run(): Promise<void> {
    const { signal } = this.#ended;
    while (!signal.aborted) {
      const pause = this.#urgent ? 0 : this.#calm - now();
      if (this.#wanted.size === 0 || pause > 0) {
        await this.#waker.wait(this.#wanted.size === 0 ? undefined : pause);
        continue;
      }
      const asked = [...this.#wanted].filter((held) => this.#contexts.has(held));
      this.#wanted.clear();
      this.#urgent = false;
      if (asked.length > 0) {
        await this.#ask(asked, signal);
      }
    }
  }

  /** Asks for contexts, and says when may be asked again. It never rejects. */
  async #ask(asked: readonly Held[], signal: AbortSignal): Promise<void> {
    const texts = asked.map(({ text }) => text);
    this.#asked = now();
    try {
      this.#take(asked, await this.#plane.ask(texts, signal));
      this.#failures = 0;
      this.#error = undefined;
      this.#calm = now() + this.#times.calm;
      this.#signal.start();
    } catch (error) {
      if (signal.aborted) {
        return;
      }
      if (this.#isHeard()) {
        this.#confirmed = now();
      }
      this.#error = error as Error;
      this.#log.warn("contexts could not be evaluated", { error });
      this.#want(asked, false);
      this.#pause(this.#failures++);
    }
    this.#changes.notice();
  }

  /** Puts off what nobody waits for, for longer with each failure in a row. */
  #pause(failures: number): void {
    const { firstPause, longestPause } = this.#times;
    this.#calm = now() + jittered(Math.min(firstPause * 2 ** failures, longestPause));
  }

  #take(asked: readonly Held[], { entries, epoch, revision, stale }: Answered): void {
    const sameHistory = epoch === 0 || this.#epoch === 0 || epoch === this.#epoch;
    if (epoch < this.#epoch && epoch > 0) {
      throw new Error("a server has answered with what was there before");
    }
    if (sameHistory && revision < this.#revision) {
      throw new Error(`a server has answered with revision ${revision}, which is older than ${this.#revision}`);
    }
    const moves = !sameHistory || revision !== this.#revision;
    this.#window += moves ? 1 : 0;
    let tells = moves;
    for (const [i, held] of asked.entries()) {
      const { results = {}, error } = entries[i] ?? {};
      if (error) {
        settle(held, new Error(`strata: ${error.message}`));
        continue;
      }
      const services = new Map(Object.entries(results).map(([name, wire]) => [name, new Answer(wire, this.#window)]));
      for (const { hashKey } of [...services.values()].flatMap(({ matches }) => matches)) {
        this.#hashKeys.add(hashKey);
      }
      const answers = { revision, services };
      if (!held.answers && !held.missed) {
        this.#shown?.set(held.text, answers); // nobody was answered otherwise
      }
      tells ||= held.missed;
      held.missed = false;
      held.answers = answers;
      settle(held);
    }
    this.#epoch = epoch || this.#epoch;
    this.#revision = revision;
    this.#doubted = stale > 0;
    this.#confirmed = now() - stale;
    if (tells || !this.#shown) {
      const held = this.#contexts.all();
      this.#shown = new Map(held.flatMap(({ text, answers }) => (answers ? [[text, answers] as const] : [])));
    }
    this.#ready.forEach((each) => each());
    this.#catchUp(asked, moves);
  }

  /** Has contexts asked for that are not of the newest revision. */
  #catchUp(asked: readonly Held[], moves: boolean): void {
    if (moves) {
      const others = this.#contexts.all().filter((held) => held.answers && !asked.includes(held));
      this.#want(others, others.length > 0);
    }
    const [epoch, revision] = this.#told.split("-").map(Number);
    if (epoch !== this.#epoch || (revision ?? 0) <= this.#revision || this.#behind === maxBehind) {
      this.#behind = 0;
      this.#told = "";
      return;
    }
    this.#want(asked, false);
    this.#behind++;
  }

  /** Reports whether it is known that what is answered is the newest there is. */
  #isHeard(): boolean {
    return this.#open && !this.#error && !this.#doubted && this.#told === "";
  }

  #staleFor(): number {
    return this.#isHeard() ? 0 : now() - this.#confirmed;
  }

  #moment(): Moment<Shown> {
    return { state: this.#state(), rules: this.#shown, revision: this.#revision };
  }

  #state(): State {
    if (this.#closing) {
      return "CLOSED";
    }
    if (!this.#shown) {
      return "NOT_READY";
    }
    return this.#staleFor() > this.#times.stale ? "STALE" : "READY";
  }
}

/** Calls a function after so many milliseconds, never if none are given, unless what it returns was called before. */
function whenOver(millis: number | undefined, call: () => void): () => void {
  return millis === undefined ? () => {} : after(Math.min(millis, 2 ** 31 - 1), call);
}
