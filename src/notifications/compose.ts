/** Builds the e-mail of a notification's row. */
import { issueVerificationToken, isTaken, VERIFICATION_MS } from "../auth/email-verification.ts";
import { issueResetToken, PASSWORD_RESET_MS } from "../auth/password-resets.ts";
import type { Config } from "../config.ts";
import type { Database } from "../db/client.ts";
import type { AddressFacts, BookingFacts, ClosingFacts, Content, SaleFacts } from "../outbox/notices.ts";
import { geoOf } from "../showrooms/address.ts";
import { calendarFile } from "./calendar-file.ts";
import type { Row } from "./delivery-store.ts";
import { type Contact, type Message, mentionOf, writeMail } from "./messages.ts";
import { oneLine } from "./text.ts";

/** A message that must never be sent. */
export class Undeliverable extends Error {}

type FactsOf<Kind extends Content["kind"]> = Kind extends "sale_confirmed"
  ? SaleFacts
  : Kind extends "email_changed"
    ? AddressFacts
    : Kind extends "staff_user_deactivated"
      ? ClosingFacts
      : BookingFacts;

/** The facts of a notification by kind. The outbox, the only writer, accepts no others (outbox/notices.ts). */
export const factsOf = <Kind extends Content["kind"]>(row: Row, _kind: Kind): FactsOf<Kind> =>
  JSON.parse(row.facts) as FactsOf<Kind>;

/** Builds the mail of a notification. */
export async function compose(
  row: Row,
  config: Config,
  db: Database,
  now: number,
): Promise<EmailMessageBuilder> {
  const message = await messageOf(row, config, db, now);
  const sender = { email: config.email.from, name: oneLine(message.showroom.name) };
  return {
    from: sender,
    to: row.recipient,
    replyTo: replyAddress(message) || config.email.staff,
    ...writeMail(message),
    headers: {
      // A reader or a mail program can recognise a mail that was sent twice.
      "X-Notification-Id": row.id,
      // The operator finds what led to the mail.
      ...(row.requestId ? { "X-Request-Id": row.requestId } : {}),
    },
    ...("booking" in message && message.kind !== "staff_booking" && row.bookingId
      ? {
          attachments: [
            {
              disposition: "attachment",
              filename: "test-drive.ics",
              type: "text/calendar",
              // Bytes, because a string would be decoded as base64.
              content: new TextEncoder().encode(
                calendarFile({
                  bookingId: row.bookingId,
                  booking: message.booking,
                  writtenAt: row.createdAt,
                  car: message.car.name,
                  carUrl: message.car.url,
                  organizer: sender,
                  place: { ...message.showroom, ...geoOf(row) },
                  attendee: { name: message.customer, email: row.recipient },
                }),
              ),
            },
          ],
        }
      : {}),
  };
}

/** Where replies go, if not to the sales team: the person who drives along answers the customer. */
const replyAddress = (message: Message): string =>
  message.kind === "staff_booking" && message.booking.handover !== "taken" ? message.contact.email : "";

async function messageOf(row: Row, config: Config, db: Database, now: number): Promise<Message> {
  const { kind } = row;
  const showroom = {
    name: row.showroomName ?? config.showroom.name,
    timeZone: row.showroomZone ?? config.showroom.timeZone,
    address: row.showroomAddress ?? "",
    phone: row.showroomPhone ?? "",
  };
  const common = { showroom, customer: row.firstName || row.username || "" };
  if (kind === "password_reset") {
    if (!row.userId || !row.isActive || row.email !== row.recipient)
      throw new Undeliverable("the account is closed or has another address now");
    const token = await issueResetToken(db, row.userId, now);
    const url = `${config.publicUrl}/reset-password#token=${token}`;
    return { ...common, kind, url, token, validMinutes: PASSWORD_RESET_MS / 60_000 };
  }
  if (kind === "email_verification") {
    const { recipient, userId } = row;
    if (!userId) throw new Undeliverable("the notification has no user");
    // Without a name: the reader may be a stranger to the person who wrote it.
    const message = { ...common, customer: "", kind, validHours: VERIFICATION_MS / 3_600_000 };
    if (await isTaken(db, recipient, userId)) return { ...message, link: undefined };
    const token = await issueVerificationToken(db, userId, recipient, now);
    return { ...message, link: { url: `${config.publicUrl}/verify-email#token=${token}`, token } };
  }
  if (kind === "email_changed")
    return { ...common, kind, ...factsOf(row, kind), contact: config.email.staff };
  if (kind === "staff_user_deactivated")
    return { ...common, kind, user: row.username ?? "", closing: factsOf(row, kind) };
  if (!row.carId) throw new Undeliverable("the notification's booking or sale does not exist");
  const car = mentionOf({ ...row, carId: row.carId }, config.publicUrl);
  if (kind === "sale_confirmed") return { ...common, kind, car, sale: factsOf(row, kind) };
  const booking = factsOf(row, kind);
  const reason = row.reason ?? "";
  const salesperson = row.salespersonName;
  if (kind === "staff_booking") {
    if (row.isReaderActive === 0) throw new Undeliverable("the account of this member of staff is closed");
    const isReader = row.salespersonId !== null && row.salespersonId === row.userId;
    const notes = row.notes ?? "";
    return { ...common, kind, car, booking, notes, reason, contact: contactOf(row), salesperson, isReader };
  }
  if (kind === "booking_reminder" && booking.startAt <= now)
    throw new Undeliverable("the test drive had begun before the reminder could be sent");
  return { ...common, kind, car, booking, reason, salesperson: salesperson ?? "" };
}

/** How to reach the customer of a test drive. */
const contactOf = ({ firstName, lastName, username, phone, email, emailVerifiedAt }: Row): Contact => ({
  name: [firstName, lastName].filter(Boolean).join(" ") || (username ?? ""),
  phone: phone ?? "",
  email: email ?? "",
  isVerified: emailVerifiedAt !== null,
});
