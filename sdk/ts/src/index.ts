export { Client } from "./client.js";
export type { Context, Explanation } from "./engine/index.js";
export type { Evaluation, Parameter } from "./evaluation.js";
export type { Event } from "./event.js";
export type { Config } from "./settings.js";
export type { Change, Status } from "./status.js";
