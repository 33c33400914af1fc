/** /api/cars: the stock. */
import { isStaff, operation } from "../auth/access.ts";
import { framePage, pageOf } from "../http/pagination.ts";
import { Problem } from "../http/problems.ts";
import { createRouter, jsonAnswer } from "../http/router.ts";
import { idParam } from "../http/validation.ts";
import { findCar, findCars } from "./catalog.ts";
import { carSchema, carsQuery } from "./schemas.ts";

/** The routes under /api/cars. */
export const carRoutes = createRouter();

const tags = ["Cars"];

carRoutes.openapi(
  operation("listCars", ["not_found"], {
    method: "get",
    path: "/",
    tags,
    summary: "Browse the stock",
    description:
      "Filters narrow each other down; text filters ignore case. Removed cars are seen by staff only.",
    request: { query: carsQuery },
    responses: { 200: jsonAnswer("One page of cars", pageOf(carSchema)) },
  }),
  async (c) => {
    const query = c.req.valid("query");
    const found = await findCars(c.var.db, query, isStaff(c.var.caller));
    return c.json(framePage(c, query, found.count, found.cars), 200);
  },
);

carRoutes.openapi(
  operation("getCar", ["car_not_found"], {
    method: "get",
    path: "/{id}/",
    tags,
    summary: "One car",
    request: { params: idParam },
    responses: { 200: jsonAnswer("The car", carSchema) },
  }),
  async (c) => {
    const car = await findCar(c.var.db, c.req.valid("param").id, isStaff(c.var.caller));
    if (!car) throw new Problem("car_not_found");
    return c.json(car, 200);
  },
);
