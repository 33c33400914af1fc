/** Bookmarks: a bookmark names the state of the database that a client has seen, so that its next read is not older. */
import type { Context, MiddlewareHandler } from "hono";
import type { AppEnv } from "./context.ts";
import { invalid } from "./problems.ts";

const BOOKMARK = /^[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{32}$/;

/** Refuses a request whose X-D1-Bookmark is malformed. */
export const checkBookmark: MiddlewareHandler<AppEnv> = async (c, next) => {
  const brought = c.req.header("X-D1-Bookmark");
  if (brought !== undefined && !BOOKMARK.test(brought))
    throw invalid([
      { field: "X-D1-Bookmark", code: "invalid_format", message: "Not a bookmark of this API" },
    ]);
  await next();
};

/** Adds the bookmark of a write and, in development, the cost of the request in D1. */
export function databaseHeaders(c: Context<AppEnv>, headers: Headers): void {
  const db = c.get("db");
  if (c.get("config").environment === "development") {
    const { trips, rowsRead, rowsWritten } = db?.cost() ?? { trips: 0, rowsRead: 0, rowsWritten: 0 };
    headers.set(
      "Server-Timing",
      `d1;desc="${trips} round trips, ${rowsRead} rows read, ${rowsWritten} written"`,
    );
  }
  // The coordinator writes in its own session.
  const reached = c.req.method === "GET" ? null : (c.get("deps")?.found.bookmark ?? db?.bookmark());
  if (reached && c.res.ok) headers.set("X-D1-Bookmark", reached);
}
