/** The use cases of keeping and forgetting users. */
import type { z } from "@hono/zod-openapi";
import { uuidv7 } from "uuidv7";
import { confirmPassword, readCallingUser } from "../auth/guesses.ts";
import { type User, userById } from "../auth/users.ts";
import { commitAs, readAs } from "../auth/verification.ts";
import { commitLeaving } from "../bookings/reassignment.ts";
import { violationOf } from "../db/violations.ts";
import type { Deps } from "../deps.ts";
import { enqueue } from "../outbox/outbox.ts";
import { type Caller, type ClaimedCaller, isStaff } from "../shared/callers.ts";
import { ok, type Refusal, type Result, refuse } from "../shared/refusals.ts";
import { logSecurity } from "../shared/security-log.ts";
import type { exportSchema } from "./schemas.ts";
import { deactivate, EXPORT_PAGE, erase, exportBody, exportQueries, setActive } from "./store.ts";

/** Any user, for an ADMIN. An erased user is not found. One round trip. */
export async function getUser(deps: Deps, claimed: ClaimedCaller, id: string): Promise<Result<User>> {
  const read = await readAs(deps, claimed, userById({ id }));
  if (!read.ok) return read;
  const [[user]] = read.value.rows;
  return user && user.erasedAt === null ? ok(user) : refuse("not_found");
}

/**
 * Deactivates or reactivates any user. A deactivation signs the user out and cancels their coming test drives, of which
 * the sales team is notified in one mail. They stay cancelled after a reactivation.
 */
export async function changeUser(
  deps: Deps,
  claimed: ClaimedCaller,
  id: string,
  isActive: boolean,
): Promise<Result<User>> {
  const { now, requestId } = deps;
  const changed = await closing(async () => {
    if (isActive) {
      const statements = [setActive(id, true, now)] as const;
      const changed = await commitAs(deps, claimed, "user.reactivate", `user:${id}`, statements);
      return changed.ok ? userFrom(changed.value[0]) : changed;
    }
    const closed = { userId: id, by: claimed.id, erased: false, now, requestId };
    const statements = deactivate(closed, uuidv7(), deps.config.email.staff);
    // Somebody of the staff may have drives of customers, too.
    const changed = await commitLeaving(deps, claimed, "user.deactivate", id, statements, () => undefined);
    if (!changed.ok) return changed;
    const [noticed, users] = changed.value.rows;
    afterClosing(deps, noticed);
    return userFrom(users);
  });
  if (changed.ok)
    logSecurity(isActive ? "user_reactivated" : "user_deactivated", {
      request: requestId,
      user: id,
      by: claimed.id,
    });
  return changed;
}

const userFrom = ([user]: readonly User[]): Result<User> => (user ? ok(user) : refuse("not_found"));

/** One page of all that is stored about the calling user. `urlOf` gives the URL of a page. One round trip. */
export async function exportOwnData(
  deps: Deps,
  claimed: ClaimedCaller,
  page: number,
  urlOf: (page: number) => string,
): Promise<Result<z.infer<typeof exportSchema>>> {
  const read = await readAs(deps, claimed, ...exportQueries(claimed.id, page));
  if (!read.ok) return read;
  const [[account], [employment], ...lists] = read.value.rows;
  if (!account) return refuse("invalid_token");
  const [sessions, bookings, purchases, notifications, commissions, absences] = lists;
  const hasMore = lists.some((rows) => rows.length > EXPORT_PAGE);
  const onPage = <Row>(rows: readonly Row[]) => rows.slice(0, EXPORT_PAGE);
  const rows = {
    account,
    employment,
    sessions: onPage(sessions),
    bookings: onPage(bookings),
    purchases: onPage(purchases),
    notifications: onPage(notifications),
    commissions: onPage(commissions),
    absences: onPage(absences),
  };
  return ok(exportBody(rows, deps.now, hasMore ? urlOf(page + 1) : null));
}

/** Erases the personal data of the calling user, who proves with the password that it is them. */
export async function eraseOwnData(
  deps: Deps,
  claimed: ClaimedCaller,
  password: string,
): Promise<Result<undefined>> {
  const calling = await readCallingUser(deps, claimed);
  if (!calling.ok) return calling;
  const confirmed = await confirmPassword(deps, calling.value, password, "password");
  if (!confirmed.ok) return confirmed;
  const { caller } = calling.value;
  const erased = await eraseUser(deps, caller, caller.id);
  // An equal request was faster, and has ended this session.
  return erased.ok || erased.refusal.code !== "not_found" ? erased : refuse("invalid_token");
}

/**
 * Erases the personal data of a user and cancels their coming test drives. Bookings, sales and commissions stay, without
 * free texts (docs/operations/retention.md). The data of a staff member is kept until their employment has ended.
 */
export async function eraseUser(deps: Deps, actor: Caller, userId: string): Promise<Result<undefined>> {
  const { db, now, requestId } = deps;
  const [[user]] = await db.ask(userById({ id: userId }));
  if (!user || user.erasedAt !== null) return refuse("not_found");
  if (isStaff(user) && user.isActive)
    return refuse("forbidden", { detail: "An administrator must end the employment first" });
  const by = actor.id === userId ? null : actor.id;
  return closing(async () => {
    const statements = erase({ userId, by, erased: true, now, requestId }, uuidv7(), deps.config.email.staff);
    const [noticed] = await db.commit(actor, "user.erase", `user:${userId}`, statements);
    logSecurity("user_erased", { request: requestId, user: userId, by: by ?? undefined });
    afterClosing(deps, noticed);
    return ok(undefined);
  });
}

/** After an account was closed: sends its notification, and shows the slots that became free. */
function afterClosing(deps: Deps, noticed: ReadonlyArray<{ id: string }>): void {
  const { afterwards, env, requestId } = deps;
  deps.stockChanged();
  afterwards(
    enqueue(
      env.NOTIFICATIONS,
      noticed.map(({ id }) => id),
      requestId,
    ),
  );
}

/** Awaits a write that opens or closes an account, and returns a refusal when the database refuses it. */
async function closing<T>(write: () => Promise<Result<T>>): Promise<Result<T>> {
  try {
    return await write();
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal) return { ok: false, refusal };
    throw error;
  }
}

function refusalOf(error: unknown): Refusal | undefined {
  const violation = violationOf(error);
  // Otherwise no user could create administrators.
  if (violation === "last_admin") return { code: "last_admin" };
  return violation === "not_signed_in" ? { code: "invalid_token" } : undefined;
}
