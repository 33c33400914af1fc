/**
 * Every operation of the OpenAPI document, called by every kind of caller, over HTTP. An operation without a row fails,
 * and so does a row without an operation.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer } from "../../tools/server/server.ts";
import { CALLERS, describedOperations, MATRIX, stageMatrix } from "./access-matrix.ts";

const server = await startServer();
const operations = await describedOperations(server);
afterAll(() => server.close());

test("every operation has a row in the matrix, and every row has an operation", () => {
  expect(Object.keys(MATRIX).sort()).toEqual(operations.map(({ id }) => id).sort());
});

describe("each caller is answered as the matrix says", () => {
  let stage: Awaited<ReturnType<typeof stageMatrix>>;
  beforeAll(async () => {
    stage = await stageMatrix(server);
  });

  for (const operation of operations) {
    const { id, method, roles } = operation;
    const [, expected] = MATRIX[id] ?? [];
    if (!expected) continue;
    const statuses = expected.split(" ").map(Number);

    test(`${id} is answered ${expected}, and a refusal changes nothing`, async () => {
      expect(statuses).toHaveLength(CALLERS.length);
      const answered: number[] = [];
      const effects: string[] = [];
      for (const caller of CALLERS) {
        const { status, body, effect } = await stage.attemptAs(operation, caller);
        answered.push(status);
        if (status < 400) continue;
        expect(body).toMatchObject({ status, code: expect.stringMatching(/^[a-z_]+$/) });
        if (effect) effects.push(caller);
      }
      expect(answered).toEqual(statuses);
      expect(effects, "callers who were refused, and changed something").toEqual([]);
    });

    for (const role of roles ?? [])
      test(`${id} does nothing for ${role} whose session has ended`, async () => {
        const { status, body, effect } = await stage.attemptSignedOut(operation, role);
        expect({ status, code: body.code, effect }).toEqual({
          status: 401,
          code: "invalid_token",
          effect: false,
        });
      });

    test(`${id} has the same roles in the document as in the matrix (${method})`, () => {
      for (const [index, role] of [
        [1, "CUSTOMER"],
        [3, "SALES"],
        [5, "ADMIN"],
      ] as const)
        expect(statuses[index] === 403).toBe(roles !== undefined && !roles.includes(role));
      expect(statuses[0] === 401).toBe(roles !== undefined);
    });
  }
});
