import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const binary = fileURLToPath(new URL("../../../../bin/strata", import.meta.url));

/** Plane is a data plane in a process of its own, with two experiments of the service "shop". */
export class Plane {
  private constructor(
    private readonly root: string,
    private readonly process: ChildProcess,
    readonly url: string,
  ) {}

  /** Starts a data plane; `make build` makes the binary. */
  static async start(): Promise<Plane> {
    const root = await mkdtemp(join(tmpdir(), "strata-ofrep-"));
    await mkdir(join(root, "layers"));
    await mkdir(join(root, "experiments"));
    await save(root, "layers/click.json", {
      layer_id: "click",
      version: "v1",
      priority: 200,
      hash_key: "user_id",
      salt: "click_exp_2024",
      enabled: true,
      ranges: [
        { start: 0, end: 5000, vid: 1 },
        { start: 5000, end: 10000, vid: 2 },
      ],
    });
    await save(root, "layers/vip.json", {
      layer_id: "vip",
      version: "v1",
      priority: 100,
      hash_key: "user_id",
      salt: "vip",
      enabled: true,
      ranges: [{ start: 0, end: 10000, vid: 3 }],
    });
    await save(root, "experiments/10.json", experiment("new"));
    await save(root, "experiments/20.json", {
      eid: 20,
      service: "shop",
      rule: { type: "field", field: "plan", op: "eq", values: ["gold"] },
      variants: [{ vid: 3, params: { lounge: true } }],
    });
    const child = spawn(
      binary,
      [
        "dataplane",
        "--source=files",
        `--layers-dir=${join(root, "layers")}`,
        `--experiments-dir=${join(root, "experiments")}`,
        "--http-addr=127.0.0.1:0",
        "--metrics-addr=127.0.0.1:0",
        "--drain-delay=0s",
        "--ofrep-targeting-key=user_id",
      ],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    return new Plane(root, child, await listening(child));
  }

  /** Gives the second variant another title. */
  async retitle(title: string): Promise<void> {
    await save(this.root, "experiments/10.json", experiment(title));
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill("SIGTERM");
    await ended;
    await rm(this.root, { recursive: true });
  }
}

function experiment(title: string): unknown {
  return {
    eid: 10,
    service: "shop",
    variants: [
      { vid: 1, params: { title: "old" } },
      { vid: 2, params: { title, new: true, rate: 0.25, size: 12, model: { name: "m", layers: [1, 2] } } },
    ],
  };
}

/** Writes a file in one step. */
async function save(root: string, name: string, content: unknown): Promise<void> {
  const temporary = join(root, ".saving");
  await writeFile(temporary, JSON.stringify(content));
  await rename(temporary, join(root, name));
}

/** Waits until the process says where it listens. */
async function listening(child: ChildProcess): Promise<string> {
  const { stderr } = child;
  if (stderr === null) {
    throw new Error("the process has no stderr");
  }
  const said: string[] = [];
  return new Promise((resolve, reject) => {
    child.once("error", (error) => reject(new Error(`${binary}: run "make build" first`, { cause: error })));
    child.once("exit", () => reject(new Error(`the data plane has ended:\n${said.join("\n")}`)));
    createInterface({ input: stderr }).on("line", (line) => {
      said.push(line);
      const record = JSON.parse(line) as { msg?: string; http?: string };
      if (record.msg === "listening") {
        resolve(`http://${record.http}`);
      }
    });
  });
}
