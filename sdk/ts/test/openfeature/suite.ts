// The suite of OpenFeature's specification: see sdk/conformance/openfeature.
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { join } from "node:path";
import { Writable } from "node:stream";
import {
  After,
  Before,
  type DataTable,
  Given,
  setDefaultTimeout,
  supportCodeLibraryBuilder,
  Then,
  When,
} from "@cucumber/cucumber";
import { loadConfiguration, runCucumber } from "@cucumber/cucumber/api";
import type { EvaluationDetails, FlagValue, JsonValue } from "@openfeature/core";

import { root } from "../dataplane.js";

export const suite = join(root, "sdk/conformance/openfeature");
/** Where the suite's flags are. */
const service = "openfeature";

// How the suite is read: see the tables in its README.
const variants: Names = { on: "101", greeting: "101", ten: "101", half: "101", template: "101", null: undefined };
const reasons: Names = { STATIC: "SPLIT", DEFAULT: "SPLIT", DISABLED: "DEFAULT" };

type Names = Readonly<Record<string, string | undefined>>;

export type Kind = "stable" | "not ready" | "error" | "fatal" | "stale";
export type Attributes = Record<string, JsonValue>;

/** A provider in OpenFeature's API. */
export interface Subject {
  status(): string;
  addHooks(...hooks: Hook[]): void;
  /** Evaluates a flag of the default's type, with the targeting key "user". */
  evaluate(key: string, def: FlagValue, attributes: Attributes, hooks: Hook[]): Promise<EvaluationDetails<FlagValue>>;
  close(): Promise<void>;
}

/** How many scenarios had which result, by its name. */
export type Results = Record<string, number>;

/** Runs the scenarios of a file that have some tags. Reasons are read as is said, and otherwise as the tables say. */
export async function run(
  file: string,
  tags: string,
  provide: (kind: Kind) => Promise<Subject>,
  others: Names = {},
): Promise<Results> {
  let id = 0;
  supportCodeLibraryBuilder.reset(suite, () => String(++id));
  setDefaultTimeout(30_000);
  define(provide, { ...reasons, ...others });
  const support = supportCodeLibraryBuilder.finalize();
  const said: string[] = [];
  const stream = () => new Writable({ write: (chunk, _, done) => (said.push(String(chunk)), done()) });
  const environment = { cwd: suite, stdout: stream(), stderr: stream() };
  const provided = { paths: [`spec/${file}`], tags, format: [], publish: false };
  const { runConfiguration } = await loadConfiguration({ provided, file: false }, environment);
  const results: Results = {};
  const worst = new Map<string, string>();
  const order = ["PASSED", "SKIPPED", "PENDING", "UNDEFINED", "AMBIGUOUS", "FAILED", "UNKNOWN"];
  await runCucumber({ ...runConfiguration, support }, environment, ({ testStepFinished, testCaseFinished }) => {
    if (testStepFinished) {
      const { testCaseStartedId, testStepResult } = testStepFinished;
      const [before = "PASSED", now] = [worst.get(testCaseStartedId), String(testStepResult.status)];
      worst.set(testCaseStartedId, order.indexOf(now) > order.indexOf(before) ? now : before);
      if (now !== "PASSED" && now !== "SKIPPED") {
        said.push(testStepResult.message ?? now);
      }
    }
    if (testCaseFinished) {
      const result = worst.get(testCaseFinished.testCaseStartedId) ?? "UNKNOWN";
      results[result] = (results[result] ?? 0) + 1;
    }
  });
  assert.deepEqual(Object.keys(results), ["PASSED"], said.join("\n"));
  return results;
}

/** What one scenario has said and seen. */
class Scenario {
  subject: Subject | undefined;
  key = "";
  type = "";
  def: FlagValue = false;
  attributes: Attributes = {};
  given: Attributes = {};
  details: EvaluationDetails<FlagValue> | undefined;
  readonly hooks: Hook[] = [];
  /** Of all hooks, in order. */
  readonly calls: string[] = [];
  optionHooks = false;

  hook(name: string): Hook {
    const hook = new Hook(name, this.calls);
    this.hooks.push(hook);
    return hook;
  }

  get seen(): EvaluationDetails<FlagValue> {
    assert.ok(this.details, "nothing was evaluated");
    return this.details;
  }

  async evaluate(): Promise<void> {
    const hooks = this.optionHooks ? this.hooks : [];
    assert.ok(this.subject);
    this.details = await this.subject.evaluate(`${service}.${this.key}`, this.def, this.attributes, hooks);
  }
}

/** Hook keeps what it is called with. */
export class Hook {
  readonly details = new Map<string, EvaluationDetails<FlagValue>>();
  readonly #name: string;
  readonly #calls: string[];

  constructor(name: string, calls: string[]) {
    this.#name = name;
    this.#calls = calls;
  }

  before(): undefined {
    this.#called("before");
  }

  after(_: unknown, details: EvaluationDetails<FlagValue>): void {
    this.#called("after", details);
  }

  error(): void {
    this.#called("error");
  }

  finally(_: unknown, details: EvaluationDetails<FlagValue>): void {
    this.#called("finally", details);
  }

  #called(stage: string, details?: EvaluationDetails<FlagValue>): void {
    this.#calls.push(`${stage} ${this.#name}`);
    if (details) {
      this.details.set(stage, details);
    }
  }
}

