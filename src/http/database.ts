/** A request's database session: opened when it is first asked, at the state that the client has seen. */
import type { Context } from "hono";
import { type Cost, type Database, openDatabase } from "../db/client.ts";
import type { AppEnv } from "./context.ts";
import { invalid, type Problem } from "./problems.ts";

const BOOKMARK = /^[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{32}$/;

/** The session of this request. Not every one needs it: free slots come out of a car's calendar. */
export function databaseOf(c: Context<AppEnv>): Database {
  const opened = c.get("db");
  if (opened) return opened;
  const isPrivate = c.req.method !== "GET" || c.req.header("Authorization") !== undefined;
  const start = c.req.header("X-D1-Bookmark") ?? (isPrivate ? "first-primary" : "first-unconstrained");
  const db = openDatabase(c.env.DB, start);
  c.set("db", db);
  return db;
}

/** The `invalid_request` of a client that brings along what is no bookmark. */
export function refuseBookmark(c: Context<AppEnv>): Problem | undefined {
  const brought = c.req.header("X-D1-Bookmark");
  if (brought === undefined || BOOKMARK.test(brought)) return undefined;
  return invalid([{ field: "X-D1-Bookmark", code: "invalid_format", message: "Not a bookmark of ours" }]);
}

/** Adds the bookmark that a write has reached and, in development, what the request has cost. */
export function tellDatabase(c: Context<AppEnv>, headers: Headers): void {
  const db = c.get("db");
  if (c.get("config").environment === "development") headers.set("Server-Timing", timingOf(db?.cost()));
  // A car's calendar writes in a session of its own, and has said so already.
  const reached = c.req.method === "GET" || headers.has("X-D1-Bookmark") ? null : db?.bookmark();
  if (reached && c.res.ok) headers.set("X-D1-Bookmark", reached);
}

/** What a request cost in D1, for the network panel of a developer's browser; what a calendar asks is not in it. */
const timingOf = ({ trips, rowsRead, rowsWritten }: Cost = { trips: 0, rowsRead: 0, rowsWritten: 0 }) =>
  `d1;desc="${trips} round trips, ${rowsRead} rows read, ${rowsWritten} written"`;
