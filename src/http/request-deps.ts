/** Creates the dependencies of use cases from a request. */
import type { Context } from "hono";
import { type Cost, type Database, noCost, openDatabase } from "../db/client.ts";
import type { Deps } from "../deps.ts";
import type { AppEnv } from "./context.ts";
import { purge } from "./platform-cache.ts";
import { forgetPublic } from "./public-cache.ts";

/** Returns the dependencies of this request. */
export function depsOf(c: Context<AppEnv>): Deps {
  const made = c.get("deps");
  if (made) return made;
  const requestId = c.get("requestId");
  const deps: Deps = {
    env: c.env,
    config: c.get("config"),
    get db() {
      return databaseOf(c);
    },
    primary: () => openDatabase(c.env.DB, "first-primary", requestId, costOf(c)),
    now: Date.now(),
    requestId,
    isWithin: async (limit, key) =>
      !c.get("config").rateLimits || (await c.env[limit].limit({ key })).success,
    afterwards: (work) => c.executionCtx.waitUntil(work),
    stockChanged: forgetPublic,
    purge: (tags) => c.executionCtx.waitUntil(purge(c, tags)),
    found: {},
  };
  c.set("deps", deps);
  return deps;
}

/**
 * Returns the database session of this request. Opened on first use. A bookmark lets a public read see what the client
 * has written. It does not choose the state of a private read: an old one could hide that a session has ended.
 */
function databaseOf(c: Context<AppEnv>): Database {
  const opened = c.get("db");
  if (opened) return opened;
  const isPrivate = c.req.method !== "GET" || c.get("claimed") !== undefined;
  const start = isPrivate ? "first-primary" : (c.req.header("X-D1-Bookmark") ?? "first-unconstrained");
  const db = openDatabase(c.env.DB, start, c.get("requestId"), costOf(c));
  c.set("db", db);
  return db;
}

/** The account that all sessions of this request share. */
function costOf(c: Context<AppEnv>): Cost {
  const cost = c.get("cost") ?? noCost();
  c.set("cost", cost);
  return cost;
}