function define(provide: (kind: Kind) => Promise<Subject>, names: Names): void {
  let s = new Scenario();
  Before(() => {
    s = new Scenario();
  });
  After(() => s.subject?.close());

  Given(/^an? (stable|not ready|error|fatal|stale) provider$/, async (kind: Kind) => {
    await s.subject?.close(); // a scenario that names a second one means that
    s.subject = await provide(kind);
  });
  Given(/^an? (\w+)-flag with key "([^"]*)" and a fallback value "(.*)"$/, (type: string, key: string, def: string) => {
    Object.assign(s, { type, key, def: parse(type, def) });
  });
  Given(
    /^a context containing a key "([^"]*)", with type "([^"]*)" and with value "([^"]*)"$/,
    (name: string, type: string, value: string) => {
      s.attributes[name] = parse(type, value);
    },
  );
  Given(/^a context containing a key "([^"]*)" with null value$/, (name: string) => {
    s.attributes[name] = null;
  });
  Given("an evaluation context with modifiable data", () => {
    s.attributes = { email: "ballmer@macrosoft.com", list: ["a"], user_id: "somebody" };
    s.given = structuredClone(s.attributes);
  });
  Given("evaluation options containing specific hooks", () => {
    s.hook("first");
    s.hook("second");
    s.optionHooks = true;
  });
  Given("a client with added hook", () => s.subject?.addHooks(s.hook("client")));

  When("the flag was evaluated with details", () => s.evaluate());
  When("the flag was evaluated with details using the evaluation options", () => s.evaluate());
  When("the flag was evaluated with details asynchronously", () => s.evaluate());

  Then("the evaluation should complete without blocking", () => assert.equal(s.seen.flagKey, `${service}.${s.key}`));
  Then(/^the resolved details value should be "(.*)"$/, (value: string) => {
    assert.deepEqual(s.seen.value, parse(s.type, value));
  });
  Then(/^the flag key should be "([^"]*)"$/, (key: string) => assert.equal(s.seen.flagKey, `${service}.${key}`));
  Then(/^the variant should be "([^"]*)"$/, (name: string) => assert.equal(s.seen.variant, translate(variants, name)));
  Then(/^the reason should be "([^"]*)"$/, (name: string) => assert.equal(s.seen.reason, translate(names, name)));
  Then(/^the error-code should be "([^"]*)"$/, (code: string) => assert.equal(s.seen.errorCode, code));
  Then(/^the provider status should be "([^"]*)"$/, (status: string) => assert.equal(s.subject?.status(), status));
  Then("the original evaluation context should remain unmodified", () => assert.deepEqual(s.attributes, s.given));
  Then("the evaluation details should be immutable", async () => {
    const before = { ...s.seen.flagMetadata };
    Reflect.set(s.seen.flagMetadata, "version", "changed");
    await s.evaluate();
    assert.deepEqual({ ...s.seen.flagMetadata }, before);
  });
  Then("the specified hooks should execute during evaluation", () => {
    for (const name of ["first", "second"]) {
      assert.ok(s.calls.includes(`before ${name}`) && s.calls.includes(`finally ${name}`), s.calls.join(", "));
    }
  });
  Then("the hook order should be maintained", () => {
    const order = ["before first", "before second", "after second", "after first", "finally second", "finally first"];
    assert.deepEqual(s.calls, order);
  });
  Then(/^the "([^"]*)" hook should have been executed$/, (stage: string) => {
    assert.ok(s.calls.includes(`${stage} client`), s.calls.join(", "));
  });
  Then(/^the "([^"]*)" hooks should be called with evaluation details$/, (stages: string, table: DataTable) => {
    for (const stage of stages.split(", ")) {
      const details = s.hooks[0]?.details.get(stage);
      assert.ok(details, s.calls.join(", "));
      for (const row of table.hashes()) {
        const [type = "", key = "", value = ""] = [row["data_type"], row["key"], row["value"]];
        checkField(details, key, parse(type, value), names);
      }
    }
  });
}

function checkField(details: EvaluationDetails<FlagValue>, key: string, want: FlagValue, names: Names): void {
  const text = String(want);
  const pairs: Record<string, [got: unknown, want: unknown]> = {
    flag_key: [details.flagKey, `${service}.${text}`],
    value: [details.value, want],
    variant: [details.variant, translate(variants, text)],
    reason: [details.reason, translate(names, text)],
    error_code: [details.errorCode, text === "null" ? undefined : text],
  };
  const pair = pairs[key];
  assert.ok(pair && isDeepStrictEqual(pair[0], pair[1]), `${key} is ${JSON.stringify(pair)}`);
}

function translate(names: Names, name: string): string | undefined {
  return Object.hasOwn(names, name) ? names[name] : name;
}

/** Reads a value as the suite writes it. */
function parse(type: string, text: string): FlagValue {
  switch (type.toLowerCase()) {
    case "boolean":
      assert.match(text, /^(true|false)$/);
      return text === "true";
    case "integer":
    case "float":
      assert.ok(Number.isFinite(Number(text)));
      return Number(text);
    case "string":
      return text;
    case "object":
      return JSON.parse(text.replaceAll('\\"', '"')) as FlagValue;
    default:
      throw new Error(`there is no type ${type}`);
  }
}
