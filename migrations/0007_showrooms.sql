CREATE TABLE `showrooms` (
	`id` text PRIMARY KEY NOT NULL,
	`code` text NOT NULL,
	`name` text,
	`address` text DEFAULT '' NOT NULL,
	`postal_code` text DEFAULT '' NOT NULL,
	`city` text DEFAULT '' NOT NULL,
	`country` text DEFAULT '' NOT NULL,
	`latitude` real,
	`longitude` real,
	`phone` text DEFAULT '' NOT NULL,
	`email` text,
	`time_zone` text,
	`is_active` integer DEFAULT 1 NOT NULL,
	`hours` text NOT NULL,
	`slot_minutes` integer DEFAULT 60 NOT NULL,
	`step_minutes` integer DEFAULT 60 NOT NULL,
	`buffer_before_minutes` integer DEFAULT 0 NOT NULL,
	`buffer_after_minutes` integer DEFAULT 0 NOT NULL,
	`lead_minutes` integer DEFAULT 0 NOT NULL,
	`horizon_days` integer,
	`version` integer DEFAULT 1 NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	CONSTRAINT "showrooms_code_form" CHECK("showrooms"."code" <> '' AND length("showrooms"."code") <= 40),
	CONSTRAINT "showrooms_name_length" CHECK(length("showrooms"."name") <= 200),
	CONSTRAINT "showrooms_place" CHECK(("showrooms"."latitude" IS NULL) = ("showrooms"."longitude" IS NULL)),
	CONSTRAINT "showrooms_latitude_range" CHECK("showrooms"."latitude" BETWEEN -90 AND 90),
	CONSTRAINT "showrooms_longitude_range" CHECK("showrooms"."longitude" BETWEEN -180 AND 180),
	CONSTRAINT "showrooms_hours_json" CHECK(json_valid("showrooms"."hours")),
	CONSTRAINT "showrooms_slot_minutes_range" CHECK("showrooms"."slot_minutes" BETWEEN 15 AND 480),
	CONSTRAINT "showrooms_step_minutes_range" CHECK("showrooms"."step_minutes" BETWEEN 5 AND 480),
	CONSTRAINT "showrooms_buffer_before_range" CHECK("showrooms"."buffer_before_minutes" BETWEEN 0 AND 240),
	CONSTRAINT "showrooms_buffer_after_range" CHECK("showrooms"."buffer_after_minutes" BETWEEN 0 AND 240),
	CONSTRAINT "showrooms_lead_range" CHECK("showrooms"."lead_minutes" BETWEEN 0 AND 43200),
	CONSTRAINT "showrooms_horizon_range" CHECK("showrooms"."horizon_days" BETWEEN 1 AND 3650)
);
--> statement-breakpoint
CREATE UNIQUE INDEX `showrooms_code` ON `showrooms` (lower("code"));--> statement-breakpoint
CREATE TABLE `special_hours` (
	`id` text PRIMARY KEY NOT NULL,
	`showroom_id` text NOT NULL,
	`from_date` text NOT NULL,
	`to_date` text NOT NULL,
	`windows` text NOT NULL,
	`reason` text DEFAULT '' NOT NULL,
	`created_at` integer NOT NULL,
	FOREIGN KEY (`showroom_id`) REFERENCES `showrooms`(`id`) ON UPDATE no action ON DELETE no action,
	CONSTRAINT "special_hours_from_before_to" CHECK("special_hours"."from_date" <= "special_hours"."to_date"),
	CONSTRAINT "special_hours_windows_json" CHECK(json_valid("special_hours"."windows")),
	CONSTRAINT "special_hours_reason_length" CHECK(length("special_hours"."reason") <= 500)
);
--> statement-breakpoint
CREATE INDEX `special_hours_showroom` ON `special_hours` (`showroom_id`,`to_date`);--> statement-breakpoint
-- The showroom of everything that was there before: open as the hours that were constants. Its name, time zone and
-- horizon are those of the configuration (SHOWROOM_NAME, SHOWROOM_TIME_ZONE, BOOKING_HORIZON_DAYS) until an
-- administrator changes them.
INSERT INTO `showrooms` (`id`, `code`, `hours`, `created_at`, `updated_at`) VALUES (
	'00000000-0000-7000-8000-000000000001', 'main',
	'{"mon":[["09:00","17:00"]],"tue":[["09:00","17:00"]],"wed":[["09:00","17:00"]],"thu":[["09:00","17:00"]],"fri":[["09:00","17:00"]],"sat":[["09:00","17:00"]],"sun":[["09:00","17:00"]]}',
	unixepoch() * 1000, unixepoch() * 1000
);--> statement-breakpoint
-- A column with a default that is not NULL cannot have a foreign key here: triggers below stand in for it.
ALTER TABLE `cars` ADD `showroom_id` text DEFAULT '00000000-0000-7000-8000-000000000001' NOT NULL;--> statement-breakpoint
ALTER TABLE `bookings` ADD `showroom_id` text DEFAULT '00000000-0000-7000-8000-000000000001' NOT NULL;--> statement-breakpoint
ALTER TABLE `bookings` ADD `footprint_start_at` integer CHECK (footprint_start_at <= start_at);--> statement-breakpoint
ALTER TABLE `bookings` ADD `footprint_end_at` integer CHECK (footprint_end_at >= end_at AND (footprint_start_at IS NULL) = (footprint_end_at IS NULL) AND footprint_end_at - footprint_start_at <= 86400000);--> statement-breakpoint
-- NULL: the day in the time zone of the configuration.
ALTER TABLE `bookings` ADD `local_date` text CHECK (local_date GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]');--> statement-breakpoint
ALTER TABLE `bookings` ADD `held_until` integer CHECK (held_until IS NULL OR status IN ('PENDING', 'CANCELLED'));--> statement-breakpoint

