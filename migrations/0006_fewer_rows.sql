-- Each index that a booking is written to is a row written, which costs as much as a thousand rows read. The bookings of a
-- car have another index, from which the active ones are read as well.
DROP INDEX `bookings_active`;--> statement-breakpoint
-- One index for the reader and the booking in place of two.
DROP INDEX `notifications_booking`;--> statement-breakpoint
DROP INDEX `notifications_user`;--> statement-breakpoint
CREATE INDEX `notifications_reader` ON `notifications` (`user_id`,`booking_id`);--> statement-breakpoint

-- The counts of the stock: an update of a car moves it only from and to the counts that it changes. The triggers of 0001
-- took it from all its counts and added it to all. The list below is that of the view car_count_keys (0001): change both
-- together. `was` and `now` are a car's values, with the label for a value that has one.
-- Contracts: made again below, as one trigger.
DROP TRIGGER car_counts_before_update;--> statement-breakpoint
-- Contracts: made again below.
DROP TRIGGER car_counts_after_update;--> statement-breakpoint
CREATE VIEW car_count_moves AS
  SELECT '' AS facet, '' AS was, '' AS was_status, '' AS was_label, '' AS now, '' AS now_status, '' AS now_label
  WHERE FALSE;
--> statement-breakpoint
CREATE TRIGGER car_count_moves_count INSTEAD OF INSERT ON car_count_moves
BEGIN
  UPDATE car_counts SET n = n - 1
  WHERE facet = NEW.facet AND value = NEW.was AND status = NEW.was_status;
  INSERT INTO car_counts (facet, value, status, label, n)
  SELECT NEW.facet, NEW.now, NEW.now_status, NEW.now_label, 1 WHERE NEW.now IS NOT NULL
  ON CONFLICT DO UPDATE SET n = n + 1, label = excluded.label;
END;
--> statement-breakpoint
CREATE TRIGGER car_counts_on_update AFTER UPDATE OF status, make, make_key, model, model_key, year, fuel_type,
  body_type, transmission, drive_type, location, created_at, mileage, base_price_cents, discount_price_cents ON cars
BEGIN
  INSERT INTO car_count_moves (facet, was, was_status, was_label, now, now_status, now_label)
  SELECT * FROM (
    SELECT value ->> 0 AS facet, value ->> 1 AS was, OLD.status AS was_status, coalesce(value ->> 3, '') AS was_label,
      value ->> 2 AS now, NEW.status AS now_status, coalesce(value ->> 4, '') AS now_label
    FROM json_each(json_array(
      json_array('status', OLD.status, NEW.status),
      json_array('make', OLD.make_key, NEW.make_key, OLD.make, NEW.make),
      json_array('model', OLD.model_key, NEW.model_key, OLD.model, NEW.model),
      json_array('year', OLD.year, NEW.year),
      json_array('fuel_type', OLD.fuel_type, NEW.fuel_type),
      json_array('body_type', OLD.body_type, NEW.body_type),
      json_array('transmission', OLD.transmission, NEW.transmission),
      json_array('drive_type', OLD.drive_type, NEW.drive_type),
      json_array('location', OLD.location, NEW.location),
      json_array('created_at_step', OLD.created_at / 86400000, NEW.created_at / 86400000),
      json_array('mileage_step', OLD.mileage / 1000, NEW.mileage / 1000),
      json_array('price_step', coalesce(OLD.discount_price_cents, OLD.base_price_cents) / 50000,
        coalesce(NEW.discount_price_cents, NEW.base_price_cents) / 50000),
      json_array('base_price_step', OLD.base_price_cents / 50000, NEW.base_price_cents / 50000),
      json_array('discount_price_step', coalesce(OLD.discount_price_cents / 50000, -1),
        coalesce(NEW.discount_price_cents / 50000, -1))
    ))
  )
  WHERE (was, was_status, was_label) IS NOT (now, now_status, now_label);
END;
