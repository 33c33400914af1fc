/** Deliberate mistakes in copies of the real source, to show that the checks detect them. */
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import * as slots from "../../src/bookings/slots.ts";
import { CarWriter } from "../../src/car-coordinator/car-writer.ts";
import type { Subject } from "./world.ts";

/** One mistake: a text of a source file replaced by another, or a rule of the database left out. */
export type Mutant = { name: string } & (
  | { file: string; from: string; to: string }
  | { rules: NonNullable<Subject["rules"]> }
);

export const MUTANTS: readonly Mutant[] = [
  {
    name: "drops the overlap check",
    file: "car-coordinator/commands.ts",
    from: "if (taken.some((other) => other.id !== except && overlaps(slot, other)))",
    to: "if (taken.length < 0)",
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
    from: "await this.#load();\n          if",
    to: "if",
  },
  {
    name: "treats an unknown outcome as a success",
    file: "car-coordinator/car-writer.ts",
    from: "if (await this.#store.holds(change)) return",
    to: "if (change) return",
  },
  {
    name: "sends a commit with an unknown outcome again without looking whether it arrived",
    file: "car-coordinator/car-writer.ts",
    from: "await this.#load();\n          if (await this.#store.holds(change)) return this.#done(change);",
    to: "this.#state = undefined;",
  },
  {
    name: "sends a commit with an unknown outcome again from the memory that it was decided on",
    file: "car-coordinator/car-writer.ts",
    from: "await this.#load();\n          if (await this.#store.holds(change)) return this.#done(change);",
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
    from: ".filter((booking) => booking.startAt > now)",
    to: ".filter((booking) => booking.startAt < 0)",
  },
  {
    name: "keeps a booking approved when its customer moves it",
    file: "car-coordinator/commands.ts",
    from: 'command.confirmed ? before.status : "PENDING"',
    to: "before.status",
  },
  {
    name: "books in the past",
    file: "bookings/slots.ts",
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
    from: "endAt <= now",
    to: "endAt <= now + 3_600_000",
  },
  { name: "lets late and displaced writers commit", rules: { fence: false } },
  {
    name: "raises the epoch with the first commit instead of the load",
    rules: { loadRaisesEpoch: false },
  },
  {
    name: "offers slots that are taken",
    file: "bookings/slots.ts",
    from: "slots.filter((slot) => !near.some((other) => overlaps(slot, other)))",
    to: "[...slots]",
  },
  {
    name: "offers the slots of a sold car",
    file: "bookings/slots.ts",
    from: "isBookable(status) ? freeSlots(slots, taken) : []",
    to: "freeSlots(slots, taken)",
  },
  {
    name: "offers slots that are over",
    file: "bookings/slots.ts",
    from: "slot.startAt > now && slot.startAt <= horizon",
    to: "slot.startAt <= horizon",
  },
  {
    name: "answers with the bookmark of the state before the commit",
    file: "car-coordinator/car-writer.ts",
    from: "const commit = await this.#store.commit(change, context);",
    to: "const before = this.#store.bookmark(); const commit = await this.#store.commit(change, context); this.#store.bookmark = () => before;",
  },
];

/** The real source. */
export const REAL: Subject = { Writer: CarWriter, slots };

/** Where the copies go: inside the project, so that they find its packages. Not under version control. */
const COPIES = ".mutants";

/** The source with the mistake in it. */
export async function subjectOf(mutant: Mutant): Promise<Subject> {
  if ("rules" in mutant) return { ...REAL, rules: mutant.rules };
  const folder = `${COPIES}/${MUTANTS.indexOf(mutant)}`;
  for (const area of ["bookings", "car-coordinator", "shared"])
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
  return { Writer, slots: await load("bookings/slots.ts") };
}
