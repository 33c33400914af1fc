import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { MAX_CHANGES_PER_HOUR } from "../../src/bookings/store.ts";
import { FIRST_SHOWROOM } from "../../src/db/schema.ts";
import { violationOf } from "../../src/db/violations.ts";
import { NOTIFICATION_KINDS } from "../../src/shared/enums.ts";
import { booking, car, person, slot } from "../support/world.ts";

/** Runs SQL as anybody with access to the database could; the code of the rule that refuses it, or "accepted". */
async function sql(text: string, ...values: unknown[]): Promise<string> {
  try {
    await env.DB.prepare(text)
      .bind(...values)
      .run();
    return "accepted";
  } catch (error) {
    return violationOf(error) ?? String(error);
  }
}

const INSERT_BOOKING =
  "INSERT INTO bookings (id, car_id, customer_id, start_at, end_at, status, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, 0, 0)";
const INSERT_SALE =
  "INSERT INTO sales (id, car_id, customer_id, salesperson_id, sale_price_cents, currency, payment_method, sale_at, created_at) VALUES (?, ?, ?, ?, 100, 'EUR', 'CASH', 0, 0)";
const INSERT_SHOWROOM =
  "INSERT INTO showrooms (id, code, time_zone, hours, created_at, updated_at) VALUES (?, ?, 'Europe/Berlin', '{}', 0, 0)";
const HOUR = 3_600_000;

async function newShowroom(code: string = crypto.randomUUID()): Promise<string> {
  const id = crypto.randomUUID();
  expect(await sql(INSERT_SHOWROOM, id, code)).toBe("accepted");
  return id;
}

const verifiedNow = { emailVerifiedAt: 1 };

/** A sale with its commission, both open. */
async function sold() {
  const [{ id: customerId }, { id: sellerId }, carId] = [await person(), await person("SALES"), await car()];
  const [saleId, commissionId] = [crypto.randomUUID(), crypto.randomUUID()];
  expect(await sql(INSERT_SALE, saleId, carId, customerId, sellerId)).toBe("accepted");
  const commission = (id: string, amount: number, reverses: string | null) =>
    sql(
      "INSERT INTO commissions (id, sale_id, salesperson_id, rate, amount_cents, reverses, created_at) VALUES (?, ?, ?, 250, ?, ?, 0)",
      id,
      saleId,
      sellerId,
      amount,
      reverses,
    );
  expect(await commission(commissionId, 2, null)).toBe("accepted");
  return { customerId, sellerId, carId, saleId, commissionId, commission };
}

