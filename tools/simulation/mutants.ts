/** Deliberate mistakes in copies of the real source, to show that the checks detect them. */
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import * as slots from "../../src/bookings/slots.ts";
import { CarWriter } from "../../src/car-coordinator/car-writer.ts";
import type { Kind } from "./schedule.ts";
import type { Subject } from "./world.ts";

/** A text of a source file that is replaced by another. */
type Edit = { file: string; from: string; to: string };
type Rules = NonNullable<Subject["rules"]>;

/**
 * One mistake: a text replaced, rules of the database left out, or both, where the database would make up for it. `kind`:
 * which schedules show it.
 */
export type Mutant = { name: string; kind: Kind } & ((Edit & { rules?: Rules }) | { rules: Rules });

type OfOneKind = Mutant extends infer Each ? (Each extends Mutant ? Omit<Each, "kind"> : never) : never;

const OF_ONE_CAR: readonly OfOneKind[] = [
  {
    name: "drops the overlap check",
    file: "car-coordinator/commands.ts",
    from: "overlaps(footprint, footprintOf(other)))",
    to: "overlaps(footprint, footprint) && active.size < 0)",
  },
  {
    name: "treats touching slots as overlapping (< becomes <=)",
    file: "shared/showroom-time.ts",
    from: "a.startAt < b.endAt && b.startAt < a.endAt",
    to: "a.startAt <= b.endAt && b.startAt <= a.endAt",
  },
  {
    name: "drops the status filter in memory",
    file: "car-coordinator/commands.ts",
    from: "if (isActive(booking.status)) active.set",
    to: "if (booking.status) active.set",
  },
  { name: "drops the status filter of the load", rules: { activeOnly: false } },
  {
    name: "keeps its memory after an unknown outcome",
    file: "car-coordinator/car-writer.ts",
    from: "const loaded = await this.#load();",
    to: "const loaded = state;",
  },
  {
    name: "treats an unknown outcome as a success",
    file: "car-coordinator/car-writer.ts",
    from: "const found = shown(loaded, change) ?? (await this.#store.find(change));",
    to: "const found = loaded && change;",
  },
  {
    name: "sends a commit with an unknown outcome again without looking whether it arrived",
    file: "car-coordinator/car-writer.ts",
    from: "const loaded = await this.#load();\n          const found = shown(loaded, change) ?? (await this.#store.find(change));\n          if (found) return this.#done(found);",
    to: "this.#state = undefined;",
  },
  {
    name: "sends a commit with an unknown outcome again from the memory that it was decided on",
    file: "car-coordinator/car-writer.ts",
    from: "const loaded = await this.#load();\n          const found = shown(loaded, change) ?? (await this.#store.find(change));\n          if (found) return this.#done(found);",
    to: "",
  },
  {
    name: "keeps its memory after a refusal by the store",
    file: "car-coordinator/car-writer.ts",
    from: "this.#state = undefined;\n          if (tries",
    to: "if (tries",
  },
  {
    name: "refuses by memory that is out of date",
    file: "car-coordinator/car-writer.ts",
    from: "!(await this.#isProvenSince(arrivedAt))",
    to: "false",
  },
  {
    name: "takes a proof from before the command for one",
    file: "car-coordinator/car-writer.ts",
    from: "this.#provenAt > arrivedAt",
    to: "this.#provenAt > 0",
  },
  {
    name: "drops the queue",
    file: "car-coordinator/serial-queue.ts",
    from: "this.#last.then(task)",
    to: "task()",
  },
  {
    name: "does not commit the Idempotency-Key with the booking",
    file: "car-coordinator/car-writer.ts",
    from: "this.#store.commit(change, context)",
    to: "this.#store.commit(change, { caller: context.caller })",
  },
  {
    name: "does not cancel the bookings of a sold car",
    file: "car-coordinator/commands.ts",
    from: "booking.startAt > now && !isExpired",
    to: "booking.startAt < 0 && !isExpired",
  },
  {
    name: "keeps a booking approved when its customer moves it",
    file: "car-coordinator/commands.ts",
    from: 'command.confirmed ? before.status : "PENDING"',
    to: "before.status",
  },
  {
    name: "books in the past",
    file: "showrooms/schedule.ts",
    from: 'if (startAt <= now) return "in_the_past";',
    to: "",
  },
  {
    name: "completes a drive before it begins",
    file: "bookings/booking.ts",
    from: '&& now < startAt) return "too_early"',
    to: '&& now < 0) return "too_early"',
  },
  {
    name: "cancels a drive after it is over",
    file: "bookings/booking.ts",
    from: 'to === "CANCELLED" && isOver',
    to: 'to === "PENDING" && isOver',
  },
  {
    name: "moves a drive after it is over",
    file: "car-coordinator/commands.ts",
    from: 'if (isOver(before, context.now)) return refuse("too_late");',
    to: "",
  },
  {
    name: "treats a drive as over when it begins",
    file: "bookings/booking.ts",
    from: "boolean => endAt <= now",
    to: "boolean => endAt <= now + 3_600_000",
  },
  { name: "lets late and displaced writers commit", rules: { fence: false } },
  {
    name: "raises the epoch with the first commit instead of the load",
    rules: { loadRaisesEpoch: false },
  },
  {
    name: "offers slots that are taken",
    file: "bookings/slots.ts",
    from: "openSlots(schedule, days, now, car,",
    to: "openSlots(schedule, days, now, [],",
  },
  {
    name: "offers the slots of a sold car",
    file: "bookings/slots.ts",
    from: "if (!isBookable(status)) return [];",
    to: "",
  },
  {
    name: "offers slots that are over",
    file: "bookings/slots.ts",
    from: "openSlots(schedule, days, now, car,",
    to: "openSlots(schedule, days, 0, car,",
  },
  {
    name: "answers with the bookmark of the state before the commit",
    file: "car-coordinator/car-writer.ts",
    from: "const commit = await this.#store.commit(change, context);",
    to: "const before = this.#store.bookmark(); const commit = await this.#store.commit(change, context); this.#store.bookmark = () => before;",
  },
];

