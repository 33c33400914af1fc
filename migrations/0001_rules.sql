-- The rules that no CHECK can hold. Each RAISE text is a code that the Worker knows (src/db/violations.ts).

-- No two active bookings of a car overlap, whoever writes them. A booking lasts at most a day (a CHECK), which
-- bounds how far back the index is read.
CREATE TRIGGER bookings_no_overlap_on_insert BEFORE INSERT ON bookings
WHEN NEW.status IN ('PENDING', 'APPROVED') AND EXISTS (
  SELECT 1 FROM bookings other
  WHERE other.car_id = NEW.car_id AND other.status IN ('PENDING', 'APPROVED')
    AND other.start_at > NEW.start_at - 86400000 AND other.start_at < NEW.end_at AND other.end_at > NEW.start_at
)
BEGIN SELECT RAISE(ABORT, 'slot_taken'); END;
--> statement-breakpoint
CREATE TRIGGER bookings_no_overlap_on_update BEFORE UPDATE ON bookings
WHEN NEW.status IN ('PENDING', 'APPROVED') AND EXISTS (
  SELECT 1 FROM bookings other
  WHERE other.car_id = NEW.car_id AND other.status IN ('PENDING', 'APPROVED') AND other.id <> OLD.id
    AND other.start_at > NEW.start_at - 86400000 AND other.start_at < NEW.end_at AND other.end_at > NEW.start_at
)
BEGIN SELECT RAISE(ABORT, 'slot_taken'); END;
--> statement-breakpoint
CREATE TRIGGER bookings_only_of_cars_in_stock BEFORE INSERT ON bookings
WHEN NEW.status IN ('PENDING', 'APPROVED')
  AND (SELECT status FROM cars WHERE id = NEW.car_id) IN ('SOLD', 'REMOVED')
BEGIN SELECT RAISE(ABORT, 'car_not_bookable'); END;
--> statement-breakpoint
CREATE TRIGGER bookings_move_only_of_cars_in_stock BEFORE UPDATE OF start_at, end_at ON bookings
WHEN NEW.start_at <> OLD.start_at
  AND (SELECT status FROM cars WHERE id = NEW.car_id) IN ('SOLD', 'REMOVED')
BEGIN SELECT RAISE(ABORT, 'car_not_bookable'); END;
--> statement-breakpoint
-- The life of a booking. Going back from APPROVED to PENDING is what moving it to another time does.
CREATE TRIGGER bookings_legal_transition BEFORE UPDATE OF status, start_at, end_at ON bookings
WHEN NOT (
  (OLD.status = NEW.status AND OLD.start_at = NEW.start_at AND OLD.end_at = NEW.end_at)
  OR (OLD.status IN ('PENDING', 'APPROVED') AND NEW.status IN (OLD.status, 'PENDING') AND OLD.start_at <> NEW.start_at)
  OR (OLD.status = 'PENDING' AND NEW.status IN ('APPROVED', 'DECLINED', 'CANCELLED') AND OLD.start_at = NEW.start_at)
  OR (OLD.status = 'APPROVED' AND NEW.status IN ('COMPLETED', 'NO_SHOW', 'CANCELLED') AND OLD.start_at = NEW.start_at)
)
BEGIN SELECT RAISE(ABORT, 'illegal_transition'); END;
--> statement-breakpoint
CREATE TRIGGER bookings_keep_their_car_and_customer BEFORE UPDATE OF id, car_id, customer_id ON bookings
WHEN NEW.id <> OLD.id OR NEW.car_id <> OLD.car_id OR NEW.customer_id <> OLD.customer_id
BEGIN SELECT RAISE(ABORT, 'immutable'); END;
--> statement-breakpoint

-- A writer says with every commit which epoch it decided on; an epoch that is over commits nothing.
CREATE TRIGGER calendars_epoch_rises BEFORE UPDATE OF epoch ON calendars
WHEN NEW.epoch <= OLD.epoch
BEGIN SELECT RAISE(ABORT, 'fenced'); END;
--> statement-breakpoint

-- SOLD is what an open sale makes of a car: set by it alone, and kept as long as it is open.
CREATE TRIGGER cars_not_born_sold BEFORE INSERT ON cars
WHEN NEW.status = 'SOLD'
BEGIN SELECT RAISE(ABORT, 'sold_needs_sale'); END;
--> statement-breakpoint
CREATE TRIGGER cars_sold_only_with_open_sale BEFORE UPDATE OF status ON cars
WHEN (NEW.status = 'SOLD') <> EXISTS (SELECT 1 FROM sales WHERE car_id = NEW.id AND voided_at IS NULL)
BEGIN SELECT RAISE(ABORT, 'sold_needs_sale'); END;
--> statement-breakpoint
CREATE TRIGGER sales_only_of_cars_in_stock BEFORE INSERT ON sales
WHEN (SELECT status FROM cars WHERE id = NEW.car_id) IN ('SOLD', 'REMOVED')
BEGIN SELECT RAISE(ABORT, 'car_not_sellable'); END;
--> statement-breakpoint
-- A sale on record does not change; it can be made void, once.
CREATE TRIGGER sales_stay_as_recorded BEFORE UPDATE ON sales
WHEN OLD.voided_at IS NOT NULL
  OR NEW.id <> OLD.id OR NEW.car_id <> OLD.car_id OR NEW.customer_id <> OLD.customer_id
  OR NEW.salesperson_id <> OLD.salesperson_id OR NEW.sale_price_cents <> OLD.sale_price_cents
  OR NEW.currency <> OLD.currency OR NEW.sale_at <> OLD.sale_at OR NEW.created_at <> OLD.created_at
