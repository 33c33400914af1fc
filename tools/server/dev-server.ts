/** The server that `npm run dev` keeps running in this folder: where it is, and whether it is still there. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fail } from "../command-line/arguments.ts";

const FOLDER = ".wrangler";
const RECORD = join(FOLDER, "dev-server.json");
const PORT_BY_DEFAULT = 8787;

/** The port that PORT asks for. */
export function chosenPort(text = process.env["PORT"]): number {
  const port = text === undefined || text === "" ? PORT_BY_DEFAULT : Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65535) fail(`PORT is not a port: ${text}`);
  return port;
}

/** Whether a program of this machine listens on a port. */
export function isTaken(port: number): Promise<boolean> {
  return new Promise((answer) => {
    const socket = connect({ port, host: "localhost" });
    socket.once("connect", () => {
      socket.destroy();
      answer(true);
    });
    socket.once("error", () => answer(false));
  });
}

/** Notes where the server of this process is. Returns how to remove the note. */
export function recordServer(port: number): () => void {
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(RECORD, JSON.stringify({ port, pid: process.pid }));
  return () => rmSync(RECORD, { force: true });
}

/** The port of this folder's running server; `undefined` when there is none. */
export async function runningServer(): Promise<number | undefined> {
  const record = readRecord();
  // A server that was killed leaves its note behind.
  return record && isAlive(record.pid) && (await isTaken(record.port)) ? record.port : undefined;
}

/** The port of this folder's running server, for a script that needs one: without it the process ends. */
export async function needServer(): Promise<number> {
  const port = await runningServer();
  if (port !== undefined) return port;
  fail('No local server runs from this folder. Start it with "npm run dev".');
}

/** Settles when the server answers its health check; gives up after two minutes. */
export async function untilReady(port: number): Promise<boolean> {
  for (let tries = 0; tries < 600; tries += 1) {
    const answer = await fetch(`http://localhost:${port}/healthz`).catch(() => undefined);
    if (answer?.ok) return true;
    await sleep(200);
  }
  return false;
}

function readRecord(): { port: number; pid: number } | undefined {
  try {
    return JSON.parse(readFileSync(RECORD, "utf8"));
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
