import { after, jittered, now, sleep } from "../clock.js";
import type { WatchRequest } from "../gen/strata/serving/v1/config_pb.js";
import type { ConfigClient } from "./client.js";
import { end, endOf, type Ending } from "./ending.js";
import type { Held } from "./held.js";
import { Session } from "./session.js";
import { patience, type Timers } from "./timers.js";

/** What streams and fetches need. */
export interface Followed {
  readonly client: ConfigClient;
  readonly held: Held;
  readonly timers: Timers;
  /** What is asked of the server, from the replicated configuration on or anew. */
  request(anew: boolean): WatchRequest;
}

/** Follows a stream until it ends, or a signal is aborted. */
export async function watch(followed: Followed, anew: boolean, signal: AbortSignal): Promise<Ending> {
  const session = new Session(followed.held, anew, false);
  const call = new AbortController();
  const frames = followed.client.watch(followed.request(anew), call.signal)[Symbol.asyncIterator]();
  try {
    let quiet = followed.timers.hello;
    for (;;) {
      const frame = await within(frames.next(), quiet, signal);
      if (frame === "stopped") {
        return session.ended(end("stopped"));
      }
      if (frame === "late") {
        return session.ended(
          session.answered
            ? end("silent", "nothing was heard for three heartbeats")
            : end("mute", "the stream does not begin"),
        );
      }
      if (frame.done) {
        return session.ended(end("broken", "the server has ended the stream"));
      }
      const ends = session.take(frame.value);
      if (ends) {
        return session.ended(ends);
      }
      if (session.answered) {
        quiet = patience * session.heartbeat;
      }
    }
  } catch (error) {
    return session.ended(endOf(error));
  } finally {
    call.abort();
  }
}

/** Resolves to what a promise does, or says that so many milliseconds or the signal came first. */
async function within<T>(promise: Promise<T>, millis: number, signal: AbortSignal): Promise<T | "late" | "stopped"> {
  const over = new AbortController();
  const stop = () => over.abort();
  signal.addEventListener("abort", stop);
  if (signal.aborted) {
    stop();
  }
  const early = sleep(millis, over.signal).then(() => (signal.aborted ? "stopped" : "late"));
  try {
    return await Promise.race([promise, early]);
  } finally {
    signal.removeEventListener("abort", stop);
    stop();
  }
}

/**
 * Fetches again and again, where a stream does not get through, until that fails, a
 * stream is to be tried again, or a signal is aborted.
 */
export async function poll(followed: Followed, anew: boolean, signal: AbortSignal): Promise<Ending> {
  const began = now();
  const until = began + jittered(followed.timers.watchAgain);
  let answered = false;
  let settled = false;
  for (;;) {
    const session = new Session(followed.held, anew && !settled, true);
    let ends = await fetch(followed, session, anew && !settled, signal);
    answered ||= session.answered;
    settled ||= session.settled;
    if (!ends && now() >= until) {
      ends = end("due");
    }
    if (!ends) {
      await sleep(jittered(session.heartbeat), signal);
    }
    if (signal.aborted) {
      ends = end("stopped");
    }
    if (ends) {
      return { ...ends, answered, settled, anew, lasted: now() - began };
    }
  }
}

/** Takes what one fetch brings. There is no end if that is right. */
async function fetch(followed: Followed, session: Session, anew: boolean, signal: AbortSignal) {
  const call = new AbortController();
  const cancel = after(followed.timers.fetch, () => call.abort(new Error("the fetch has taken too long")));
  const stop = () => call.abort();
  signal.addEventListener("abort", stop);
  try {
    const { frames } = await followed.client.fetch(followed.request(anew), call.signal);
    for (const frame of frames) {
      const ends = session.take(frame);
      if (ends) {
        return ends;
      }
    }
    return session.answered && !session.staging ? undefined : end("doubtful", "what was fetched is not whole");
  } catch (error) {
    return endOf(error);
  } finally {
    cancel();
    signal.removeEventListener("abort", stop);
  }
}