BEGIN SELECT RAISE(ABORT, 'immutable'); END;
--> statement-breakpoint
CREATE TRIGGER sales_are_never_deleted BEFORE DELETE ON sales
BEGIN SELECT RAISE(ABORT, 'immutable'); END;
--> statement-breakpoint
-- The commission ledger is only appended to.
CREATE TRIGGER commissions_are_never_changed BEFORE UPDATE ON commissions
BEGIN SELECT RAISE(ABORT, 'immutable'); END;
--> statement-breakpoint
CREATE TRIGGER commissions_are_never_deleted BEFORE DELETE ON commissions
BEGIN SELECT RAISE(ABORT, 'immutable'); END;
--> statement-breakpoint

-- An e-mail address signs in as well as a username does, so nobody takes as the one what another has as the other.
CREATE TRIGGER users_username_is_nobodys_email_on_insert BEFORE INSERT ON users
WHEN EXISTS (SELECT 1 FROM users other WHERE other.email_key = NEW.username_key)
BEGIN SELECT RAISE(ABORT, 'username_taken'); END;
--> statement-breakpoint
CREATE TRIGGER users_email_is_nobodys_username_on_insert BEFORE INSERT ON users
WHEN EXISTS (SELECT 1 FROM users other WHERE other.username_key = NEW.email_key)
BEGIN SELECT RAISE(ABORT, 'email_taken'); END;
--> statement-breakpoint
CREATE TRIGGER users_username_is_nobodys_email_on_update BEFORE UPDATE OF username_key ON users
WHEN EXISTS (SELECT 1 FROM users other WHERE other.email_key = NEW.username_key AND other.id <> OLD.id)
BEGIN SELECT RAISE(ABORT, 'username_taken'); END;
--> statement-breakpoint
CREATE TRIGGER users_email_is_nobodys_username_on_update BEFORE UPDATE OF email_key ON users
WHEN EXISTS (SELECT 1 FROM users other WHERE other.username_key = NEW.email_key AND other.id <> OLD.id)
BEGIN SELECT RAISE(ABORT, 'email_taken'); END;
--> statement-breakpoint

-- Somebody must be able to let people in: the last active ADMIN stays.
CREATE TRIGGER users_last_admin_stays BEFORE UPDATE OF role, is_active ON users
WHEN OLD.role = 'ADMIN' AND OLD.is_active = 1 AND NOT (NEW.role = 'ADMIN' AND NEW.is_active = 1)
  AND NOT EXISTS (SELECT 1 FROM users other WHERE other.role = 'ADMIN' AND other.is_active = 1 AND other.id <> OLD.id)
BEGIN SELECT RAISE(ABORT, 'last_admin'); END;
--> statement-breakpoint
CREATE TRIGGER users_last_admin_is_not_deleted BEFORE DELETE ON users
WHEN OLD.role = 'ADMIN' AND OLD.is_active = 1
  AND NOT EXISTS (SELECT 1 FROM users other WHERE other.role = 'ADMIN' AND other.is_active = 1 AND other.id <> OLD.id)
BEGIN SELECT RAISE(ABORT, 'last_admin'); END;
--> statement-breakpoint

-- Who may ask for something now. A write that inserts its caller here (which stores nothing) fails for anybody else,
-- so that it need not ask before it begins.
CREATE VIEW signed_in AS
SELECT users.id AS user_id, sessions.id AS session_id, users.role AS role
FROM users JOIN sessions ON sessions.user_id = users.id
WHERE users.is_active = 1 AND sessions.ended_at IS NULL;
--> statement-breakpoint
CREATE TRIGGER signed_in_callers_only INSTEAD OF INSERT ON signed_in
WHEN NOT EXISTS (
  SELECT 1 FROM signed_in WHERE user_id = NEW.user_id AND session_id = NEW.session_id AND role = NEW.role
)
BEGIN SELECT RAISE(ABORT, 'not_signed_in'); END;
--> statement-breakpoint

