import { expect, test } from "vitest";

import type { Match } from "../../src/engine/index.js";
import { Evaluation, type Evaluated } from "../../src/evaluation.js";
import { messageOf, type Event } from "../../src/event.js";
import { Exposer } from "../../src/exposures.js";
import type { Exposure } from "../../src/gen/strata/serving/v1/event_pb.js";
import { Meetings } from "../../src/meetings.js";

const match: Match = { layerId: "l", hashKey: "user_id", salt: "x", eid: 1, vid: 11, ruled: false, window: 1 };

function exposing() {
  const sent: Exposure[] = [];
  const dropped: string[] = [];
  const outbox = { isFull: false };
  const exposer = new Exposer({
    putExposure: (exposure) => !outbox.isFull && sent.push(exposure) > 0,
    drop: (_, why) => dropped.push(why),
  });
  const expose = (userId: unknown, more: Partial<Match> = {}, path = "a", hidden = false) =>
    exposer.expose(
      { service: "s", context: { user_id: userId }, position: { epoch: 5n, revision: 6n } },
      { ...match, ...more },
      path,
      hidden,
    );
  return { sent, dropped, outbox, expose };
}

test("an exposure says all that there is to say", () => {
  const { sent, expose } = exposing();
  expose("user_12345", { salt: "click_exp_2024" }, "model.version", true);
  expect(sent[0]).toMatchObject({
    service: "s",
    layerId: "l",
    hashKey: "user_id",
    key: "user_12345",
    slot: 7622,
    eid: 1,
    vid: 11,
    epoch: 5n,
    revision: 6n,
    path: "model.version",
    hidden: true,
  });
});

test("each is recorded once for a user, a variant and a window", () => {
  const { sent, expose } = exposing();
  const others: [unknown, Partial<Match>][] = [
    ["u", {}],
    ["v", {}],
    ["u", { vid: 12 }],
    ["u", { window: 2 }],
  ];
  for (let i = 0; i < 3; i++) {
    others.forEach(([userId, more]) => expose(userId, more, `path${i}`));
  }
  expect(sent.length).toBe(4);
});

test("one that was hidden is recorded again when it no longer is", () => {
  const { sent, expose } = exposing();
  expose("u", {}, "a", true);
  expose("u", {}, "a", true);
  expose("u");
  expose("u");
  expect(sent.map(({ hidden }) => hidden)).toEqual([true, false]);
});

test("one that is hidden is not recorded of what was recorded when it was not", () => {
  const { sent, expose } = exposing();
  expose("u");
  expose("u", {}, "a", true);
  expose("v", {}, "a", true);
  expose("u", { window: 2 }, "a", true);
  expect(sent.map(({ key, hidden }) => `${key} ${hidden}`)).toEqual(["u false", "v true", "u true"]);
});

test("one that is not taken is recorded when it is read again", () => {
  const { sent, outbox, expose } = exposing();
  outbox.isFull = true;
  expose("u");
  expose("v", {}, "a", true);
  outbox.isFull = false;
  for (let i = 0; i < 2; i++) {
    expose("u", {}, "a", true);
    expose("u");
    expose("v", {}, "a", true);
  }
  expect(sent.map(({ key, hidden }) => `${key} ${hidden}`)).toEqual(["u true", "u false", "v true"]);
});

test("keys are those of the layers, whatever their type", () => {
  const { sent, expose } = exposing();
  for (const userId of [12, "12", 12.5, "x".repeat(4096), `${"x".repeat(4095)}y`, undefined, null, {}]) {
    expose(userId);
  }
  expect(sent.map(({ key }) => key.length)).toEqual([2, 4096, 4096]);
});

test("half a surrogate pair is sent in a key as it was hashed", () => {
  const { sent, expose } = exposing();
  expose("a\ud800");
  expect(sent.map(({ key }) => key)).toEqual(["a\ufffd"]);
});

test.each([
  ["a long key", "é".repeat(2049), "a"],
  ["a long path", "u", `a.${"é".repeat(2048)}`],
  ["a path that has half a surrogate pair", "u", "a\ud800"],
])("%s is dropped and counted", (_, userId, path) => {
  const { sent, dropped, expose } = exposing();
  expose(userId, {}, path);
  expect(sent).toEqual([]);
  expect(dropped.length).toBe(1);
});

test("some 100,000 are remembered", () => {
  const meetings = new Meetings();
  const again = (i: number) => meetings.again(match, `user-${i}`, false);
  for (let i = 0; i < 100_001; i++) {
    expect(again(i)).toBe(false);
  }
  expect(again(100_000)).toBe(true);
  expect(again(60_000)).toBe(true);
  expect(again(0)).toBe(false);
});