const OF_SEVERAL_CARS: readonly OfOneKind[] = [
  {
    name: "leaves the buffers out of what a drive allocates",
    file: "car-coordinator/commands.ts",
    from: "const hasBuffers = footprint.startAt < drive.startAt",
    to: "const hasBuffers = drive.endAt < drive.startAt && footprint.startAt < drive.startAt",
  },
  {
    name: "looks for the drive alone among what is allocated",
    file: "car-coordinator/commands.ts",
    from: "overlaps(footprint, footprintOf(other)))\n      return",
    to: "overlaps(driveAt(schedule, startAt), footprintOf(other)))\n      return",
  },
  {
    name: "lets a hold occupy for ever",
    file: "bookings/booking.ts",
    from: "heldUntil !== null && heldUntil <= now",
    to: "heldUntil !== null && now < 0",
  },
  {
    name: "ends a hold a minute early",
    file: "bookings/booking.ts",
    from: "heldUntil !== null && heldUntil <= now",
    to: "heldUntil !== null && heldUntil - 60_000 <= now",
  },
  {
    name: "ends a hold a millisecond early",
    file: "bookings/booking.ts",
    from: "heldUntil !== null && heldUntil <= now",
    to: "heldUntil !== null && heldUntil - 1 <= now",
  },
  {
    name: "ends a hold a millisecond late",
    file: "bookings/booking.ts",
    from: "heldUntil !== null && heldUntil <= now",
    to: "heldUntil !== null && heldUntil < now",
  },
  {
    name: "confirms a hold that has ended",
    file: "car-coordinator/commands.ts",
    from: 'if (isExpired(before, now)) return refuse("hold_expired");',
    to: "",
    rules: { holds: false },
  },
  {
    name: "moves a hold",
    file: "car-coordinator/commands.ts",
    from: "if (!before || before.heldUntil !== null) return",
    to: "if (!before) return",
    rules: { holds: false },
  },
  { name: "lets a customer hold any number of slots", rules: { holds: false } },
  { name: "places a drive by a schedule that has changed", rules: { scheduleFence: false } },
  { name: "keeps the old schedule in memory", rules: { scheduleIsAsked: false } },
  {
    name: "places a drive outside the schedule",
    file: "showrooms/schedule.ts",
    from: "slots.some((slot) => slot.startAt === startAt)",
    to: "slots.length > 0",
  },
  { name: "keeps the old allocation after a move", rules: { movesFree: false } },
  { name: "does not allocate the customer", rules: { customers: false } },
  {
    name: "takes a customer who is busy for memory that is out of date, for ever",
    file: "car-coordinator/car-writer.ts",
    from: "if (commit.isFinal) return { ok: false, refusal: commit.refusal };",
    to: 'if (commit.refusal.code === "customer_busy") tries = 0; else if (commit.isFinal) return { ok: false, refusal: commit.refusal };',
  },
  {
    name: "takes a customer who is busy for a success",
    file: "car-coordinator/car-writer.ts",
    from: "if (commit.isFinal) return { ok: false, refusal: commit.refusal };",
    to: 'if (commit.refusal.code === "customer_busy") return this.#done(change); if (commit.isFinal) return { ok: false, refusal: commit.refusal };',
  },
  {
    name: "offers a customer slots at the time of their other drive",
    file: "bookings/slots.ts",
    from: "overlaps(slot, drive)",
    to: "overlaps(slot, slot) && drive.endAt < 0",
  },
  { name: "chooses a salesperson before the batch, free or not", rules: { choiceIsFree: false } },
  { name: "does not allocate the salesperson", rules: { salespeople: false } },
  { name: "leaves the buffers out of what a salesperson is allocated", rules: { salespeopleBuffers: false } },
  { name: "lets somebody drive along who is absent", rules: { absences: false } },
  {
    name: "gives a drive to somebody whose shift ends within it",
    file: "showrooms/schedule.ts",
    from: "return span.startAt <= startAt && endAt <= span.endAt;",
    to: "return span.startAt <= startAt && startAt < span.endAt && endAt > 0;",
  },
  {
    name: "gives nobody a drive that ends with their shift",
    file: "showrooms/schedule.ts",
    from: "return span.startAt <= startAt && endAt <= span.endAt;",
    to: "return span.startAt <= startAt && endAt < span.endAt;",
  },
  {
    name: "takes a moved drive from the salesperson whom staff chose",
    file: "car-coordinator/commands.ts",
    from: 'before?.assignedBy === "STAFF"',
    to: 'before?.assignedBy === "NOBODY"',
  },
  {
    name: "forgets whom the commit chose",
    file: "car-coordinator/car-writer.ts",
    from: "withAssigned(change, commit.assigned)",
    to: "withAssigned(change, undefined)",
  },
  {
    name: "offers slots for which no salesperson is free",
    file: "bookings/slots.ts",
    from: "time.userId === id && overlaps(time, footprint)",
    to: "time.userId === id && time.endAt < 0",
  },
  {
    name: "takes a refusal by salespeople for memory that is out of date, for ever",
    file: "car-coordinator/car-writer.ts",
    from: "if (commit.isFinal) return { ok: false, refusal: commit.refusal };",
    to: 'if (commit.refusal.code === "no_salesperson_free") tries = 0; else if (commit.isFinal) return { ok: false, refusal: commit.refusal };',
  },
];

