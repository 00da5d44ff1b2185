import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";

import { now, sleep } from "./clock.js";
import { type Content, decode, encode } from "./lastgood/format.js";
import type { Log } from "./log.js";
import { comparePositions } from "./view.js";

export type { Content } from "./lastgood/format.js";

// Files of the folder. There are two generations, so that one is whole whenever the
// process ends.
const currentName = "current.strata";
const previousName = "previous.strata";
const tempPrefix = "writing-";
const corruptMark = ".corrupt-";
/** How many files that were found corrupt are kept, for people. */
const maxCorrupt = 4;
/** How old a file is, in milliseconds, that nobody writes any more. */
const abandoned = 10 * 60 * 1000;

/** How long nothing is written after a write, and after one that failed, in milliseconds. */
const minPause = 1000;
const failedPause = 5000;
/** How many times as long as a write took nothing is written after it. */
const share = 19;

/**
 * LastGood keeps the last configuration that ran in a folder, so that a process starts
 * with it while no server is to be reached. What is read back is the configuration that
 * was written, whole and of what is asked for, or nothing; and that nothing can be
 * written is no reason to stop.
 *
 * Processes that follow the same may share a folder: what one writes replaces what
 * another one has, whole. Its format is that of the data plane (sdk/go/lastgood).
 */
export class LastGood {
  readonly #folder: string;
  readonly #log: Log;
  #failures = 0;
  /** The error that was logged last, empty after a success. */
  #trouble = "";
  #pending: Content | undefined;
  #writing: Promise<void> | undefined;
  readonly #flushing = new AbortController();

  /** The folder is made when it is first written to. */
  constructor(folder: string, log: Log) {
    this.#folder = folder;
    this.#log = log;
  }

  /** How often writing has failed. */
  get failures(): number {
    return this.#failures;
  }

  /**
   * Returns the newest content that is whole and of this upstream, this environment and
   * these services, if there is one. A file that is not whole is set aside under another
   * name. One of another owner stays where it is, and the log says so once.
   */
  load(upstream: string, environment: string, services: readonly string[]): Content | undefined {
    this.#tidy();
    const asked = ownerOf({ upstream, environment, services });
    let found: Content | undefined;
    let told = false;
    for (const name of [currentName, previousName]) {
      const content = this.#read(name);
      if (!content) {
        continue;
      }
      const owner = ownerOf(content);
      if (owner === asked) {
        if (!found || comparePositions(content.view.position, found.view.position) > 0) {
          found = content;
        }
      } else if (!told) {
        told = true;
        this.#log.warn("a last good configuration of another owner is passed over, and will be replaced in time", {
          file: this.#path(name),
          owner,
          asked,
        });
      }
    }
    return found;
  }

  /** Has a content written soon. One that was not yet written is replaced: only the newest counts. */
  put(content: Content): void {
    this.#pending = content;
    this.#writing ??= this.#writeAll();
  }

  /** Resolves when what was put is written, or has failed once more. It ends the pauses, and never rejects. */
  async flush(): Promise<void> {
    this.#flushing.abort();
    await this.#writing;
  }

  async #writeAll(): Promise<void> {
    while (this.#pending) {
      const content = this.#pending;
      this.#pending = undefined;
      const began = now();
      const written = await this.#write(content);
      if (!written && !this.#flushing.signal.aborted) {
        this.#pending ??= content;
      }
      await sleep(Math.max(written ? minPause : failedPause, share * (now() - began)), this.#flushing.signal);
    }
    this.#writing = undefined;
  }

  /** Makes a content the newest one, and reports whether it is on the disk. */
  async #write(content: Content): Promise<boolean> {
    try {
      await this.#replace(await encode(content));
    } catch (error) {
      this.#failures++;
      const trouble = error instanceof Error && "code" in error ? `${String(error.code)}` : String(error);
      if (trouble !== this.#trouble) {
        this.#trouble = trouble;
        this.#log.error("the last good configuration can not be written, an older one stays", { error });
      }
      return false;
    }
    if (this.#trouble !== "") {
      this.#trouble = "";
      this.#log.info("the last good configuration can be written again", { folder: this.#folder });
    }
    return true;
  }

  async #replace(data: Uint8Array): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const temp = this.#path(tempPrefix + randomUUID());
    try {
      await writeDurably(temp, data);
      await rename(this.#path(currentName), this.#path(previousName)).catch((error: unknown) => {
        if (!isMissing(error)) {
          throw error;
        }
      });
      await rename(temp, this.#path(currentName));
    } catch (error) {
      await rm(temp, { force: true }).catch(() => {}); // what has failed before is told
      throw error;
    }
    await syncFolder(this.#folder);
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  #read(name: string): Content | undefined {
    let data: Buffer;
    try {
      data = readFileSync(this.#path(name));
    } catch (error) {
      if (!isMissing(error)) {
        this.#log.error("a last good configuration can not be read", { file: this.#path(name), error });
      }
      return undefined;
    }
    try {
      return decode(data);
    } catch (error) {
      this.#log.error("a last good configuration is not used", { file: this.#path(name), error });
      this.#setAside(name);
      return undefined;
    }
  }

  /** Removes what processes that were killed have left half written. */
  #tidy(): void {
    for (const name of this.#names().filter((each) => each.startsWith(tempPrefix))) {
      try {
        if (Date.now() - statSync(this.#path(name)).mtimeMs > abandoned) {
          rmSync(this.#path(name), { force: true });
        }
      } catch {
        // The next one tries again.
      }
    }
  }

  /** Renames a file that is not whole, and removes the oldest of such files that are too many. */
  #setAside(name: string): void {
    const aside = name + corruptMark + new Date().toISOString().replaceAll(/[-:]/g, "");
    try {
      renameSync(this.#path(name), this.#path(aside));
      const all = this.#names().filter((each) => each.includes(corruptMark));
      all.sort((a, b) => (whenOf(a) < whenOf(b) ? 1 : -1));
      for (const old of all.slice(maxCorrupt)) {
        rmSync(this.#path(old), { force: true });
      }
    } catch (error) {
      this.#log.error("a file that is not used stays where it is", { file: this.#path(name), error });
    }
  }

  #names(): string[] {
    try {
      return readdirSync(this.#folder);
    } catch {
      return []; // there is nothing to be found where nothing can be read
    }
  }
}

/** What a content has to be of to be used, in one line. */
function ownerOf(of: Pick<Content, "upstream" | "environment" | "services">): string {
  const services = [...new Set(of.services)];
  services.sort();
  return JSON.stringify([of.upstream, of.environment, ...services]);
}

/** The time in the name of a file that was set aside. */
function whenOf(name: string): string {
  return name.slice(name.indexOf(corruptMark) + corruptMark.length);
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

async function writeDurably(file: string, data: Uint8Array): Promise<void> {
  const handle = await open(file, "wx", 0o600);
  try {
    await handle.writeFile(data);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Has renames reach the disk. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") {
    return; // which has no such thing
  }
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
