/** /api/cars: the stock. */
import type { Context } from "hono";
import { claimedCaller, claimedStaff, operation } from "../auth/operation.ts";
import { clientAddress } from "../http/client-address.ts";
import { expectedVersions, notModifiedAnswer, versionTag } from "../http/conditional.ts";
import type { AppEnv } from "../http/context.ts";
import { once } from "../http/idempotency.ts";
import { framePage, pageOf } from "../http/pagination.ts";
import { type ProblemCode, unwrap } from "../http/problems.ts";
import { answerRead } from "../http/public-cache.ts";
import { limitBy } from "../http/rate-limit.ts";
import { depsOf } from "../http/request-deps.ts";
import { createRouter, jsonAnswer, jsonBody } from "../http/router.ts";
import { idParam } from "../http/validation.ts";
import type { Result } from "../shared/refusals.ts";
import { carChange, carSchema, carsQuery, facetsQuery, facetsSchema, ifMatch, wholeCar } from "./schemas.ts";
import { areCostlyFacets } from "./search/facets.ts";
import { isCostlyList } from "./search/list.ts";
import {
  carPath,
  changeCar,
  countCarFacets,
  createCar,
  getCar,
  listCars,
  removeCar,
  type VersionedCar,
} from "./use-cases.ts";

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
      summary: "List cars",
      description:
        "All filters must match; text filters ignore case. Only staff see removed cars. The response has an `ETag`; a request with `If-None-Match` gets 304 when the page has not changed.",
      request: { query: carsQuery },
      responses: { 200: jsonAnswer("One page of cars", pageOf(carSchema), "ETag"), 304: notModifiedAnswer },
    }),
    async (c) => {
      const query = c.req.valid("query");
      return answerRead(c, async () => {
        if (isCostlyList(query)) await limitCostly(c);
        const found = unwrap(await listCars(depsOf(c), claimedStaff(c), query));
        return { body: framePage(c, query, found, (car) => car) };
      });
    },
  )
  .openapi(
    operation("countCarFacets", [], {
      method: "get",
      path: "/facets",
      tags,
      summary: "Count cars by make, type, year and price",
      description:
        "Takes the filters of the list. Each count includes the cars that match all filters except those on its own facet, so it shows what another value would find. At most the 100 values with the most cars are listed.",
      request: { query: facetsQuery },
      responses: { 200: jsonAnswer("Counts, most cars first", facetsSchema, "ETag"), 304: notModifiedAnswer },
    }),
    async (c) => {
      const filters = c.req.valid("query");
      return answerRead(c, async () => {
        if (areCostlyFacets(filters)) await limitCostly(c);
        return { body: unwrap(await countCarFacets(depsOf(c), claimedStaff(c), filters)) };
      });
    },
  )
  .openapi(
    operation("getCar", ["car_not_found"], {
      method: "get",
      path: "/{id}",
      tags,
      summary: "Get a car",
      request: { params: idParam },
      responses: { 200: jsonAnswer("The car", carSchema, "ETag"), 304: notModifiedAnswer },
    }),
    async (c) =>
      answerRead(c, async () => {
        const found = await getCar(depsOf(c), claimedStaff(c), c.req.valid("param").id);
        const { body, version } = unwrap(found);
        return { body, tag: versionTag(version) };
      }),
  )
  .openapi(
    operation("createCar", ["duplicate_request", "idempotency_key_reused"], {
      method: "post",
      path: "/",
      tags,
      summary: "Create a car",
      request: { body: jsonBody(wholeCar) },
      responses: { 201: jsonAnswer("The new car", carSchema, "ETag", "Location") },
    }),
    async (c) => {
      const input = c.req.valid("json");
      const caller = claimedCaller(c);
      return once(c, caller.id, input, async (key) => {
        const car = withTag(c, await createCar(depsOf(c), caller, input, key));
        return c.json(car, 201, { Location: carPath(car.id) });
      });
    },
  )
  .openapi(
    operation("replaceCar", changing, {
      method: "put",
      path: "/{id}",
      tags,
      summary: "Replace a car",
      description:
        "Omitted members get the values of a new car, except for the status and the currency, which stay. Read-only members may be sent back. When a car leaves the stock, its future test drives are cancelled.",
      request: { params: idParam, headers: ifMatch, body: jsonBody(wholeCar) },
      responses: { 200: jsonAnswer("The updated car", carSchema, "ETag") },
    }),
    async (c) => {
      const [caller, { id }] = [claimedCaller(c), c.req.valid("param")];
      const changed = await changeCar(depsOf(c), caller, id, c.req.valid("json"), expectedVersions(c));
      return c.json(withTag(c, changed), 200);
    },
  )
  .openapi(
    operation("updateCar", changing, {
      method: "patch",
      path: "/{id}",
      tags,
      summary: "Update a car",
      description:
        "Only a sale sets the status `SOLD`, and only voiding the sale ends it. When a car leaves the stock, its future test drives are cancelled.",
      request: { params: idParam, headers: ifMatch, body: jsonBody(carChange) },
      responses: { 200: jsonAnswer("The updated car", carSchema, "ETag") },
    }),
    async (c) => {
      const [caller, { id }] = [claimedCaller(c), c.req.valid("param")];
      const changed = await changeCar(depsOf(c), caller, id, c.req.valid("json"), expectedVersions(c));
      return c.json(withTag(c, changed), 200);
    },
  )
  .openapi(
    operation("removeCar", changing, {
      method: "delete",
      path: "/{id}",
      tags,
      summary: "Remove a car from the stock",
      description:
        "The car stays on record as `REMOVED`. Its future test drives are cancelled, and their customers are notified.",
      request: { params: idParam, headers: ifMatch },
      responses: { 204: { description: "The car is removed" } },
    }),
    async (c) => {
      const caller = claimedCaller(c);
      unwrap(await removeCar(depsOf(c), caller, c.req.valid("param").id, expectedVersions(c)));
      return c.body(null, 204);
    },
  );

/**
 * Counts a read that costs many rows. Staff count by themselves, because they share an office's address. Customers do not,
 * because anybody can register several.
 */
const limitCostly = (c: Context<AppEnv>): Promise<void> =>
  limitBy(c, "COSTLY_LIMIT", claimedStaff(c)?.id ?? clientAddress(c));

/** Answers with the written car; its version becomes the entity tag. */
function withTag(c: Context<AppEnv>, result: Result<VersionedCar>) {
  const { body, version } = unwrap(result);
  c.header("ETag", versionTag(version));
  return body;
}
