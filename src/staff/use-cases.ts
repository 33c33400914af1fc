/** The use cases of staff members. */
import type { z } from "@hono/zod-openapi";
import { uuidv7 } from "uuidv7";
import { voidCredentials } from "../auth/credentials.ts";
import { releaseAddress } from "../auth/email-verification.ts";
import { checkPassword } from "../auth/password-rules.ts";
import { insertUser, newUserRow, vouchedFor, writingUser } from "../auth/users.ts";
import { commitAs, readAs } from "../auth/verification.ts";
import { commitLeaving } from "../bookings/reassignment.ts";
import { type IdempotencyKey, storeAnswer } from "../db/idempotency.ts";
import type { Violation } from "../db/violations.ts";
import type { Deps } from "../deps.ts";
import type { Caller, ClaimedCaller, VerifiedCaller } from "../shared/callers.ts";
import { ok, type Refusal, type Result, refuse } from "../shared/refusals.ts";
import { logSecurity } from "../shared/security-log.ts";
import { daySpan, localDate } from "../shared/showroom-time.ts";
import type { metricsSchema, NewStaff, StaffChange, staffSchema } from "./schemas.ts";
import {
  insertProfile,
  isVisible,
  type Member,
  metricsBody,
  metricsQueries,
  staffBody,
  staffById,
  staffList,
  updateStaff as updateStatements,
} from "./store.ts";

type StaffBody = z.infer<typeof staffSchema>;

/** The path of a staff member. */
export const staffPath = (id: string): string => `/api/staff/${id}/`;

/** Creates a user with a staff profile. The ADMIN vouches for the address. */
export async function createStaff(
  deps: Deps,
  caller: VerifiedCaller,
  input: NewStaff,
  key: IdempotencyKey | undefined,
): Promise<Result<StaffBody>> {
  const weak = await checkPassword(deps, input.password, input);
  if (!weak.ok) return weak;
  const { db, now, config } = deps;
  const row = await newUserRow(input, now);
  const user = { ...row, ...vouchedFor(row), role: input.role };
  const profile = {
    id: uuidv7(),
    userId: user.id,
    salaryCents: input.salary,
    commissionRate: input.commission_rate,
    hireDate: input.hire_date ?? localDate(now, config.showroom.timeZone),
    createdAt: now,
    updatedAt: now,
    weight: 100,
  };
  const body = staffBody({ ...user, ...profile, isActive: 1, salesCount: 0 });
  const stored = await writingUser(
    db.commit(caller, "staff.create", `user:${user.id}`, [
      ...(user.email === null ? [] : releaseAddress(user.email, user.id, now)),
      insertUser(user),
      insertProfile(profile),
      ...storeAnswer(key, { status: 201, body, location: staffPath(profile.id) }, now),
    ]),
  );
  if (!stored.ok) return stored;
  const facts = { request: deps.requestId, user: user.id, by: caller.id, role: user.role };
  logSecurity("staff_created", facts);
  return ok(body);
}

/** The staff, longest employed first. One round trip. */
export async function listStaff(
  deps: Deps,
  claimed: ClaimedCaller,
  window: { limit: number; offset: number },
): Promise<Result<{ count: number; rows: Member[] }>> {
  const read = await readAs(deps, claimed, ...staffList({}, window));
  if (!read.ok) return read;
  const [rows, [total]] = read.value.rows;
  return ok({ count: total?.count ?? 0, rows });
}

/** One staff member: ADMIN gets any, SALES only themselves. Others are not found. One round trip. */
export async function getStaff(deps: Deps, claimed: ClaimedCaller, id: string): Promise<Result<Member>> {
  const read = await readAs(deps, claimed, staffById({ id }));
  if (!read.ok) return read;
  const [[member]] = read.value.rows;
  return isVisible(member, read.value.caller) ? ok(member) : refuse("not_found");
}

/** The metrics of a staff member for the local days from `from` to `to`, or for all days. One round trip. */
export async function getStaffMetrics(
  deps: Deps,
  claimed: ClaimedCaller,
  id: string,
  { from, to }: { from?: string | undefined; to?: string | undefined },
): Promise<Result<z.infer<typeof metricsSchema>>> {
  const { showroom, defaultCurrency } = deps.config;
  const span = daySpan(from, to, showroom.timeZone);
  const read = await readAs(deps, claimed, staffById({ id }), ...metricsQueries(id, span));
  if (!read.ok) return read;
  const [[member], ...sums] = read.value.rows;
  return isVisible(member, read.value.caller) ? ok(metricsBody(sums, defaultCurrency)) : refuse("not_found");
}

/**
 * Changes a staff member's terms, role or access. Deactivation ends their sessions, and gives their coming drives to
 * colleagues; `unassigned`: the ids of those for which nobody is free.
 */
export async function updateStaff(
  deps: Deps,
  claimed: ClaimedCaller,
  id: string,
  change: StaffChange,
): Promise<Result<{ member: Member; unassigned: string[] | undefined }>> {
  const found = await getStaff(deps, claimed, id);
  if (!found.ok) return found;
  const { userId } = found.value;
  const { now } = deps;
  const statements = [...updateStatements(found.value, change, now), staffById({ id: userId })] as const;
  // Otherwise no user could create administrators.
  const refusalOf = (violation: Violation | undefined): Refusal | undefined =>
    violation === "last_admin" ? { code: violation } : undefined;
  const leaves = change.is_active === false;
  const written = leaves
    ? await commitLeaving(
        deps,
        claimed,
        "staff.update",
        userId,
        [...statements, ...voidCredentials(userId, now)],
        refusalOf,
      )
    : await commitAs(deps, claimed, "staff.update", `user:${userId}`, statements, refusalOf);
  if (!written.ok) return written;
  const [, , [member]] = "rows" in written.value ? written.value.rows : written.value;
  const unassigned = "rows" in written.value ? written.value.unassigned : undefined;
  logStaffChange(deps, claimed, found.value, change);
  return member ? ok({ member, unassigned }) : refuse("not_found");
}

function logStaffChange({ requestId }: Deps, caller: Caller, before: Member, change: StaffChange): void {
  const { role, is_active: isActive } = change;
  const facts = { request: requestId, user: before.userId, by: caller.id };
  if (role !== undefined && role !== before.role) logSecurity("role_changed", { ...facts, role });
  if (isActive !== undefined && isActive !== (before.isActive === 1))
    logSecurity(isActive ? "user_reactivated" : "user_deactivated", facts);
}
