// Data planes as processes of their own. They end with the test.
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

import { Key } from "../../src/accesskey.js";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const binary = join(root, "bin", "strata");

export const secretKey = "ssk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8mtYin";
export const otherSecretKey = "ssk_n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcXpnYXl";

/** Returns a folder that is removed with the test. */
export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "strata-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A configuration in files, and the file of the keys that may follow it: that of secretKey. */
export class Files {
  readonly folder = newFolder();

  constructor(params: unknown) {
    for (const name of ["layers", "experiments"]) {
      mkdirSync(join(this.folder, name));
    }
    this.write("layers/l.json", {
      layer_id: "l",
      version: "v1",
      priority: 1,
      hash_key: "user_id",
      ranges: [{ start: 0, end: 10_000, vid: 11 }],
    });
    this.params(params);
    const key = Key.parse("", secretKey);
    const named = {
      access_key: key.accessKey,
      public_key: key.publicKey.toString("base64"),
      name: "sdk",
      role: "ROLE_SDK",
    };
    this.write("keys.json", { access_keys: [{ key: named }] });
  }

  /** Has everybody get these parameters of the service "s". */
  params(params: unknown): void {
    this.write("experiments/1.json", { eid: 1, service: "s", variants: [{ vid: 11, params }] });
  }

  /** Replaces a file at once. */
  write(name: string, content: unknown): void {
    writeFileSync(join(this.folder, "new"), JSON.stringify(content));
    renameSync(join(this.folder, "new"), join(this.folder, name));
  }
}

/** A data plane that serves files. */
export interface Plane {
  readonly url: string;
  readonly port: number;
  /** Ends it at once, as a crash does. */
  kill(): Promise<void>;
}

/** Starts a data plane of files, whose heartbeats come every 300 ms. */
export function startPlane(files: Files, port = 0): Promise<Plane> {
  const at = (name: string) => join(files.folder, name);
  return start({
    "http-addr": `127.0.0.1:${port}`,
    "layers-dir": at("layers"),
    "experiments-dir": at("experiments"),
    "keys-file": at("keys.json"),
    heartbeat: "300ms",
  });
}

/** Starts a data plane that follows another one, from what is in a folder on. */
export function startFollower(url: string, cacheDir: string): Promise<Plane> {
  return start({
    "http-addr": "127.0.0.1:0",
    source: "stream",
    "control-plane": url,
    "upstream-audience": "data-plane",
    "cache-dir": cacheDir,
    "secret-key": secretKey,
  });
}

async function start(options: Record<string, string>): Promise<Plane> {
  if (!existsSync(binary)) {
    execFileSync("make", ["build"], { cwd: root });
  }
  const settings = { ...options, environment: "test", "metrics-addr": "127.0.0.1:0" };
  const args = Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
  const child = spawn(binary, ["dataplane", ...args], { stdio: ["ignore", "ignore", "pipe"], env: {} });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const kill = () => {
    child.kill("SIGKILL");
    return ended;
  };
  onTestFinished(kill);
  const lines = createInterface(child.stderr);
  const seen: string[] = [];
  const address = await new Promise<string>((resolve, reject) => {
    lines.on("line", (line) => {
      seen.push(line);
      const { msg, http } = JSON.parse(line) as { msg: string; http?: string };
      if (msg === "listening" && http) {
        resolve(http);
      }
    });
    lines.once("close", () => reject(new Error(`the data plane does not start:\n${seen.join("\n")}`)));
  });
  return { url: `http://${address}`, port: Number(address.split(":")[1]), kill };
}
