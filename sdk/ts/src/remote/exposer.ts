import { Meetings } from "../meetings.js";
import type { AnsweredMatch } from "./answer.js";
import type { Sender } from "./sender.js";

/**
 * Exposer records who is exposed, each once in a window. A device is not told whether an
 * experiment has changed, so windows last as long as a revision.
 */
export class Exposer {
  readonly #sender: Sender;
  readonly #meetings = new Meetings();

  constructor(sender: Sender) {
    this.#sender = sender;
  }

  expose(service: string, match: AnsweredMatch, path: string, hidden: boolean): void {
    const { exposure } = match;
    if (this.#meetings.again(match, exposure.key, hidden)) {
      return;
    }
    if (!this.#sender.put("exposures", { ...exposure, service, path, hidden })) {
      this.#meetings.forget(match, exposure.key, hidden);
    }
  }
}
