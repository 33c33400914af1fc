/** Counts what each operation of the model does, by sending it to the metered Worker. */
import { init } from "../bench/calls.ts";
import { type Account, readAccount } from "../bench/metering.ts";
import { setStage } from "../bench/stage.ts";
import { bookingOf, freshCar, MODELLED, type Modelled, type Sent } from "./operations.ts";

/** An operation, and what the Worker counted of it. */
export type Counted = Modelled & { account: Account };

/** The counts of all operations, and of the delivery of one mail. */
export type Counts = { operations: Counted[]; delivery: Account };

/** The stock of the model. */
export const STOCK = 10_000;

/** Starts the metered Worker on a local port, counts, and stops it. */
export async function countOperations(port: number): Promise<Counts> {
  const size = { cars: STOCK, customers: 60, bookings: 400, popular: 1 };
  const stage = await setStage(size, port - 1, ["metered"], { RATE_LIMITS: "on" });
  const send = async ({ body, ...sent }: Sent): Promise<Response> => {
    const call = init(sent);
    const answer = await fetch(`http://127.0.0.1:${port}${sent.path}`, body ? { ...call, body } : call);
    if (!answer.ok) throw new Error(`${sent.method} ${sent.path}: ${answer.status} ${await answer.text()}`);
    return answer;
  };
  const account = () => readAccount(() => fetch(`http://127.0.0.1:${port}/account`));
  const countOf = async (sent: Sent): Promise<Account> => {
    await account();
    await (await send(sent)).arrayBuffer();
    return account();
  };
  try {
    // The first request of a Worker reads its configuration.
    await send({ method: "GET", path: "/api/cars/?page_size=1" });
    const operations: Counted[] = [];
    for (const operation of MODELLED) {
      const sent = await operation.make(stage, async (before) => (await send(before)).json());
      operations.push({ ...operation, account: await countOf(sent) });
    }
    const booked = await send(bookingOf(stage, freshCar(stage)));
    const { id } = await booked.json<{ id: string }>();
    const listed = await send({
      method: "GET",
      path: `/api/notifications/?kind=booking_received&booking=${id}`,
      token: stage.admin.token,
    });
    const { results } = await listed.json<{ results: Array<{ id: string }> }>();
    const delivery = await countOf({ method: "POST", path: `/deliver/${results[0]?.id}` });
    return { operations, delivery };
  } finally {
    await stage.close();
  }
}
