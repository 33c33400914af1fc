-- How many active bookings a customer may have at the same time. A commit that creates a booking inserts the customer and
-- the cap here (which stores nothing) after the booking, and fails when there are more. A booking lasts at most a day,
-- which bounds how far back the index is read.
CREATE VIEW booking_caps AS SELECT '' AS customer_id, 0 AS most, 0 AS now WHERE FALSE;
--> statement-breakpoint
CREATE TRIGGER booking_caps_hold INSTEAD OF INSERT ON booking_caps
WHEN (
  SELECT count(*) FROM bookings
  WHERE customer_id = NEW.customer_id AND start_at > NEW.now - 86400000 AND end_at > NEW.now
    AND status IN ('PENDING', 'APPROVED')
) > NEW.most
BEGIN SELECT RAISE(ABORT, 'too_many_bookings'); END;