-- What can be in one place only, and when it is in use. Triggers on bookings write it. The first index column after the
-- resource is the start, and no allocation is longer than a day: that bounds how far back an overlap is searched.
CREATE TABLE `allocations` (
	`kind` text NOT NULL,
	`resource_id` text NOT NULL,
	`start_at` integer NOT NULL,
	`end_at` integer NOT NULL,
	`booking_id` text NOT NULL,
	`expires_at` integer,
	PRIMARY KEY(`kind`, `resource_id`, `start_at`, `booking_id`),
	CONSTRAINT "allocations_kind_known" CHECK("allocations"."kind" IN ('CAR', 'CUSTOMER', 'SALESPERSON')),
	CONSTRAINT "allocations_end_after_start" CHECK("allocations"."end_at" > "allocations"."start_at"),
	CONSTRAINT "allocations_at_most_a_day" CHECK("allocations"."end_at" - "allocations"."start_at" <= 86400000)
) WITHOUT ROWID;
--> statement-breakpoint
-- Those of bookings that are active now. Customers who are in two cars at once already stay so: the rule below comes
-- after them.
INSERT INTO `allocations` SELECT 'CAR', `car_id`, `start_at`, `end_at`, `id`, NULL FROM `bookings` WHERE `status` IN ('PENDING', 'APPROVED');--> statement-breakpoint
INSERT INTO `allocations` SELECT 'CUSTOMER', `customer_id`, `start_at`, `end_at`, `id`, NULL FROM `bookings` WHERE `status` IN ('PENDING', 'APPROVED');--> statement-breakpoint

-- The guard: nothing is allocated twice at one time. A hold that has expired at the time of the decision (updated_at of
-- the booking) allocates nothing.
CREATE TRIGGER allocations_no_overlap BEFORE INSERT ON allocations
WHEN EXISTS (
  SELECT 1 FROM allocations other
  WHERE other.kind = NEW.kind AND other.resource_id = NEW.resource_id AND other.booking_id <> NEW.booking_id
    AND other.start_at > NEW.start_at - 86400000 AND other.start_at < NEW.end_at AND other.end_at > NEW.start_at
    AND (other.expires_at IS NULL
      OR other.expires_at > coalesce((SELECT updated_at FROM bookings WHERE id = NEW.booking_id), 0))
)
BEGIN
  SELECT CASE NEW.kind
    WHEN 'CAR' THEN RAISE(ABORT, 'slot_taken')
    WHEN 'CUSTOMER' THEN RAISE(ABORT, 'customer_busy')
    ELSE RAISE(ABORT, 'salesperson_busy')
  END;