describe("the database, for any writer,", () => {
  test("refuses the twenty-first change of a customer's bookings in an hour", async () => {
    const { id } = await person();
    const count = (hour: number) =>
      sql(
        `INSERT INTO booking_changes (customer_id, hour, n) VALUES (?, ?, 1)
          ON CONFLICT (customer_id, hour) DO UPDATE SET n = n + 1`,
        id,
        hour,
      );
    for (let n = 1; n <= MAX_CHANGES_PER_HOUR; n += 1) expect(await count(7), `change ${n}`).toBe("accepted");
    expect(await count(7)).toBe("too_many_changes");
    expect(await count(8)).toBe("accepted");
  });

  test.each([
    ["the same hour", 0, HOUR],
    ["the second half hour", HOUR / 2, HOUR],
    ["the first half hour", -HOUR / 2, HOUR],
    ["an hour around it", -HOUR, 3 * HOUR],
    ["a minute inside it", HOUR / 2, 60_000],
  ])("refuses a second active booking at %s", async (_, offset, length) => {
    const [{ id: customerId }, carId] = [await person(), await car()];
    const at = slot(2, 3);
    await booking({ carId, customerId, startAt: at, status: "APPROVED" });
    const insert = (status: string, from = at + offset) =>
      sql(INSERT_BOOKING, crypto.randomUUID(), carId, customerId, from, from + length, status);
    expect(await insert("PENDING")).toBe("slot_taken");
    expect(await insert("APPROVED")).toBe("slot_taken");
    expect(await insert("CANCELLED")).toBe("accepted");
    expect(await insert("PENDING", at + HOUR)).toBe("accepted");
  });

  test("refuses to move a booking onto another, and to reactivate a cancelled one", async () => {
    const [{ id: customerId }, carId] = [await person(), await car()];
    await booking({ carId, customerId, startAt: slot(2), status: "PENDING" });
    const later = await booking({ carId, customerId, startAt: slot(2, 1), status: "PENDING" });
    const over = await booking({ carId, customerId, startAt: slot(2, 2), status: "CANCELLED" });
    expect(
      await sql("UPDATE bookings SET start_at = ?, end_at = ? WHERE id = ?", slot(2), slot(2) + HOUR, later),
    ).toBe("slot_taken");
    expect(await sql("UPDATE bookings SET status = 'PENDING' WHERE id = ?", over)).toBe("illegal_transition");
  });

  test("refuses to complete a drive before it begins, and to move or cancel one that is over, by the time that the write says", async () => {
    const [{ id: customerId }, carId] = [await person(), await car()];
    const startAt = slot(2);
    const write = async (status: string, at: number, start = startAt) => {
      const id = await booking({ carId, customerId, startAt, status: "APPROVED" });
      const set = "UPDATE bookings SET status = ?, updated_at = ?, start_at = ?, end_at = ? WHERE id = ?";
      const outcome = await sql(set, status, at, start, start + HOUR, id);
      await env.DB.prepare("DELETE FROM bookings WHERE id = ?").bind(id).run();
      return outcome;
    };
    for (const status of ["COMPLETED", "NO_SHOW"]) {
      expect(await write(status, startAt - 1)).toBe("too_early");
      expect(await write(status, startAt)).toBe("accepted");
    }
    expect(await write("CANCELLED", startAt + HOUR - 1)).toBe("accepted");
    expect(await write("CANCELLED", startAt + HOUR)).toBe("too_late");
    expect(await write("PENDING", startAt + HOUR - 1, slot(3))).toBe("accepted");
    expect(await write("PENDING", startAt + HOUR, slot(3))).toBe("too_late");
  });

  test("refuses a sale in another currency than its car's, which may change afterwards", async () => {
    const [{ id: customer }, { id: seller }, carId] = [await person(), await person("SALES"), await car()];
    const inUsd = INSERT_SALE.replace("'EUR'", "'USD'");
    expect(await sql(inUsd, crypto.randomUUID(), carId, customer, seller)).toBe("not_the_cars_currency");
    expect(await sql(INSERT_SALE, crypto.randomUUID(), carId, customer, seller)).toBe("accepted");
    expect(await sql("UPDATE cars SET currency = 'USD' WHERE id = ?", carId)).toBe("accepted");
    expect(
      await sql(
        "UPDATE sales SET voided_at = 1, void_reason = 'x', voided_by = ? WHERE car_id = ?",
        seller,
        carId,
      ),
    ).toBe("accepted");
  });

  test("refuses an active booking of a removed car, an end before the start, a duration of two days, and an unknown status", async () => {
    const [{ id: customerId }, removed, carId] = [
      await person(),
      await car({ status: "REMOVED" }),
      await car(),
    ];
    const insert = (onCar: string, from: number, to: number, status = "PENDING") =>
      sql(INSERT_BOOKING, crypto.randomUUID(), onCar, customerId, from, to, status);
    const at = slot(2);
    expect(await insert(removed, at, at + HOUR)).toBe("car_not_bookable");
    expect(await insert(carId, at, at)).toBe("check:bookings_end_after_start");
    expect(await insert(carId, at, at + 48 * HOUR)).toBe("check:bookings_at_most_a_day");
    expect(await insert(carId, at, at + HOUR, "MAYBE")).toBe("check:bookings_status_known");
    expect(await insert(crypto.randomUUID(), at, at + HOUR)).toBe("foreign_key");
  });

  test("refuses to set or to leave SOLD without a sale or a void", async () => {
    const [{ id: customer }, { id: seller }, carId] = [await person(), await person("SALES"), await car()];
    expect(await sql("UPDATE cars SET status = 'SOLD' WHERE id = ?", carId)).toBe("sold_needs_sale");
    const sell = () => sql(INSERT_SALE, crypto.randomUUID(), carId, customer, seller);
    expect(await sell()).toBe("accepted");
    expect(await sell()).toBe("unique:sales.car_id");
    expect(await sql("UPDATE cars SET status = 'SOLD' WHERE id = ?", carId)).toBe("accepted");
    expect(await sql("UPDATE cars SET status = 'AVAILABLE' WHERE id = ?", carId)).toBe("sold_needs_sale");
    expect(await sql("UPDATE sales SET sale_price_cents = 1 WHERE car_id = ?", carId)).toBe("immutable");
    expect(await sql("DELETE FROM sales WHERE car_id = ?", carId)).toBe("immutable");
  });

  test("a car that is SOLD from the start", async () => {
    expect(await car({ status: "SOLD" }).catch(violationOf)).toBe("sold_needs_sale");
  });

  test("a sale of a removed car", async () => {
    const [{ id: customer }, { id: seller }] = [await person(), await person("SALES")];
    const carId = await car({ status: "REMOVED" });
    expect(await sql(INSERT_SALE, crypto.randomUUID(), carId, customer, seller)).toBe("car_not_sellable");
  });

  test("voiding a sale twice, and taking a void back", async () => {
    const { saleId, sellerId } = await sold();
    const setVoid = (at: number | null, reason: string | null, by: string | null) =>
      sql(
        "UPDATE sales SET voided_at = ?, void_reason = ?, voided_by = ? WHERE id = ?",
        at,
        reason,
        by,
        saleId,
      );
    expect(await setVoid(1, "the loan fell through", sellerId)).toBe("accepted");
    expect(await setVoid(2, "another reason", sellerId)).toBe("immutable");
    expect(await setVoid(null, null, null)).toBe("immutable");
  });

  test("changing a void sale, except to erase its free texts", async () => {
    const { saleId, sellerId } = await sold();
    const set = (column: string, value: string | number) =>
      sql(`UPDATE sales SET ${column} = ? WHERE id = ?`, value, saleId);
    expect(await set("remarks", "paid in coins")).toBe("accepted");
    expect(
      await sql(
        "UPDATE sales SET voided_at = 1, void_reason = 'a mistake', voided_by = ? WHERE id = ?",
        sellerId,
        saleId,
      ),
    ).toBe("accepted");
    for (const [column, value] of [
      ["remarks", "paid by card"],
      ["void_reason", "another reason"],
      ["payment_method", "CARD"],
      ["contract_number", "other"],
      ["voided_at", 1],
      ["voided_by", sellerId],
      ["sale_price_cents", 1],
    ] as const)
      expect([column, await set(column, value)]).toEqual([column, "immutable"]);
    expect(await set("remarks", "")).toBe("accepted");
    expect(await set("void_reason", "")).toBe("accepted");
  });

  test("changing or deleting an entry of the commission ledger, and reversing one twice", async () => {
    const { commissionId, commission } = await sold();
    expect(await sql("UPDATE commissions SET amount_cents = 1 WHERE id = ?", commissionId)).toBe("immutable");
    expect(await sql("DELETE FROM commissions WHERE id = ?", commissionId)).toBe("immutable");
    expect(await commission(crypto.randomUUID(), -2, commissionId)).toBe("accepted");
    expect(await commission(crypto.randomUUID(), -2, commissionId)).toBe("unique:commissions.reverses");
  });

  test("moving a booking of a removed car", async () => {
    const [{ id: customerId }, carId] = [await person(), await car()];
    const id = await booking({ carId, customerId, startAt: slot(2), status: "PENDING" });
    expect(await sql("UPDATE cars SET status = 'REMOVED' WHERE id = ?", carId)).toBe("accepted");
    const move = "UPDATE bookings SET start_at = ?, end_at = ? WHERE id = ?";
    expect(await sql(move, slot(3), slot(3) + HOUR, id)).toBe("car_not_bookable");
  });

  test("giving a booking to another customer, another car or another id", async () => {
    const [{ id: customerId }, { id: other }, carId] = [await person(), await person(), await car()];
    const id = await booking({ carId, customerId, startAt: slot(2), status: "PENDING" });
    expect(await sql("UPDATE bookings SET customer_id = ? WHERE id = ?", other, id)).toBe("immutable");
    expect(await sql("UPDATE bookings SET car_id = ? WHERE id = ?", await car(), id)).toBe("immutable");
    expect(await sql("UPDATE bookings SET id = ? WHERE id = ?", crypto.randomUUID(), id)).toBe("immutable");
  });

  describe("a verified address", () => {
    test("that another user has verified, or has as username, on insert and on update", async () => {
      const [own, { username, email }] = [await person(), await person("CUSTOMER", verifiedNow)];
      const address = (emailKey: string) => ({ email: emailKey, emailKey });
      const insert = (more: object) => person("CUSTOMER", more).then(() => "accepted", violationOf);
      expect(await insert({ ...verifiedNow, ...address(email) })).toBe("unique:users.email_key");
      expect(await insert({ ...verifiedNow, ...address(username) })).toBe("email_taken");
      const update = (change: string, value: string) =>
        sql(`UPDATE users SET ${change} WHERE id = ?`, value, own.id);
      expect(await update("email_verified_at = 1, email_key = ?", email)).toBe("unique:users.email_key");
      expect(await update("email_verified_at = 1, email_key = ?", username)).toBe("email_taken");
      expect(await update("email_key = ?", username)).toBe("accepted");
      expect(await sql("UPDATE users SET email_verified_at = 1 WHERE id = ?", own.id)).toBe("email_taken");
    });

    test("as the username of another user, on insert and on update", async () => {
      const [own, { email }] = [await person(), await person("CUSTOMER", verifiedNow)];
      const insert = person("CUSTOMER", { usernameKey: email }).then(() => "accepted", violationOf);
      expect(await insert).toBe("username_taken");
      expect(await sql("UPDATE users SET username_key = ? WHERE id = ?", email, own.id)).toBe(
        "username_taken",
      );
    });

    test("without an address", async () => {
      const { id } = await person("CUSTOMER", verifiedNow);
      expect(await sql("UPDATE users SET email = NULL, email_key = NULL WHERE id = ?", id)).toMatch(
        /^check:/,
      );
    });
  });

  test("accepts an address that is not verified for any number of users, and reserves nothing for them", async () => {
    const [one, two] = [await person(), await person()];
    expect(await sql("UPDATE users SET email_key = ? WHERE id = ?", one.email, two.id)).toBe("accepted");
    expect(await sql("UPDATE users SET email_key = ? WHERE id = ?", one.username, two.id)).toBe("accepted");
    expect(await sql("UPDATE users SET username_key = ? WHERE id = ?", one.email, two.id)).toBe("accepted");
  });

  test("refuses a booking above the cap, which is lower without a verified address, and any booking when that is zero", async () => {
    const [fresh, proved] = [await person(), await person("CUSTOMER", verifiedNow)];
    for (const { id: customerId } of [fresh, proved])
      for (const hour of [0, 1])
        await booking({ carId: await car(), customerId, startAt: slot(3, hour), status: "PENDING" });
    const cap = (id: string, most: number, mostUnverified: number | null) =>
      sql("INSERT INTO booking_caps VALUES (?, ?, ?, ?)", id, most, mostUnverified, Date.now());
    expect(await cap(fresh.id, 5, 2)).toBe("accepted");
    expect(await cap(fresh.id, 5, 1)).toBe("too_many_bookings");
    expect(await cap(fresh.id, 5, 0)).toBe("email_not_verified");
    // An earlier version of the Worker does not know the lower cap.
    expect(await cap(fresh.id, 2, null)).toBe("accepted");
    expect(await cap(proved.id, 2, 0)).toBe("accepted");
    expect(await cap(proved.id, 1, 0)).toBe("too_many_bookings");
  });

  test("refuses a notification of an unknown kind", async () => {
    const insert = (kind: string) =>
      sql(
        "INSERT INTO notifications (id, kind, recipient, facts, created_at, next_attempt_at) VALUES (?, ?, 'a@b.example', '{}', 0, 9e12)",
        crypto.randomUUID(),
        kind,
      );
    for (const kind of NOTIFICATION_KINDS) expect(await insert(kind)).toBe("accepted");
    expect(await insert("gossip")).toBe("unknown_kind");
  });

  test("refuses a missing value by its column", async () => {
    const { id } = await person();
    expect(await sql("UPDATE users SET password_hash = NULL WHERE id = ?", id)).toBe(
      "null:users.password_hash",
    );
  });

  test.each([
    ["a lower-case VIN", "vin", "abc"],
    ["an empty VIN", "vin", ""],
    ["a negative price", "base_price_cents", -1],
    ["a discount above the base price", "discount_price_cents", 2_000_001],
    ["the year 0", "year", 0],
    ["the year 99999", "year", 99999],
    ["an unknown fuel", "fuel_type", "COAL"],
    ["a negative mileage", "mileage", -1],
    ["an unknown status", "status", "STOLEN"],
    ["a lower-case currency", "currency", "eur"],
  ])("refuses a car with %s", async (_, column, value) => {
    expect(await sql(`UPDATE cars SET ${column} = ? WHERE id = ?`, value, await car())).toMatch(
      /^check:cars_/,
    );
  });

  test("refuses one username twice in different case, and one VIN twice", async () => {
    const { username } = await person();
    const again = await person("CUSTOMER", { usernameKey: username.toLowerCase() }).catch(violationOf);
    expect(again).toBe("unique:users.username_key");
    const vin = `VIN-${crypto.randomUUID().slice(0, 8)}`.toUpperCase();
    await car({ vin });
    expect(await car({ vin }).catch(violationOf)).toBe("unique:cars.vin");
  });

  test("refuses a second primary photo of a car", async () => {
    const carId = await car();
    const insert = (primary: number) =>
      sql(
        "INSERT INTO car_photos (id, car_id, key, thumbnail_key, content_type, width, height, sort_order, is_primary, created_at) VALUES (?1, ?2, ?1, ?1, 'image/webp', 1, 1, 0, ?3, 0)",
        crypto.randomUUID(),
        carId,
        primary,
      );
    expect(await insert(1)).toBe("accepted");
    expect(await insert(1)).toBe("unique:car_photos.car_id");
    expect(await insert(0)).toBe("accepted");
  });

  test("refuses to close the last active showroom", async () => {
    const close = (id: string) => sql("UPDATE showrooms SET is_active = 0 WHERE id = ?", id);
    const second = await newShowroom();
    expect(await close(FIRST_SHOWROOM)).toBe("accepted");
    expect(await close(second)).toBe("last_showroom");
    expect(await sql("UPDATE showrooms SET is_active = 1 WHERE id = ?", FIRST_SHOWROOM)).toBe("accepted");
    expect(await close(second)).toBe("accepted");
  });

  test("refuses another time zone while drives of the showroom are coming, by the time that the write says", async () => {
    const [id, { id: customerId }] = [await newShowroom(), await person()];
    const startAt = slot(2);
    const move = (at: number) =>
      sql("UPDATE showrooms SET time_zone = 'Asia/Tokyo', updated_at = ? WHERE id = ?", at, id);
    const drive = await booking({
      carId: await car(),
      customerId,
      showroomId: id,
      startAt,
      status: "PENDING",
      heldUntil: startAt - HOUR,
    });
    expect(await move(startAt - HOUR - 1)).toBe("has_bookings");
    // The hold has expired.
    expect(await move(startAt - HOUR)).toBe("accepted");
    expect(await sql("UPDATE showrooms SET time_zone = 'UTC' WHERE id = ?", id)).toBe("accepted");
    expect(
      await sql(
        "UPDATE bookings SET held_until = NULL, updated_at = ? WHERE id = ?",
        startAt - 2 * HOUR,
        drive,
      ),
    ).toBe("accepted");
    expect(await move(startAt - 1)).toBe("has_bookings");
    expect(await sql("UPDATE showrooms SET city = 'Berlin' WHERE id = ?", id)).toBe("accepted");
    expect(await move(startAt)).toBe("accepted");
  });

  test("refuses a code that differs only in case, and names the index", async () => {
    const code = crypto.randomUUID();
    await newShowroom(code);
    expect(await sql(INSERT_SHOWROOM, crypto.randomUUID(), code.toUpperCase())).toBe("unique:showrooms_code");
  });

  test("refuses the 401st special hours of a showroom", async () => {
    const [id, other] = [await newShowroom(), await newShowroom()];
    const insert = (showroom: string) =>
      sql(
        "INSERT INTO special_hours (id, showroom_id, from_date, to_date, windows, created_at) VALUES (?, ?, '2030-01-01', '2030-01-01', '[]', 0)",
        crypto.randomUUID(),
        showroom,
      );
    for (let n = 1; n <= 400; n += 1) expect(await insert(id), `number ${n}`).toBe("accepted");
    expect(await insert(id)).toBe("too_many_special_hours");
    expect(await insert(other)).toBe("accepted");
  });

  test("refuses to lose the last active administrator", async () => {
    const [first, second] = [await person("ADMIN"), await person("ADMIN")];
    expect(await sql("UPDATE users SET is_active = 0 WHERE id = ?", first.id)).toBe("accepted");
    expect(await sql("UPDATE users SET is_active = 0 WHERE id = ?", second.id)).toBe("last_admin");
    expect(await sql("UPDATE users SET role = 'SALES' WHERE id = ?", second.id)).toBe("last_admin");
    expect(await sql("DELETE FROM users WHERE id = ?", second.id)).toBe("last_admin");
    expect(await sql("UPDATE users SET is_active = 1 WHERE id = ?", first.id)).toBe("accepted");
    expect(await sql("UPDATE users SET role = 'SALES' WHERE id = ?", second.id)).toBe("accepted");
  });
});
