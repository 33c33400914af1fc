/** /api/sales: selling cars, and voiding sales. */
import { claimedCaller, operation } from "../auth/operation.ts";
import { once } from "../http/idempotency.ts";
import { framePage, pageOf, window } from "../http/pagination.ts";
import { unwrap } from "../http/problems.ts";
import { depsOf } from "../http/request-deps.ts";
import { createRouter, jsonAnswer, jsonBody } from "../http/router.ts";
import { idParam } from "../http/validation.ts";
import { newSale, saleSchema, salesQuery, voiding } from "./schemas.ts";
import { createSale, getSale, listSales, salePath, voidSale } from "./use-cases.ts";

const tags = ["Sales"];

/** The routes under /api/sales. */
export const saleRoutes = createRouter()
  .openapi(
    operation(
      "createSale",
      ["car_not_found", "car_not_sellable", "idempotency_key_reused", "duplicate_request", "busy"],
      {
        method: "post",
        path: "/",
        tags,
        summary: "Sell a car",
        description:
          "One transaction marks the car SOLD, cancels its future test drives, records the commission, and writes the notifications to the customers and the buyer. SALES can credit only themselves.",
        request: { body: jsonBody(newSale) },
        responses: { 201: jsonAnswer("The sale", saleSchema, "Location") },
      },
    ),
    async (c) => {
      const body = c.req.valid("json");
      const caller = claimedCaller(c);
      return once(c, caller.id, body, async (key) => {
        const sale = unwrap(await createSale(depsOf(c), caller, body, key));
        return c.json(sale, 201, { Location: salePath(sale.id) });
      });
    },
  )
  .openapi(
    operation("listSales", ["not_found"], {
      method: "get",
      path: "/",
      tags,
      summary: "List sales, newest first",
      description: "SALES sees only their own sales, ADMIN sees all. Void sales stay in the list.",
      request: { query: salesQuery },
      responses: { 200: jsonAnswer("One page of sales", pageOf(saleSchema)) },
    }),
    async (c) => {
      const query = c.req.valid("query");
      const found = unwrap(await listSales(depsOf(c), claimedCaller(c), query, window(query)));
      return c.json(
        framePage(c, query, found, (sale) => sale),
        200,
      );
    },
  )
  .openapi(
    operation("getSale", ["not_found"], {
      method: "get",
      path: "/{id}",
      tags,
      summary: "Get a sale",
      request: { params: idParam },
      responses: { 200: jsonAnswer("The sale", saleSchema) },
    }),
    async (c) => {
      const caller = claimedCaller(c);
      return c.json(unwrap(await getSale(depsOf(c), caller, c.req.valid("param").id)), 200);
    },
  )
  .openapi(
    operation(
      "voidSale",
      ["not_found", "already_void", "duplicate_request", "idempotency_key_reused", "busy"],
      {
        method: "post",
        path: "/{id}/void",
        tags,
        summary: "Void a sale",
        description:
          "The car becomes AVAILABLE again, a negative entry reverses the commission, and the sale stays on record as void.",
        request: { params: idParam, body: jsonBody(voiding) },
        responses: { 200: jsonAnswer("The void sale", saleSchema) },
      },
    ),
    async (c) => {
      const { reason } = c.req.valid("json");
      const { id } = c.req.valid("param");
      const caller = claimedCaller(c);
      return once(c, caller.id, { reason }, async (key) =>
        c.json(unwrap(await voidSale(depsOf(c), caller, id, reason, key)), 200),
      );
    },
  );
