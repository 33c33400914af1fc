CREATE TABLE `absences` (
	`id` text PRIMARY KEY NOT NULL,
	`user_id` text NOT NULL,
	`start_at` integer NOT NULL,
	`end_at` integer NOT NULL,
	`reason` text DEFAULT '' NOT NULL,
	`created_at` integer NOT NULL,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE no action,
	CONSTRAINT "absences_end_after_start" CHECK("absences"."end_at" > "absences"."start_at"),
	CONSTRAINT "absences_reason_length" CHECK(length("absences"."reason") <= 500)
);
--> statement-breakpoint
CREATE INDEX `absences_user` ON `absences` (`user_id`,`end_at`);--> statement-breakpoint
CREATE TABLE `drive_shares` (
	`showroom_id` text NOT NULL,
	`user_id` text NOT NULL,
	`share` integer NOT NULL,
	`drives` real DEFAULT 0 NOT NULL,
	`last_assigned_at` integer,
	PRIMARY KEY(`showroom_id`, `user_id`),
	FOREIGN KEY (`showroom_id`) REFERENCES `showrooms`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE no action,
	CONSTRAINT "drive_shares_share_positive" CHECK("drive_shares"."share" > 0)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `shifts` (
	`showroom_id` text NOT NULL,
	`user_id` text NOT NULL,
	`weekday` text NOT NULL,
	`from_time` text NOT NULL,
	`to_time` text NOT NULL,
	PRIMARY KEY(`showroom_id`, `user_id`, `weekday`, `from_time`),
	FOREIGN KEY (`showroom_id`) REFERENCES `showrooms`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE no action,
	CONSTRAINT "shifts_weekday_known" CHECK("shifts"."weekday" IN ('sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat')),
	CONSTRAINT "shifts_from_before_to" CHECK("shifts"."from_time" < "shifts"."to_time" AND "shifts"."to_time" <= '24:00')
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `shifts_user` ON `shifts` (`user_id`);--> statement-breakpoint
ALTER TABLE `bookings` ADD `salesperson_id` text REFERENCES users(id);--> statement-breakpoint
ALTER TABLE `bookings` ADD `assigned_by` text CHECK (assigned_by IN ('AUTO', 'STAFF') AND salesperson_id IS NOT NULL OR assigned_by IS NULL AND salesperson_id IS NULL);--> statement-breakpoint
CREATE INDEX `bookings_salesperson` ON `bookings` (`salesperson_id`,`start_at`) WHERE "bookings"."salesperson_id" IS NOT NULL;--> statement-breakpoint
ALTER TABLE `showrooms` ADD `assignment` text DEFAULT 'NONE' NOT NULL CHECK (assignment IN ('NONE', 'AUTOMATIC'));--> statement-breakpoint
ALTER TABLE `staff_profiles` ADD `weight` integer DEFAULT 100 NOT NULL CHECK (weight BETWEEN 1 AND 1000);--> statement-breakpoint

-- Contracts: made again below, where a booking allocates its salesperson, too. Bookings without one are treated as before.
DROP TRIGGER allocations_stay_while_needed;--> statement-breakpoint
-- Contracts: made again below, where a booking allocates its salesperson, too. Bookings without one are treated as before.
DROP TRIGGER bookings_allocate_on_insert;--> statement-breakpoint
-- Contracts: made again below, where a booking allocates its salesperson, too. Bookings without one are treated as before.
DROP TRIGGER bookings_allocate_on_update;--> statement-breakpoint
-- Contracts: made again below, where a booking allocates its salesperson, too. Bookings without one are treated as before.
DROP TRIGGER bookings_allocate_on_delete;--> statement-breakpoint

-- Only a booking that does not need it lets go of an allocation.
CREATE TRIGGER allocations_stay_while_needed BEFORE DELETE ON allocations
WHEN EXISTS (
  SELECT 1 FROM bookings WHERE id = OLD.booking_id AND status IN ('PENDING', 'APPROVED')
    AND held_until IS OLD.expires_at
    AND (OLD.kind <> 'SALESPERSON' OR OLD.resource_id = salesperson_id)
    AND OLD.start_at = iif(OLD.kind = 'CUSTOMER', start_at, coalesce(footprint_start_at, start_at))
    AND OLD.end_at = iif(OLD.kind = 'CUSTOMER', end_at, coalesce(footprint_end_at, end_at))
)
BEGIN SELECT RAISE(ABORT, 'immutable'); END;
--> statement-breakpoint
CREATE TRIGGER bookings_allocate_on_insert AFTER INSERT ON bookings
WHEN NEW.status IN ('PENDING', 'APPROVED')
BEGIN
  INSERT INTO allocations VALUES ('CAR', NEW.car_id, coalesce(NEW.footprint_start_at, NEW.start_at),
    coalesce(NEW.footprint_end_at, NEW.end_at), NEW.id, NEW.held_until);
  INSERT INTO allocations VALUES ('CUSTOMER', NEW.customer_id, NEW.start_at, NEW.end_at, NEW.id, NEW.held_until);
  INSERT INTO allocations
    SELECT 'SALESPERSON', NEW.salesperson_id, coalesce(NEW.footprint_start_at, NEW.start_at),
      coalesce(NEW.footprint_end_at, NEW.end_at), NEW.id, NEW.held_until
    WHERE NEW.salesperson_id IS NOT NULL;
END;
--> statement-breakpoint
CREATE TRIGGER bookings_allocate_on_update AFTER UPDATE OF
  status, start_at, end_at, footprint_start_at, footprint_end_at, held_until, salesperson_id ON bookings
WHEN (OLD.status IN ('PENDING', 'APPROVED')) <> (NEW.status IN ('PENDING', 'APPROVED'))
  OR OLD.start_at <> NEW.start_at OR OLD.end_at <> NEW.end_at OR OLD.held_until IS NOT NEW.held_until
  OR OLD.footprint_start_at IS NOT NEW.footprint_start_at OR OLD.footprint_end_at IS NOT NEW.footprint_end_at
  OR OLD.salesperson_id IS NOT NEW.salesperson_id
BEGIN
  -- An allocation that stays the same, such as that of a move whose footprint is the old one under other buffers, stays.
  DELETE FROM allocations WHERE booking_id = OLD.id AND (
    (kind = 'CAR' AND resource_id = OLD.car_id AND start_at = coalesce(OLD.footprint_start_at, OLD.start_at)
      AND NOT (NEW.status IN ('PENDING', 'APPROVED') AND expires_at IS NEW.held_until
        AND start_at = coalesce(NEW.footprint_start_at, NEW.start_at)
        AND end_at = coalesce(NEW.footprint_end_at, NEW.end_at)))
    OR (kind = 'CUSTOMER' AND resource_id = OLD.customer_id AND start_at = OLD.start_at
      AND NOT (NEW.status IN ('PENDING', 'APPROVED') AND expires_at IS NEW.held_until
        AND start_at = NEW.start_at AND end_at = NEW.end_at))
    OR (kind = 'SALESPERSON' AND resource_id = OLD.salesperson_id
      AND start_at = coalesce(OLD.footprint_start_at, OLD.start_at)
      AND NOT (NEW.status IN ('PENDING', 'APPROVED') AND expires_at IS NEW.held_until
        AND resource_id IS NEW.salesperson_id
        AND start_at = coalesce(NEW.footprint_start_at, NEW.start_at)
        AND end_at = coalesce(NEW.footprint_end_at, NEW.end_at)))
  );
  INSERT INTO allocations
    SELECT 'CAR', NEW.car_id, coalesce(NEW.footprint_start_at, NEW.start_at),
      coalesce(NEW.footprint_end_at, NEW.end_at), NEW.id, NEW.held_until
    WHERE NEW.status IN ('PENDING', 'APPROVED')
    ON CONFLICT DO NOTHING;
  INSERT INTO allocations
    SELECT 'CUSTOMER', NEW.customer_id, NEW.start_at, NEW.end_at, NEW.id, NEW.held_until
    WHERE NEW.status IN ('PENDING', 'APPROVED')
    ON CONFLICT DO NOTHING;
  INSERT INTO allocations
    SELECT 'SALESPERSON', NEW.salesperson_id, coalesce(NEW.footprint_start_at, NEW.start_at),
      coalesce(NEW.footprint_end_at, NEW.end_at), NEW.id, NEW.held_until
    WHERE NEW.status IN ('PENDING', 'APPROVED') AND NEW.salesperson_id IS NOT NULL
    ON CONFLICT DO NOTHING;
END;
--> statement-breakpoint
CREATE TRIGGER bookings_allocate_on_delete AFTER DELETE ON bookings
BEGIN
  DELETE FROM allocations WHERE booking_id = OLD.id AND (
    (kind = 'CAR' AND resource_id = OLD.car_id AND start_at = coalesce(OLD.footprint_start_at, OLD.start_at))
    OR (kind = 'CUSTOMER' AND resource_id = OLD.customer_id AND start_at = OLD.start_at)
    OR (kind = 'SALESPERSON' AND resource_id = OLD.salesperson_id
      AND start_at = coalesce(OLD.footprint_start_at, OLD.start_at))
  );
END;
--> statement-breakpoint

-- Nobody drives along while they are absent, and nobody is absent while they drive along.
CREATE TRIGGER allocations_not_while_absent BEFORE INSERT ON allocations
WHEN NEW.kind = 'SALESPERSON' AND EXISTS (
  SELECT 1 FROM absences WHERE user_id = NEW.resource_id AND end_at > NEW.start_at AND start_at < NEW.end_at
)
BEGIN SELECT RAISE(ABORT, 'salesperson_absent'); END;
--> statement-breakpoint
CREATE TRIGGER absences_without_drives BEFORE INSERT ON absences
WHEN EXISTS (
  SELECT 1 FROM allocations
  WHERE kind = 'SALESPERSON' AND resource_id = NEW.user_id
    AND start_at > NEW.start_at - 86400000 AND start_at < NEW.end_at AND end_at > NEW.start_at
    AND (expires_at IS NULL OR expires_at > NEW.created_at)
)
BEGIN SELECT RAISE(ABORT, 'has_bookings'); END;
--> statement-breakpoint
CREATE TRIGGER absences_are_never_changed BEFORE UPDATE ON absences
BEGIN SELECT RAISE(ABORT, 'immutable'); END;
--> statement-breakpoint

-- Where a showroom assigns salespeople, an active booking has one. It loses them only when they have left.
CREATE TRIGGER bookings_have_a_salesperson_on_insert BEFORE INSERT ON bookings
WHEN NEW.salesperson_id IS NULL AND NEW.status IN ('PENDING', 'APPROVED')
  AND (SELECT assignment FROM showrooms WHERE id = NEW.showroom_id) = 'AUTOMATIC'
BEGIN SELECT RAISE(ABORT, 'no_salesperson_free'); END;
--> statement-breakpoint
CREATE TRIGGER bookings_have_a_salesperson_on_update BEFORE UPDATE OF salesperson_id, start_at, showroom_id ON bookings
WHEN NEW.salesperson_id IS NULL AND NEW.status IN ('PENDING', 'APPROVED')
  AND (NEW.start_at <> OLD.start_at OR NEW.showroom_id <> OLD.showroom_id
    OR (SELECT is_active FROM users WHERE id = OLD.salesperson_id))
  AND (SELECT assignment FROM showrooms WHERE id = NEW.showroom_id) = 'AUTOMATIC'
BEGIN SELECT RAISE(ABORT, 'no_salesperson_free'); END;
--> statement-breakpoint
CREATE TRIGGER bookings_salesperson_is_staff_on_insert BEFORE INSERT ON bookings
WHEN NEW.salesperson_id IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM users WHERE id = NEW.salesperson_id AND is_active AND role IN ('ADMIN', 'SALES'))
BEGIN SELECT RAISE(ABORT, 'salesperson_not_active'); END;
--> statement-breakpoint
CREATE TRIGGER bookings_salesperson_is_staff_on_update BEFORE UPDATE OF salesperson_id ON bookings
WHEN NEW.salesperson_id IS NOT NULL AND NEW.salesperson_id IS NOT OLD.salesperson_id AND NOT EXISTS (
  SELECT 1 FROM users WHERE id = NEW.salesperson_id AND is_active AND role IN ('ADMIN', 'SALES'))
BEGIN SELECT RAISE(ABORT, 'salesperson_not_active'); END;
--> statement-breakpoint

-- Drives are counted when they are confirmed, moved to somebody else, or given back before they take place. Nobody counts
-- as more than two drives behind the others: else a person who comes back would get all drives for weeks.
CREATE TRIGGER drive_shares_count_on_insert AFTER INSERT ON bookings
WHEN NEW.salesperson_id IS NOT NULL AND NEW.held_until IS NULL AND NEW.status IN ('PENDING', 'APPROVED')
BEGIN
  UPDATE drive_shares SET last_assigned_at = NEW.updated_at, drives = 1 + max(drives, coalesce(share * (
      SELECT sum(o.drives) / sum(o.share) FROM drive_shares o
      WHERE o.showroom_id = NEW.showroom_id AND o.user_id <> NEW.salesperson_id) - 2, drives))
  WHERE showroom_id = NEW.showroom_id AND user_id = NEW.salesperson_id;
END;
--> statement-breakpoint
CREATE TRIGGER drive_shares_count_on_update AFTER UPDATE OF salesperson_id, status, held_until, showroom_id ON bookings
WHEN iif(OLD.held_until IS NULL AND OLD.status IN ('PENDING', 'APPROVED'), OLD.salesperson_id || OLD.showroom_id, NULL)
  IS NOT iif(NEW.held_until IS NULL AND NEW.status NOT IN ('DECLINED', 'CANCELLED'),
    NEW.salesperson_id || NEW.showroom_id, NULL)
BEGIN
  UPDATE drive_shares SET drives = drives - 1
  WHERE showroom_id = OLD.showroom_id AND user_id = OLD.salesperson_id
    AND OLD.held_until IS NULL AND OLD.status IN ('PENDING', 'APPROVED');
  UPDATE drive_shares SET last_assigned_at = NEW.updated_at, drives = 1 + max(drives, coalesce(share * (
      SELECT sum(o.drives) / sum(o.share) FROM drive_shares o
      WHERE o.showroom_id = NEW.showroom_id AND o.user_id <> NEW.salesperson_id) - 2, drives))
  WHERE showroom_id = NEW.showroom_id AND user_id = NEW.salesperson_id
    AND NEW.held_until IS NULL AND NEW.status NOT IN ('DECLINED', 'CANCELLED');
END;
--> statement-breakpoint

-- Who can drive along is part of a showroom's schedule: a change raises its version, whoever makes it.
CREATE TRIGGER shifts_raise_version_on_insert AFTER INSERT ON shifts
BEGIN UPDATE showrooms SET version = version + 1 WHERE id = NEW.showroom_id; END;
--> statement-breakpoint
CREATE TRIGGER shifts_raise_version_on_delete AFTER DELETE ON shifts
BEGIN UPDATE showrooms SET version = version + 1 WHERE id = OLD.showroom_id; END;
--> statement-breakpoint
CREATE TRIGGER shifts_are_never_changed BEFORE UPDATE ON shifts
BEGIN SELECT RAISE(ABORT, 'immutable'); END;
--> statement-breakpoint
CREATE TRIGGER users_in_shift_raise_version AFTER UPDATE OF is_active, role ON users
WHEN NEW.is_active <> OLD.is_active OR NEW.role <> OLD.role
BEGIN
  UPDATE showrooms SET version = version + 1 WHERE id IN (SELECT showroom_id FROM shifts WHERE user_id = NEW.id);
END;
--> statement-breakpoint

-- A batch that ends somebody's access and gives no drives away inserts them here, which stores nothing.
CREATE VIEW leaving_staff AS SELECT id AS user_id, updated_at AS now FROM users;
--> statement-breakpoint
CREATE TRIGGER leaving_staff_have_no_drives INSTEAD OF INSERT ON leaving_staff
WHEN EXISTS (
  SELECT 1 FROM allocations
  WHERE kind = 'SALESPERSON' AND resource_id = NEW.user_id AND start_at > NEW.now - 86400000 AND end_at > NEW.now
    AND (expires_at IS NULL OR expires_at > NEW.now)
)
BEGIN SELECT RAISE(ABORT, 'has_bookings'); END;