-- The counts of the stock (car_counts). The view says what a car counts as; the triggers keep the sums. An update
-- takes the car away as it was and adds it as it is. Should the table of cars ever be rebuilt, make these again, and
-- fill car_counts anew by counting the view.
CREATE VIEW car_count_keys AS
  SELECT cars.id, cars.status, counted.key AS facet, counted.value AS value,
    CASE counted.key WHEN 'make' THEN cars.make WHEN 'model' THEN cars.model ELSE '' END AS label
  FROM cars, json_each(json_object(
    'status', cars.status, 'make', cars.make_key, 'model', cars.model_key, 'year', cars.year,
    'fuel_type', cars.fuel_type, 'body_type', cars.body_type, 'transmission', cars.transmission,
    'drive_type', cars.drive_type, 'location', cars.location,
    'created_at_step', cars.created_at / 86400000,
    'mileage_step', cars.mileage / 1000,
    'price_step', coalesce(cars.discount_price_cents, cars.base_price_cents) / 50000,
    'base_price_step', cars.base_price_cents / 50000,
    'discount_price_step', coalesce(cars.discount_price_cents / 50000, -1)
  )) counted
  WHERE counted.type <> 'null';
--> statement-breakpoint
CREATE TRIGGER car_counts_on_insert AFTER INSERT ON cars
BEGIN
  INSERT INTO car_counts (facet, value, status, label, n)
  SELECT facet, value, status, label, 1 FROM car_count_keys WHERE id = NEW.id
  ON CONFLICT DO UPDATE SET n = n + 1, label = excluded.label;
END;
--> statement-breakpoint
CREATE TRIGGER car_counts_before_update BEFORE UPDATE OF status, make, make_key, model, model_key, year, fuel_type,
  body_type, transmission, drive_type, location, created_at, mileage, base_price_cents, discount_price_cents ON cars
BEGIN
  UPDATE car_counts SET n = n - 1
  FROM (SELECT facet, value, status FROM car_count_keys WHERE id = OLD.id) was
  WHERE car_counts.facet = was.facet AND car_counts.value = was.value AND car_counts.status = was.status;
END;
--> statement-breakpoint
CREATE TRIGGER car_counts_after_update AFTER UPDATE OF status, make, make_key, model, model_key, year, fuel_type,
  body_type, transmission, drive_type, location, created_at, mileage, base_price_cents, discount_price_cents ON cars
BEGIN
  INSERT INTO car_counts (facet, value, status, label, n)
  SELECT facet, value, status, label, 1 FROM car_count_keys WHERE id = NEW.id
  ON CONFLICT DO UPDATE SET n = n + 1, label = excluded.label;
END;
--> statement-breakpoint
CREATE TRIGGER car_counts_on_delete BEFORE DELETE ON cars
BEGIN
  UPDATE car_counts SET n = n - 1
  FROM (SELECT facet, value, status FROM car_count_keys WHERE id = OLD.id) was
  WHERE car_counts.facet = was.facet AND car_counts.value = was.value AND car_counts.status = was.status;
END;
--> statement-breakpoint

-- The words of each car, for the full-text search. The table keeps only the index and reads the text from cars;
-- should cars ever be rebuilt, make the triggers again and run INSERT INTO cars_search (cars_search) VALUES ('rebuild').
CREATE VIRTUAL TABLE cars_search USING fts5(
  make, model, year, color, fuel_type, body_type, transmission, drive_type, vin, description,
  content = 'cars', content_rowid = 'rowid', tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3', detail = 'full'
);
--> statement-breakpoint
CREATE TRIGGER cars_search_on_insert AFTER INSERT ON cars
BEGIN
  INSERT INTO cars_search (rowid, make, model, year, color, fuel_type, body_type, transmission, drive_type, vin, description)
  VALUES (NEW.rowid, NEW.make, NEW.model, NEW.year, NEW.color, NEW.fuel_type, NEW.body_type, NEW.transmission,
    NEW.drive_type, NEW.vin, NEW.description);
END;
--> statement-breakpoint
CREATE TRIGGER cars_search_on_update AFTER UPDATE OF make, model, year, color, fuel_type, body_type, transmission,
  drive_type, vin, description ON cars
BEGIN
  INSERT INTO cars_search (cars_search, rowid, make, model, year, color, fuel_type, body_type, transmission, drive_type, vin, description)
  VALUES ('delete', OLD.rowid, OLD.make, OLD.model, OLD.year, OLD.color, OLD.fuel_type, OLD.body_type, OLD.transmission,
    OLD.drive_type, OLD.vin, OLD.description);
  INSERT INTO cars_search (rowid, make, model, year, color, fuel_type, body_type, transmission, drive_type, vin, description)
  VALUES (NEW.rowid, NEW.make, NEW.model, NEW.year, NEW.color, NEW.fuel_type, NEW.body_type, NEW.transmission,
    NEW.drive_type, NEW.vin, NEW.description);
END;
--> statement-breakpoint
CREATE TRIGGER cars_search_on_delete AFTER DELETE ON cars
BEGIN
  INSERT INTO cars_search (cars_search, rowid, make, model, year, color, fuel_type, body_type, transmission, drive_type, vin, description)
  VALUES ('delete', OLD.rowid, OLD.make, OLD.model, OLD.year, OLD.color, OLD.fuel_type, OLD.body_type, OLD.transmission,
    OLD.drive_type, OLD.vin, OLD.description);
END;
