/** The use cases of staff members. */
import type { z } from "@hono/zod-openapi";
import { uuidv7 } from "uuidv7";
import { voidCredentials } from "../auth/credentials.ts";
import { releaseAddress } from "../auth/email-verification.ts";
import { checkPassword } from "../auth/password-rules.ts";
import { insertUser, newUserRow, vouchedFor, writingUser } from "../auth/users.ts";
import { type IdempotencyKey, storeAnswer } from "../db/idempotency.ts";
import { violationOf } from "../db/violations.ts";
import type { Deps } from "../deps.ts";
import type { VerifiedCaller } from "../shared/callers.ts";
import { ok, type Result, refuse } from "../shared/refusals.ts";
import { logSecurity } from "../shared/security-log.ts";
import { daySpan, localDate } from "../shared/showroom-time.ts";
import type { metricsSchema, NewStaff, StaffChange, staffSchema } from "./schemas.ts";
import {
  insertProfile,
  type Member,
  metricsOf,
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
  { db }: Deps,
  _caller: VerifiedCaller,
  window: { limit: number; offset: number },
) {
  const [rows, [total]] = await db.ask(...staffList({}, window));
  return { count: total?.count ?? 0, rows };
}

/** One staff member: ADMIN gets any, SALES only themselves. Others are not found. */
export async function getStaff(deps: Deps, caller: VerifiedCaller, id: string): Promise<Result<Member>> {
  const [[member]] = await deps.db.ask(staffById({ id }));
  const isVisible = member && (caller.role === "ADMIN" || member.userId === caller.id);
  return isVisible ? ok(member) : refuse("not_found");
}

/** The metrics of a staff member for the local days from `from` to `to`, or for all days. */
export async function getStaffMetrics(
  deps: Deps,
  caller: VerifiedCaller,
  id: string,
  { from, to }: { from?: string | undefined; to?: string | undefined },
): Promise<Result<z.infer<typeof metricsSchema>>> {
  const found = await getStaff(deps, caller, id);
  if (!found.ok) return found;
  const span = daySpan(from, to, deps.config.showroom.timeZone);
  return ok(await metricsOf(deps.db, found.value.userId, span, deps.config.defaultCurrency));
}

/** Changes a staff member's terms, role or access. Deactivation ends their sessions. */
export async function updateStaff(
  deps: Deps,
  caller: VerifiedCaller,
  id: string,
  change: StaffChange,
): Promise<Result<Member>> {
  const found = await getStaff(deps, caller, id);
  if (!found.ok) return found;
  const { userId } = found.value;
  const { db, now } = deps;
  try {
    const statements = [
      ...updateStatements(found.value, change, now),
      ...(change.is_active === false ? voidCredentials(userId, now) : []),
    ];
    await db.commit(caller, "staff.update", `user:${userId}`, statements);
  } catch (error) {
    const violation = violationOf(error);
    // Otherwise no user could create administrators.
    if (violation === "last_admin") return refuse("last_admin");
    if (violation === "not_signed_in") return refuse("invalid_token");
    throw error;
  }
  logStaffChange(deps, caller, found.value, change);
  const [[member]] = await db.ask(staffById({ id: found.value.id }));
  return member ? ok(member) : refuse("not_found");
}

function logStaffChange(
  { requestId }: Deps,
  caller: VerifiedCaller,
  before: Member,
  change: StaffChange,
): void {
  const { role, is_active: isActive } = change;
  const facts = { request: requestId, user: before.userId, by: caller.id };
  if (role !== undefined && role !== before.role) logSecurity("role_changed", { ...facts, role });
  if (isActive !== undefined && isActive !== (before.isActive === 1))
    logSecurity(isActive ? "user_reactivated" : "user_deactivated", facts);
}