/** An evaluation of these parameters, which knows no others. */
function evaluationOf(parameters: Record<string, unknown>, ruled = false) {
  const exposed: string[] = [];
  const evaluated: Evaluated = {
    result: {
      matches: [{ ...match, ruled }],
      read(path) {
        const value = path === "" ? parameters : parameters[path];
        const found = value !== undefined;
        return { path, value, text: "", winner: found ? 0 : -1, exposed: found ? [0] : [], hidden: [] };
      },
    },
    revision: 3,
    knows: (path) => path in parameters || path === "of others",
    slot: () => 17,
    expose: ({ layerId }, path, hidden) => exposed.push(`${layerId} ${path} ${hidden}`),
  };
  return { e: new Evaluation(evaluated), exposed };
}

test("each way to read takes its own type", () => {
  const values = { s: "x", b: true, i: 5, f: 1.5, large: 2 ** 60, o: { a: 1 }, l: [1], n: null };
  const { e } = evaluationOf(values);
  const own: Record<string, unknown[]> = {};
  for (const path of [...Object.keys(values), "none"]) {
    own[path] = [
      e.getString(path, "def"),
      e.getBool(path, false),
      e.getInt(path, -1),
      e.getFloat(path, -1.5),
      e.getObject(path, {}),
    ];
  }
  const none = ["def", false, -1, -1.5, {}];
  expect(own).toEqual({
    s: ["x", ...none.slice(1)],
    b: ["def", true, ...none.slice(2)],
    i: ["def", false, 5, 5, {}],
    f: ["def", false, -1, 1.5, {}],
    large: ["def", false, -1, 2 ** 60, {}],
    o: [...none.slice(0, 4), { a: 1 }],
    l: none,
    n: none,
    none,
  });
});

test("a parameter has its source", () => {
  const { e, exposed } = evaluationOf({ a: 1 });
  expect(e.lookup("a")).toEqual({
    value: 1,
    reason: "SPLIT",
    error: "",
    layerId: "l",
    eid: 1,
    vid: 11,
    slot: 17,
    revision: 3,
  });
  expect(exposed).toEqual(["l a false"]);
  expect(evaluationOf({ a: 1 }, true).e.lookup("a").reason).toBe("TARGETING_MATCH");
  expect(e.lookup("of others")).toMatchObject({
    value: undefined,
    reason: "DEFAULT",
    error: "",
    slot: -1,
    revision: 3,
  });
  expect(e.lookup("none")).toMatchObject({ value: undefined, reason: "ERROR", error: "NOT_FOUND", vid: 0 });
});

test.each([undefined, null, 5, Symbol("a"), {}, Object.create(null)])("nothing is read at what is no path", (path) => {
  const { e, exposed } = evaluationOf({ undefined: 1, null: 1, 5: 1 });
  expect(e.getInt(path as string, 7)).toBe(7);
  expect(e.lookup(path as string)).toMatchObject({ value: undefined, error: "NOT_FOUND", revision: 3 });
  expect(exposed).toEqual([]);
});

test.each(["NOT_READY", "INVALID_CONTEXT"] as const)("without anything it is %s", (error) => {
  const e = new Evaluation(error);
  expect(e.lookup("a")).toMatchObject({ value: undefined, reason: "ERROR", error, slot: -1, revision: 0 });
  expect(e.getInt("a", 7)).toBe(7);
});

const event = { name: "checkout", context: { user_id: "u", device: 5, email: "private" } };

test("of an event's context what layers hash is sent, and nothing else", () => {
  const message = messageOf({ ...event, value: 1.5, properties: { items: [1], gone: undefined } }, [
    "device",
    "user_id",
    "x",
  ]);
  expect(message).toMatchObject({
    name: "checkout",
    units: { user_id: "u", device: "5" },
    value: 1.5,
    properties: { items: [1] },
  });
  expect(JSON.stringify(message)).not.toContain("private");
});

test.each<[string, Partial<Record<keyof Event, unknown>>]>([
  ["no name", { name: "" }],
  ["a long name", { name: "é".repeat(129) }],
  ["an infinite value", { value: Infinity }],
  ["a value that is no number", { value: "5" }],
  ["nobody", { context: { email: "x" } }],
  ["no context", { context: null }],
  ["large properties", { properties: { x: "y".repeat(17_000) } }],
  ["properties that are a list", { properties: [1] }],
  ["deep properties", { properties: { deep: JSON.parse("[".repeat(64) + "]".repeat(64)) } }],
  ["properties that are no JSON", { properties: { x: 5n } }],
])("an event with %s is not sent", (_, wrong) => {
  expect(typeof messageOf({ ...event, ...wrong } as Event, ["user_id"])).toBe("string");
});