END;
--> statement-breakpoint
CREATE TRIGGER allocations_are_never_changed BEFORE UPDATE ON allocations
BEGIN SELECT RAISE(ABORT, 'immutable'); END;
--> statement-breakpoint
-- Only a booking that does not need it lets go of an allocation.
CREATE TRIGGER allocations_stay_while_needed BEFORE DELETE ON allocations
WHEN EXISTS (
  SELECT 1 FROM bookings WHERE id = OLD.booking_id AND status IN ('PENDING', 'APPROVED')
    AND held_until IS OLD.expires_at
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
END;
--> statement-breakpoint
CREATE TRIGGER bookings_allocate_on_update AFTER UPDATE OF
  status, start_at, end_at, footprint_start_at, footprint_end_at, held_until ON bookings
WHEN (OLD.status IN ('PENDING', 'APPROVED')) <> (NEW.status IN ('PENDING', 'APPROVED'))
  OR OLD.start_at <> NEW.start_at OR OLD.end_at <> NEW.end_at OR OLD.held_until IS NOT NEW.held_until
  OR OLD.footprint_start_at IS NOT NEW.footprint_start_at OR OLD.footprint_end_at IS NOT NEW.footprint_end_at
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
END;
--> statement-breakpoint
CREATE TRIGGER bookings_allocate_on_delete AFTER DELETE ON bookings
BEGIN
  DELETE FROM allocations WHERE booking_id = OLD.id AND (
    (kind = 'CAR' AND resource_id = OLD.car_id AND start_at = coalesce(OLD.footprint_start_at, OLD.start_at))
    OR (kind = 'CUSTOMER' AND resource_id = OLD.customer_id AND start_at = OLD.start_at)
  );
END;
--> statement-breakpoint

-- Contracts: the guard of allocations refuses whatever these two refused, and knows buffers and holds.
DROP TRIGGER bookings_no_overlap_on_insert;--> statement-breakpoint
-- Contracts: the guard of allocations refuses whatever these two refused, and knows buffers and holds.
DROP TRIGGER bookings_no_overlap_on_update;--> statement-breakpoint

-- A hold is a booking that nobody has confirmed yet. It is confirmed before it ends, by giving up its end, or never. A
-- booking does not become a hold.
CREATE TRIGGER bookings_hold_ends_once BEFORE UPDATE OF held_until ON bookings
WHEN OLD.held_until IS NOT NEW.held_until AND (OLD.held_until IS NULL OR NEW.held_until IS NOT NULL)
BEGIN SELECT RAISE(ABORT, 'illegal_transition'); END;
--> statement-breakpoint
CREATE TRIGGER bookings_hold_confirmed_in_time BEFORE UPDATE ON bookings
WHEN OLD.held_until IS NOT NULL AND NEW.status IN ('PENDING', 'APPROVED') AND NEW.updated_at >= OLD.held_until
BEGIN SELECT RAISE(ABORT, 'hold_expired'); END;
--> statement-breakpoint
CREATE TRIGGER bookings_hold_only_waits BEFORE UPDATE OF status, start_at, end_at ON bookings
WHEN NEW.held_until IS NOT NULL
  AND (NEW.status NOT IN ('PENDING', 'CANCELLED') OR NEW.start_at <> OLD.start_at OR NEW.end_at <> OLD.end_at)
BEGIN SELECT RAISE(ABORT, 'illegal_transition'); END;
--> statement-breakpoint
CREATE INDEX `bookings_held` ON `bookings` (`customer_id`) WHERE "bookings"."held_until" IS NOT NULL AND "bookings"."status" = 'PENDING';--> statement-breakpoint
CREATE TRIGGER bookings_at_most_two_holds BEFORE INSERT ON bookings
WHEN NEW.held_until IS NOT NULL AND (
  SELECT count(*) FROM bookings
  WHERE customer_id = NEW.customer_id AND held_until IS NOT NULL AND status = 'PENDING' AND held_until > NEW.created_at
) >= 2
BEGIN SELECT RAISE(ABORT, 'too_many_holds'); END;
--> statement-breakpoint

-- The cap of 0004, for which a hold that has expired does not count.
-- Contracts: made again below, with one more condition.
DROP TRIGGER booking_caps_hold;--> statement-breakpoint
CREATE TRIGGER booking_caps_hold INSTEAD OF INSERT ON booking_caps
WHEN NOT (
    NEW.most_unverified = 0 AND (SELECT email_verified_at FROM users WHERE id = NEW.customer_id) IS NULL
  ) AND (
    SELECT count(*) FROM bookings
    WHERE customer_id = NEW.customer_id AND start_at > NEW.now - 86400000 AND end_at > NEW.now
      AND status IN ('PENDING', 'APPROVED') AND (held_until IS NULL OR held_until > NEW.now)
  ) > iif(
    (SELECT email_verified_at FROM users WHERE id = NEW.customer_id) IS NULL,
    coalesce(NEW.most_unverified, NEW.most), NEW.most
  )
BEGIN SELECT RAISE(ABORT, 'too_many_bookings'); END;
--> statement-breakpoint

-- A car that moves to another showroom has another schedule: what its coordinator has in memory is out of date.
CREATE TRIGGER cars_move_begins_an_epoch AFTER UPDATE OF showroom_id ON cars
WHEN NEW.showroom_id <> OLD.showroom_id
BEGIN UPDATE calendars SET epoch = epoch + 1 WHERE car_id = NEW.id; END;
--> statement-breakpoint

-- The showroom of a car or booking exists, and showrooms are closed, not deleted.
CREATE TRIGGER cars_showroom_exists_on_insert BEFORE INSERT ON cars
WHEN NOT EXISTS (SELECT 1 FROM showrooms WHERE id = NEW.showroom_id)
BEGIN SELECT RAISE(ABORT, 'unknown_showroom'); END;
--> statement-breakpoint
CREATE TRIGGER cars_showroom_exists_on_update BEFORE UPDATE OF showroom_id ON cars
WHEN NEW.showroom_id <> OLD.showroom_id AND NOT EXISTS (SELECT 1 FROM showrooms WHERE id = NEW.showroom_id)
BEGIN SELECT RAISE(ABORT, 'unknown_showroom'); END;
--> statement-breakpoint
CREATE TRIGGER bookings_keep_their_showroom BEFORE UPDATE OF showroom_id ON bookings
WHEN NEW.showroom_id <> OLD.showroom_id AND NEW.start_at = OLD.start_at
BEGIN SELECT RAISE(ABORT, 'immutable'); END;
--> statement-breakpoint
CREATE TRIGGER showrooms_are_never_deleted BEFORE DELETE ON showrooms
BEGIN SELECT RAISE(ABORT, 'immutable'); END;
--> statement-breakpoint

-- A change of a showroom or of its special hours raises its version, whoever writes it. A commit that was decided by a
-- schedule inserts the version here (which stores nothing), and fails when there is a later one.
CREATE TRIGGER showrooms_version_rises AFTER UPDATE ON showrooms
WHEN NEW.version = OLD.version
BEGIN UPDATE showrooms SET version = OLD.version + 1 WHERE id = NEW.id; END;
--> statement-breakpoint
CREATE TRIGGER special_hours_raise_version_on_insert AFTER INSERT ON special_hours
BEGIN UPDATE showrooms SET version = version + 1 WHERE id = NEW.showroom_id; END;
--> statement-breakpoint
CREATE TRIGGER special_hours_raise_version_on_update AFTER UPDATE ON special_hours
BEGIN UPDATE showrooms SET version = version + 1 WHERE id IN (NEW.showroom_id, OLD.showroom_id); END;
--> statement-breakpoint
CREATE TRIGGER special_hours_raise_version_on_delete AFTER DELETE ON special_hours
BEGIN UPDATE showrooms SET version = version + 1 WHERE id = OLD.showroom_id; END;
--> statement-breakpoint
CREATE VIEW schedule_versions AS SELECT id AS showroom_id, version FROM showrooms;
--> statement-breakpoint
CREATE TRIGGER schedule_versions_are_current INSTEAD OF INSERT ON schedule_versions
WHEN (SELECT version FROM showrooms WHERE id = NEW.showroom_id) IS NOT NEW.version
BEGIN SELECT RAISE(ABORT, 'schedule_changed'); END;
--> statement-breakpoint

-- Somewhere a car can always be booked.
CREATE TRIGGER showrooms_last_active_stays BEFORE UPDATE OF is_active ON showrooms
WHEN OLD.is_active AND NOT NEW.is_active
  AND NOT EXISTS (SELECT 1 FROM showrooms WHERE is_active AND id <> OLD.id)
BEGIN SELECT RAISE(ABORT, 'last_showroom'); END;
--> statement-breakpoint
-- The local days of coming drives rest on the time zone. What is coming is decided by updated_at.
CREATE TRIGGER showrooms_zone_stays_while_booked BEFORE UPDATE OF time_zone ON showrooms
WHEN NEW.time_zone IS NOT OLD.time_zone AND EXISTS (
  SELECT 1 FROM bookings
  WHERE start_at > NEW.updated_at AND showroom_id = OLD.id AND status IN ('PENDING', 'APPROVED')
    AND (held_until IS NULL OR held_until > NEW.updated_at)
)
BEGIN SELECT RAISE(ABORT, 'has_bookings'); END;
--> statement-breakpoint
-- All of them are read with each schedule.
CREATE TRIGGER special_hours_at_most_400 BEFORE INSERT ON special_hours
WHEN (SELECT count(*) FROM special_hours WHERE showroom_id = NEW.showroom_id) >= 400
BEGIN SELECT RAISE(ABORT, 'too_many_special_hours'); END;
--> statement-breakpoint

-- The cars of a showroom, in the order of lists. It holds the status, so that removed cars need not be read.
CREATE INDEX `cars_by_showroom` ON `cars` (`showroom_id`,`created_at`,`id`,`status`);
