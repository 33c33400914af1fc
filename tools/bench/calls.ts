/** Calls, as requests and as the load sends them. */
import type { ChildProcess } from "node:child_process";
import type { Outcome, Run } from "./load.ts";
import type { Call } from "./operations.ts";

function headersOf({ token, json, headers }: Call): Record<string, string> {
  return {
    // As Cloudflare sets it. Production refuses requests without it.
    "CF-Connecting-IP": "192.0.2.1",
    ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    ...(json === undefined ? {} : { "Content-Type": "application/json" }),
    ...headers,
  };
}

/** A call for `fetch`. */
export function init(call: Call): RequestInit {
  const body = call.json === undefined ? null : JSON.stringify(call.json);
  return { method: call.method, headers: headersOf(call), body };
}

/** A call as it goes over the wire. */
export function textOf(call: Call): string {
  const body = call.json === undefined ? "" : JSON.stringify(call.json);
  const headers = {
    Host: "127.0.0.1",
    ...headersOf(call),
    "Content-Length": String(Buffer.byteLength(body)),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return `${call.method} ${call.path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n${body}`;
}

/** Sends a run to the load process. */
export function drive(load: ChildProcess, run: Run): Promise<Outcome> {
  return new Promise((done, failed) => {
    load.once("message", (outcome: Outcome | { error: string }) =>
      "error" in outcome ? failed(new Error(outcome.error)) : done(outcome),
    );
    load.send(run);
  });
}

/** The same in no order. */
export const shuffled = <T>(list: readonly T[]): T[] =>
  list
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