export const MUTANTS: readonly Mutant[] = [
  ...OF_ONE_CAR.map((mutant) => ({ ...mutant, kind: "one car" as const })),
  ...OF_SEVERAL_CARS.map((mutant) => ({ ...mutant, kind: "several cars" as const })),
];

/** The real source. */
export const REAL: Subject = { Writer: CarWriter, slots };

/** Where the copies go: inside the project, so that they find its packages. Not under version control. */
const COPIES = ".mutants";

/** The source with the mistake in it. */
export async function subjectOf(mutant: Mutant): Promise<Subject> {
  const { rules = {} } = mutant;
  if (!("file" in mutant)) return { ...REAL, rules };
  const folder = `${COPIES}/${MUTANTS.indexOf(mutant)}`;
  for (const area of ["bookings", "car-coordinator", "shared", "showrooms"])
    cpSync(`src/${area}`, `${folder}/${area}`, { recursive: true });
  // The simulated database throws the real class, and an error is known by its class.
  const real = "../../../src/shared/dependency-down.ts";
  writeFileSync(`${folder}/shared/dependency-down.ts`, `export * from "${real}";\n`);
  const path = `${folder}/${mutant.file}`;
  const [before, after, ...more] = readFileSync(path, "utf8").split(mutant.from);
  if (before === undefined || after === undefined || more.length > 0)
    throw new Error(`"${mutant.from}" is not in ${mutant.file} exactly once any more`);
  writeFileSync(path, before + mutant.to + after);
  const load = (file: string) => import(pathToFileURL(`${folder}/${file}`).href);
  const { CarWriter: Writer } = await load("car-coordinator/car-writer.ts");
  return { Writer, slots: await load("bookings/slots.ts"), rules };
}
