import { create } from "@bufbuild/protobuf";

import { after, now, Waker } from "../clock.js";
import { ReportStatusRequestSchema, type ReportStatusRequest } from "../gen/strata/serving/v1/config_pb.js";
import type { Log } from "../log.js";
import { positionText } from "../view.js";
import type { ConfigClient } from "./client.js";
import type { Held, Link } from "./held.js";
import type { FollowerStatus } from "./status.js";
import type { Timers } from "./timers.js";

// Limits of the contract.
const maxNameBytes = 256;
const maxRejections = 20;
const maxProblemBytes = 1024;

export interface Reporting {
  readonly client: ConfigClient;
  readonly held: Held;
  readonly timers: Timers;
  readonly log: Log;
  readonly environment: string;
  readonly instance: string;
  /** The caller's software and its version. */
  readonly software: string;
}

/**
 * Reports how the follower is, until a signal is aborted: when it changes, and often
 * enough for the server to know that it lives. One report follows another; that one
 * fails is of no consequence but that it is made again.
 */
export async function report(reporting: Reporting, signal: AbortSignal): Promise<void> {
  const { held } = reporting;
  const waker = new Waker();
  held.listen(() => waker.wake());
  signal.addEventListener("abort", () => waker.wake());
  let told = "";
  let at = -Infinity;
  let failed = false;
  while (!signal.aborted) {
    const link = held.reportable;
    if (!link) {
      await waker.wait();
      continue;
    }
    const status = held.status();
    const news = newsOf(link, status);
    const wait = at + pause(link, news !== told, failed) - now();
    if (wait > 0) {
      await waker.wait(wait);
      continue;
    }
    failed = !(await send(reporting, link, status, signal));
    told = failed ? "" : news;
    at = now();
  }
}

/** What is reported as soon as it changes. */
function newsOf(link: Link, status: FollowerStatus): string {
  const active = status.active && [positionText(status.active.position), ...status.active.hash];
  return JSON.stringify([link, status.state, positionText(status.replicated), active]);
}

/** Returns how many milliseconds to wait after a report for the next one. */
function pause(link: Link, changed: boolean, failed: boolean): number {
  if (failed) {
    return Math.max(link.report, link.heartbeat / 3);
  }
  // In time, even if it is slow.
  return changed ? link.report : Math.max(link.report, (link.heartbeat * 2) / 3);
}

async function send(reporting: Reporting, link: Link, status: FollowerStatus, signal: AbortSignal): Promise<boolean> {
  const call = new AbortController();
  const stop = () => call.abort();
  const cancel = after(Math.min(Math.max(link.heartbeat, 1000), reporting.timers.answer), stop);
  signal.addEventListener("abort", stop);
  try {
    await reporting.client.report(message(reporting, link, status), call.signal);
    return true;
  } catch (error) {
    reporting.log.debug("the status could not be reported", { error });
    return false;
  } finally {
    cancel();
    signal.removeEventListener("abort", stop);
  }
}

function message(reporting: Reporting, link: Link, status: FollowerStatus): ReportStatusRequest {
  const { replicated, active } = status;
  return create(ReportStatusRequestSchema, {
    environment: reporting.environment,
    streamId: link.stream,
    status: {
      instance: reporting.instance,
      client: reporting.software,
      state: status.state,
      epoch: replicated.epoch,
      replicatedRevision: replicated.revision,
      // Of another epoch, its revision would be of another history.
      activeRevision: active?.position.epoch === replicated.epoch ? active.position.revision : 0n,
      activeHash: active?.hash ?? new Uint8Array(),
      rejections: status.faults.slice(0, maxRejections).map(({ key, problem }) => ({
        kind: key?.kind ?? 0,
        key: clip(key?.name ?? "", maxNameBytes),
        problem: clip(problem, maxProblemBytes),
      })),
      staleMillis: BigInt(Math.round(status.staleFor)),
    },
  });
}

/** Shortens text to so many bytes of UTF-8, if it is longer. */
function clip(text: string, most: number): string {
  const buffer = new Uint8Array(most);
  return new TextDecoder().decode(buffer.subarray(0, new TextEncoder().encodeInto(text, buffer).written));
}
