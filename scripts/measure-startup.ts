/** `npm run measure:startup`: measures the size of the Worker, and its start compared with an empty Worker. */
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { unstable_readConfig } from "wrangler";
import { readOptions } from "../tools/command-line/arguments.ts";
import { run } from "../tools/command-line/programs.ts";

readOptions(
  `npm run measure:startup

Prints how large the Worker is as it is deployed, and how long workerd takes to its first answer, beside an empty
Worker: the difference is what compiling and starting ours costs. The two take turns.`,
  {},
);

/** The runtime that Miniflare brings. */
const WORKERD: string = createRequire(createRequire(import.meta.url).resolve("miniflare"))("workerd").default;

const FOLDER = join(".bench", "startup");
const ROUNDS = 15;
const PORT = 8860;

const EMPTY = `export default { fetch: () => new Response("ok") };`;

const { compatibility_date, compatibility_flags } = unstable_readConfig(
  { config: "wrangler.toml" },
  { hideWarnings: true },
);

/** A configuration for workerd with only this Worker: its health check needs nothing else. */
const configOf = (file: string) => `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (
    modules = [(name = "index.js", esModule = embed "${file}")],
    compatibilityDate = "${compatibility_date}",
    compatibilityFlags = ${JSON.stringify(compatibility_flags)},
  ))],
  sockets = [(name = "http", address = "127.0.0.1:${PORT}", http = (), service = "main")],
);`;

function build(): string {
  const args = ["deploy", "src/index.ts", "--dry-run", "--minify", "--env=", "--outdir", FOLDER];
  const { status, stderr } = run("wrangler", args);
  if (status !== 0) throw new Error(`the Worker could not be built: ${stderr}`);
  return readFileSync(join(FOLDER, "index.js"), "utf8");
}

/** Milliseconds from the start of the process to its first answer. */
async function firstAnswer(config: string): Promise<number> {
  const begun = performance.now();
  const runtime = spawn(WORKERD, ["serve", join(FOLDER, config)], { stdio: "ignore" });
  runtime.once("error", (error) => {
    throw error;
  });
  try {
    while (performance.now() - begun < 10_000) {
      const answer = await fetch(`http://127.0.0.1:${PORT}/healthz`).catch(() => undefined);
      if (answer?.ok) return performance.now() - begun;
    }
    throw new Error("workerd does not answer");
  } finally {
    runtime.kill();
    await new Promise((ended) => runtime.once("exit", ended));
  }
}

mkdirSync(FOLDER, { recursive: true });
const bundle = build();
writeFileSync(join(FOLDER, "empty.js"), EMPTY);
writeFileSync(join(FOLDER, "ours.capnp"), configOf("index.js"));
writeFileSync(join(FOLDER, "empty.capnp"), configOf("empty.js"));

const times: Array<{ ours: number; empty: number }> = [];
for (let n = 0; n < ROUNDS; n += 1)
  times.push({ empty: await firstAnswer("empty.capnp"), ours: await firstAnswer("ours.capnp") });

const middle = (numbers: number[]) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
const costs = times.map(({ ours, empty }) => ours - empty);
console.log(
  `bundle: ${Math.round(bundle.length / 1024)} KiB minified, ${Math.round(gzipSync(bundle).length / 1024)} KiB with gzip`,
);
console.log(
  `first answer after ${middle(times.map(({ ours }) => ours)).toFixed(0)} ms, an empty Worker's after ` +
    `${middle(times.map(({ empty }) => empty)).toFixed(0)} ms; ours takes ${middle(costs).toFixed(0)} ms longer ` +
    `(${Math.min(...costs).toFixed(0)}–${Math.max(...costs).toFixed(0)}, median of ${ROUNDS})`,
);
