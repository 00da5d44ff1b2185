import { maxPartBytes } from "../view.js";

/** How large a frame may be: a part that gzip could do nothing about, and what stands around it. */
export const maxFrameBytes = maxPartBytes + (1 << 20);
/** How large all frames of a fetch may be. */
export const maxFetchBytes = 4 * maxFrameBytes;

/** Returns a fetch whose answers fail once they are larger than so many bytes. */
export function bounding(next: typeof fetch, most: number): typeof fetch {
  return wrapping(next, () => {
    let left = most;
    return (chunk) => {
      left -= chunk.length;
      return left >= 0;
    };
  });
}

/**
 * Returns a fetch whose answers fail as soon as an envelope of the protocols of Connect
 * and gRPC-Web says that a message of more than so many bytes follows: a reader of
 * envelopes takes that much memory at once.
 */
export function boundingFrames(next: typeof fetch, most: number): typeof fetch {
  return wrapping(next, () => {
    const header = new Uint8Array(5);
    let have = 0;
    let skip = 0;
    return (chunk) => {
      for (let at = 0; at < chunk.length;) {
        if (skip > 0) {
          const step = Math.min(skip, chunk.length - at);
          skip -= step;
          at += step;
          continue;
        }
        header[have++] = chunk[at++] ?? 0;
        if (have === header.length) {
          have = 0;
          skip = new DataView(header.buffer).getUint32(1);
          if (skip > most) {
            return false;
          }
        }
      }
      return true;
    };
  });
}

/** Returns a fetch that looks at the content of answers, and fails where that is not accepted. */
function wrapping(next: typeof fetch, look: () => (chunk: Uint8Array) => boolean): typeof fetch {
  return async (input, init) => {
    const response = await next(input, init);
    if (!response.body) {
      return response;
    }
    const accepts = look();
    const reader = response.body.getReader();
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) {
          controller.close();
        } else if (accepts(value)) {
          controller.enqueue(value);
        } else {
          await reader.cancel();
          controller.error(new Error("the answer is too large"));
        }
      },
      cancel: (reason) => reader.cancel(reason),
    });
    return new Response(body, { status: response.status, headers: response.headers });
  };
}
