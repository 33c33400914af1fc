/** /api/cars: the stock. */
import type { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { uuidv7 } from "uuidv7";
import { callerOf, isStaff, operation } from "../auth/access.ts";
import { calendarOf } from "../car-coordinator/car-coordinator.ts";
import { openDatabase } from "../db/client.ts";
import { cars } from "../db/schema.ts";
import { insertInto, type Statement, statementOf } from "../db/statement.ts";
import { type Violation, violationOf } from "../db/violations.ts";
import { isConditional, notModifiedAnswer, requireMatch, versionTag } from "../http/conditional.ts";
import type { AppEnv } from "../http/context.ts";
import { databaseOf } from "../http/database.ts";
import { answerRead } from "../http/freshness.ts";
import { CLAIM_TAKEN, once, remembering } from "../http/idempotency.ts";
import { framePage, pageOf } from "../http/pagination.ts";
import { invalid, Problem, type ProblemCode } from "../http/problems.ts";
import { createRouter, jsonAnswer, jsonBody } from "../http/router.ts";
import { idParam } from "../http/validation.ts";
import type { CarStatus } from "../shared/enums.ts";
import { newCar, refusalOf, updateOf } from "./car-writes.ts";
import {
  type CarChange,
  carChange,
  carSchema,
  carsQuery,
  facetsQuery,
  facetsSchema,
  ifMatch,
  wholeCar,
} from "./schemas.ts";
import { countFacets } from "./search/facets.ts";
import { carBody, carById, findCar, findCars, originOf } from "./store.ts";

const tags = ["Cars"];

const changing = [
  "car_not_found",
  "car_sold",
  "precondition_failed",
  "busy",
] as const satisfies ProblemCode[];

/** The routes under /api/cars. */
export const carRoutes = createRouter()
  .openapi(
    operation("listCars", ["not_found"], {
      method: "get",
      path: "/",
      tags,
      summary: "Browse the stock",
      description:
        "Filters narrow each other down; text filters ignore case. Removed cars are seen by staff only. The answer has an `ETag`; asked again with `If-None-Match`, an unchanged page is a 304.",
      request: { query: carsQuery },
      responses: { 200: jsonAnswer("One page of cars", pageOf(carSchema), "ETag"), 304: notModifiedAnswer },
    }),
    async (c) => {
      const query = c.req.valid("query");
      return answerRead(c, async () => {
        const found = await findCars(databaseOf(c), query, isStaff(c.get("caller")), originOf(c));
        return { body: framePage(c, query, found.count, found.cars) };
      });
    },
  )
  .openapi(
    operation("countCarFacets", [], {
      method: "get",
      path: "/facets/",
      tags,
      summary: "Count the stock by make, kind, year and price",
      description:
        "Takes the filters of the list. Each count is of the cars that match all filters but those on that facet itself, so it tells what choosing another value would find. At most the 100 values with the most cars are named.",
      request: { query: facetsQuery },
      responses: { 200: jsonAnswer("Counts, most cars first", facetsSchema, "ETag"), 304: notModifiedAnswer },
    }),
    async (c) =>
      answerRead(c, async () => ({
        body: await countFacets(databaseOf(c), c.req.valid("query"), isStaff(c.get("caller"))),
      })),
  )
  .openapi(
    operation("getCar", ["car_not_found"], {
      method: "get",
      path: "/{id}/",
      tags,
      summary: "One car",
      request: { params: idParam },
      responses: { 200: jsonAnswer("The car", carSchema, "ETag"), 304: notModifiedAnswer },
    }),
    async (c) => {
      return answerRead(c, async () => {
        const car = await findCar(
          databaseOf(c),
          c.req.valid("param").id,
          isStaff(c.get("caller")),
          originOf(c),
        );
        if (!car) throw new Problem("car_not_found");
        return { body: car.body, tag: versionTag(car.version) };
      });
    },
  )
  .openapi(
    operation("createCar", ["duplicate_request", "idempotency_key_reused"], {
      method: "post",
      path: "/",
      tags,
      summary: "Take a car into stock",
      request: { body: jsonBody(wholeCar) },
      responses: { 201: jsonAnswer("The new car", carSchema, "ETag", "Location") },
    }),
    async (c) => {
      const asked = c.req.valid("json");
      if (asked.status === "SOLD") throw soldByHand();
      return once(c, callerOf(c).id, asked, async (claim) => {
        const now = Date.now();
        const car = newCar(asked, { id: uuidv7(), now, currency: c.get("config").defaultCurrency });
        const body = carBody({ ...car, photos: "[]" }, originOf(c));
        const location = `/api/cars/${car.id}/`;
        const { priceCents: _, discountRank: __, ...row } = car;
        await commit(c, [insertInto(cars, row), ...remembering(claim, { status: 201, body, location }, now)]);
        c.header("ETag", versionTag(car.version));
        return c.json(body, 201, { Location: location });
      });
    },
  )
  .openapi(
    operation("replaceCar", changing, {
      method: "put",
      path: "/{id}/",
      tags,
      summary: "Describe a car anew",
      description:
        "What is left out becomes as in a new car, but for the status and the currency, which stay. Read-only members may be sent back. A car that leaves stock takes its future test drives with it.",
      request: { params: idParam, headers: ifMatch, body: jsonBody(wholeCar) },
      responses: { 200: jsonAnswer("The car as it is now", carSchema, "ETag") },
    }),
    async (c) => c.json(await changeCar(c, c.req.valid("param").id, c.req.valid("json")), 200),
  )
  .openapi(
    operation("updateCar", changing, {
      method: "patch",
      path: "/{id}/",
      tags,
      summary: "Change a car",
      description:
        "`SOLD` is what a sale makes of a car; nobody sets it, and nobody takes it back by hand. A car that leaves stock takes its future test drives with it.",
      request: { params: idParam, headers: ifMatch, body: jsonBody(carChange) },
      responses: { 200: jsonAnswer("The car as it is now", carSchema, "ETag") },
    }),
    async (c) => c.json(await changeCar(c, c.req.valid("param").id, c.req.valid("json")), 200),
  )
  .openapi(
    operation("removeCar", changing, {
      method: "delete",
      path: "/{id}/",
      tags,
      summary: "Take a car out of stock",
      description:
        "It stays on record as `REMOVED`. Its future test drives are cancelled, and their customers told.",
      request: { params: idParam, headers: ifMatch },
      responses: { 204: { description: "It is out of stock" } },
    }),
    async (c) => {
      const { id } = c.req.valid("param");
      const { status, expected } = await carToChange(c, id);
      if (status === "SOLD") throw new Problem("car_sold");
      if (status !== "REMOVED") await setStatus(c, id, "REMOVED", {}, expected);
      return c.body(null, 204);
    },
  );

/** The statuses that a car may leave by hand. */
const IN_OUR_HANDS = ["AVAILABLE", "RESERVED", "REMOVED"] as const satisfies CarStatus[];

/** Makes a change, through the car's calendar if the status changes with it. Returns the car as it is then. */
async function changeCar(
  c: Context<AppEnv>,
  id: string,
  change: CarChange,
): Promise<z.infer<typeof carSchema>> {
  const { status, expected } = await carToChange(c, id);
  if (change.status !== undefined && change.status !== status) {
    if (status === "SOLD") throw new Problem("car_sold");
    if (change.status === "SOLD") throw soldByHand();
    await setStatus(c, id, change.status, change, expected);
  } else {
    await commit(c, [statementOf(updateOf(databaseOf(c), id, change, expected, Date.now()))]);
  }
  // A change of status was written in the calendar's session: this request's own may still read an older replica.
  const row = await carById(openDatabase(c.env.DB, "first-primary"), id);
  if (!row) throw new Problem("car_not_found");
  c.header("ETag", versionTag(row.version));
  return carBody(row, originOf(c));
}

/** The car's status, and the version that the write must find if the request insists on one. */
async function carToChange(c: Context<AppEnv>, id: string) {
  const row = await carById(databaseOf(c), id);
  if (!row) throw new Problem("car_not_found");
  const { status, version } = row;
  requireMatch(c, versionTag(version));
  return { status, expected: isConditional(c) ? version : undefined };
}

async function setStatus(
  c: Context<AppEnv>,
  id: string,
  to: CarStatus,
  change: CarChange,
  expected: number | undefined,
): Promise<void> {
  const alongside = [statementOf(updateOf(databaseOf(c), id, change, expected, Date.now()))];
  const command = { type: "set_status", from: IN_OUR_HANDS, to } as const;
  const outcome = await calendarOf(c.env, id).perform(command, { alongside });
  if (outcome.ok) {
    if (outcome.bookmark) c.header("X-D1-Bookmark", outcome.bookmark);
    return;
  }
  const { refusal } = outcome;
  switch (refusal.code) {
    case "illegal_status":
      throw new Problem("car_sold");
    case "rejected":
      throw refused(refusal.violation) ?? new Problem("unavailable");
    case "car_not_found":
    case "busy":
    case "unavailable":
      throw new Problem(refusal.code);
    default:
      throw new Error(`a change of status was answered with ${refusal.code}`);
  }
}

async function commit(c: Context<AppEnv>, statements: readonly Statement[]): Promise<void> {
  try {
    await databaseOf(c).commit(statements);
  } catch (error) {
    throw refused(violationOf(error)) ?? error;
  }
}

/** The problem behind a rule that a write met. */
function refused(violation: Violation | undefined): Problem | undefined {
  if (violation === CLAIM_TAKEN) return new Problem("duplicate_request");
  switch (refusalOf(violation)) {
    case "vin_taken":
      return invalid([{ field: "vin", code: "taken", message: "There is a car with this VIN already" }]);
    case "discount_above_base":
      return invalid([
        { field: "discount_price", code: "above_base_price", message: "Must not be more than base_price" },
      ]);
    case "stale":
      return new Problem("precondition_failed");
    case undefined:
      return undefined;
  }
}

const soldByHand = () =>
  invalid([{ field: "status", code: "sold_needs_sale", message: "SOLD is set by a sale alone" }]);
