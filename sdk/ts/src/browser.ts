export type { Context, Explanation } from "./engine/types.js";
export type { Evaluation, Parameter } from "./evaluation.js";
export type { Event } from "./event.js";
export { Client } from "./remote/client.js";
export type { Config } from "./remote/settings.js";
export type { Change, Status } from "./status.js";
