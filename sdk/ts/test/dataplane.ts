// Data planes as processes of their own, which end when they are stopped.
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../../", import.meta.url));
const binary = join(root, "bin", "strata");

/** A configuration in files. */
export class Folder {
  readonly path = mkdtempSync(join(tmpdir(), "strata-"));

  constructor() {
    mkdirSync(join(this.path, "layers"));
    mkdirSync(join(this.path, "experiments"));
  }

  /** Replaces a file at once. */
  write(name: string, content: unknown): void {
    const temporary = join(this.path, "new");
    writeFileSync(temporary, JSON.stringify(content));
    mkdirSync(dirname(join(this.path, name)), { recursive: true });
    renameSync(temporary, join(this.path, name));
  }

  /** Has everybody get variants in layers of their own, which hash user_id: by priority, highest first. */
  layers(...experiments: { readonly eid: number; readonly [more: string]: unknown }[]): void {
    for (const [i, experiment] of experiments.entries()) {
      const layer = {
        layer_id: `l${experiment.eid}`,
        version: "v1",
        priority: experiments.length - i,
        hash_key: "user_id",
      };
      this.write(`experiments/${experiment.eid}.json`, experiment);
      this.write(`layers/${experiment.eid}.json`, {
        ...layer,
        ranges: [{ start: 0, end: 10_000, vid: 10 * experiment.eid }],
      });
    }
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A data plane that serves files. */
export interface DataPlane {
  readonly url: string;
  readonly port: number;
  /** The value of a metric, with its labels; of one that is not there it is 0. */
  metric(name: string): Promise<number>;
  /** Ends it at once, as a crash does. */
  kill(): Promise<void>;
  /** What it has logged; all of it once it has ended. */
  logged(): LogLine[];
}

/** A line of a log. */
export interface LogLine {
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** Starts a data plane of a folder, whose heartbeats come every 300 ms. */
export async function startDataPlane(folder: string, ...flags: string[]): Promise<DataPlane> {
  if (!existsSync(binary)) {
    execFileSync("make", ["build"], { cwd: root });
  }
  const args = [
    "dataplane",
    "--source=files",
    `--layers-dir=${join(folder, "layers")}`,
    `--experiments-dir=${join(folder, "experiments")}`,
    "--http-addr=127.0.0.1:0",
    "--metrics-addr=127.0.0.1:0",
    "--heartbeat=300ms",
    ...flags,
  ];
  const child = spawn(binary, args, { stdio: ["ignore", "ignore", "pipe"], env: {} });
  const lines = createInterface(child.stderr);
  const ended = new Promise<void>((resolve) => lines.once("close", resolve));
  const seen: string[] = [];
  const { http, metrics } = await new Promise<{ http: string; metrics: string }>((resolve, reject) => {
    lines.on("line", (line) => {
      seen.push(line);
      const record = JSON.parse(line) as { msg: string; http?: string; metrics?: string };
      if (record.msg === "listening" && record.http && record.metrics) {
        resolve({ http: record.http, metrics: record.metrics });
      }
    });
    lines.once("close", () => reject(new Error(`the data plane does not start:\n${seen.join("\n")}`)));
  });
  return {
    url: `http://${http}`,
    port: Number(http.split(":")[1]),
    async metric(name) {
      const text = await (await fetch(`http://${metrics}/metrics`)).text();
      const line = text.split("\n").find((each) => each.startsWith(`${name} `));
      return Number(line?.slice(name.length + 1) ?? 0);
    },
    kill() {
      child.kill("SIGKILL");
      return ended;
    },
    logged: () => seen.map((line) => JSON.parse(line) as LogLine),
  };
}
