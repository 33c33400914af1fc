CREATE TABLE `bookings` (
	`id` text PRIMARY KEY NOT NULL,
	`car_id` text NOT NULL,
	`customer_id` text NOT NULL,
	`start_at` integer NOT NULL,
	`end_at` integer NOT NULL,
	`status` text DEFAULT 'PENDING' NOT NULL,
	`notes` text DEFAULT '' NOT NULL,
	`handled_by` text,
	`sequence` integer DEFAULT 0 NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	FOREIGN KEY (`car_id`) REFERENCES `cars`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`customer_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`handled_by`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE no action,
	CONSTRAINT "bookings_status_known" CHECK("bookings"."status" IN ('PENDING', 'APPROVED', 'DECLINED', 'CANCELLED', 'COMPLETED', 'NO_SHOW')),
	CONSTRAINT "bookings_end_after_start" CHECK("bookings"."end_at" > "bookings"."start_at"),
	CONSTRAINT "bookings_at_most_a_day" CHECK("bookings"."end_at" - "bookings"."start_at" <= 86400000),
	CONSTRAINT "bookings_notes_length" CHECK(length("bookings"."notes") <= 2000)
);
--> statement-breakpoint
CREATE INDEX `bookings_active` ON `bookings` (`car_id`,`start_at`,`end_at`) WHERE "bookings"."status" IN ('PENDING', 'APPROVED');--> statement-breakpoint
CREATE INDEX `bookings_customer` ON `bookings` (`customer_id`,`start_at`,`id`);--> statement-breakpoint
CREATE INDEX `bookings_car` ON `bookings` (`car_id`,`start_at`,`id`);--> statement-breakpoint
CREATE INDEX `bookings_start` ON `bookings` (`start_at`,`id`);--> statement-breakpoint
CREATE INDEX `bookings_handled` ON `bookings` (`handled_by`,`start_at`) WHERE "bookings"."status" = 'COMPLETED';--> statement-breakpoint
CREATE TABLE `calendars` (
	`car_id` text PRIMARY KEY NOT NULL,
	`epoch` integer NOT NULL,
	FOREIGN KEY (`car_id`) REFERENCES `cars`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE TABLE `car_counts` (
	`facet` text NOT NULL,
	`value` blob NOT NULL,
	`status` text NOT NULL,
	`label` text NOT NULL,
	`n` integer NOT NULL,
	PRIMARY KEY(`facet`, `value`, `status`),
	CONSTRAINT "car_counts_n_not_negative" CHECK("car_counts"."n" >= 0)
);
--> statement-breakpoint
CREATE TABLE `car_photos` (
	`id` text PRIMARY KEY NOT NULL,
	`car_id` text NOT NULL,
	`key` text NOT NULL,
	`thumbnail_key` text NOT NULL,
	`content_type` text NOT NULL,
	`width` integer NOT NULL,
	`height` integer NOT NULL,
	`alt_text` text DEFAULT '' NOT NULL,
	`sort_order` integer NOT NULL,
	`is_primary` integer DEFAULT false NOT NULL,
	`created_at` integer NOT NULL,
	FOREIGN KEY (`car_id`) REFERENCES `cars`(`id`) ON UPDATE no action ON DELETE no action,
	CONSTRAINT "car_photos_is_primary_boolean" CHECK("car_photos"."is_primary" BETWEEN 0 AND 1),
	CONSTRAINT "car_photos_size" CHECK("car_photos"."width" > 0 AND "car_photos"."height" > 0),
	CONSTRAINT "car_photos_alt_text_length" CHECK(length("car_photos"."alt_text") <= 255)
);
--> statement-breakpoint
CREATE UNIQUE INDEX `car_photos_one_primary` ON `car_photos` (`car_id`) WHERE "car_photos"."is_primary" = 1;--> statement-breakpoint
CREATE INDEX `car_photos_order` ON `car_photos` (`car_id`,`sort_order`,`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `car_photos_key` ON `car_photos` (`key`);--> statement-breakpoint
CREATE TABLE `cars` (
	`id` text PRIMARY KEY NOT NULL,
	`vin` text NOT NULL,
	`make` text NOT NULL,
	`make_key` text NOT NULL,
	`model` text NOT NULL,
	`model_key` text NOT NULL,
	`year` integer NOT NULL,
	`mileage` integer NOT NULL,
	`fuel_type` text NOT NULL,
	`transmission` text NOT NULL,
	`color` text NOT NULL,
	`body_type` text NOT NULL,
	`engine_cc` integer,
	`doors` integer,
	`seats` integer,
	`drive_type` text,
	`base_price_cents` integer NOT NULL,
	`discount_price_cents` integer,
	`price_cents` integer GENERATED ALWAYS AS (coalesce(discount_price_cents, base_price_cents)) STORED NOT NULL,
	`discount_rank` integer GENERATED ALWAYS AS (coalesce(discount_price_cents, -1)) STORED NOT NULL,
	`currency` text NOT NULL,
	`status` text DEFAULT 'AVAILABLE' NOT NULL,
	`location` text DEFAULT 'SHOWROOM' NOT NULL,
	`description` text DEFAULT '' NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`version` integer DEFAULT 1 NOT NULL,
	CONSTRAINT "cars_vin_form" CHECK("cars"."vin" = upper("cars"."vin") AND length("cars"."vin") BETWEEN 1 AND 32),
	CONSTRAINT "cars_make_length" CHECK(length("cars"."make") BETWEEN 1 AND 50),
	CONSTRAINT "cars_model_length" CHECK(length("cars"."model") BETWEEN 1 AND 50),
	CONSTRAINT "cars_color_length" CHECK(length("cars"."color") <= 30),
	CONSTRAINT "cars_year_range" CHECK("cars"."year" BETWEEN 1886 AND 2200),
	CONSTRAINT "cars_mileage_range" CHECK("cars"."mileage" BETWEEN 0 AND 10000000),
	CONSTRAINT "cars_fuel_type_known" CHECK("cars"."fuel_type" IN ('PETROL', 'DIESEL', 'HYBRID', 'ELECTRIC', 'CNG', 'LPG')),
	CONSTRAINT "cars_transmission_known" CHECK("cars"."transmission" IN ('MANUAL', 'AUTOMATIC', 'CVT', 'DUAL_CLUTCH')),
	CONSTRAINT "cars_body_type_known" CHECK("cars"."body_type" IN ('SEDAN', 'HATCHBACK', 'SUV', 'COUPE', 'CONVERTIBLE', 'WAGON', 'VAN', 'PICKUP', 'OTHER')),
	CONSTRAINT "cars_drive_type_known" CHECK("cars"."drive_type" IN ('FWD', 'RWD', 'AWD', '4WD')),
	CONSTRAINT "cars_status_known" CHECK("cars"."status" IN ('AVAILABLE', 'RESERVED', 'SOLD', 'REMOVED')),
	CONSTRAINT "cars_location_known" CHECK("cars"."location" IN ('SHOWROOM', 'WAREHOUSE')),
	CONSTRAINT "cars_engine_cc_range" CHECK("cars"."engine_cc" BETWEEN 0 AND 100000),
	CONSTRAINT "cars_doors_range" CHECK("cars"."doors" BETWEEN 0 AND 20),
	CONSTRAINT "cars_seats_range" CHECK("cars"."seats" BETWEEN 0 AND 200),
	CONSTRAINT "cars_base_price_range" CHECK("cars"."base_price_cents" BETWEEN 0 AND 999999999999),
	CONSTRAINT "cars_discount_price_range" CHECK("cars"."discount_price_cents" BETWEEN 0 AND "cars"."base_price_cents"),
	CONSTRAINT "cars_version_positive" CHECK("cars"."version" > 0),
	CONSTRAINT "cars_currency_form" CHECK("cars"."currency" GLOB '[A-Z][A-Z][A-Z]')
);
--> statement-breakpoint
CREATE UNIQUE INDEX `cars_vin` ON `cars` (`vin`);--> statement-breakpoint
CREATE INDEX `cars_by_created` ON `cars` (`created_at`,`id`,`status`,`make_key`,`model_key`,`year`,`mileage`,`price_cents`,`fuel_type`,`body_type`,`transmission`,`drive_type`,`location`);--> statement-breakpoint
CREATE INDEX `cars_by_year` ON `cars` (`year`,`id`,`created_at`,`status`,`make_key`,`model_key`,`mileage`,`price_cents`,`fuel_type`,`body_type`,`transmission`,`drive_type`,`location`);--> statement-breakpoint
CREATE INDEX `cars_by_mileage` ON `cars` (`mileage`,`id`,`created_at`,`status`,`make_key`,`model_key`,`year`,`price_cents`,`fuel_type`,`body_type`,`transmission`,`drive_type`,`location`);--> statement-breakpoint
CREATE INDEX `cars_by_price` ON `cars` (`price_cents`,`id`,`created_at`,`status`,`make_key`,`model_key`,`year`,`mileage`,`fuel_type`,`body_type`,`transmission`,`drive_type`,`location`);--> statement-breakpoint
CREATE INDEX `cars_by_base_price` ON `cars` (`base_price_cents`,`id`,`created_at`,`status`,`make_key`,`model_key`,`year`,`mileage`,`price_cents`,`fuel_type`,`body_type`,`transmission`,`drive_type`,`location`);--> statement-breakpoint
CREATE INDEX `cars_by_discount_price` ON `cars` (`discount_rank`,`id`,`created_at`,`status`,`make_key`,`model_key`,`year`,`mileage`,`price_cents`,`fuel_type`,`body_type`,`transmission`,`drive_type`,`location`);--> statement-breakpoint
CREATE INDEX `cars_by_make` ON `cars` (`make_key`,`created_at`,`id`,`status`,`model_key`,`year`,`mileage`,`price_cents`,`fuel_type`,`body_type`,`transmission`,`drive_type`,`location`);--> statement-breakpoint
CREATE INDEX `cars_by_model` ON `cars` (`model_key`,`created_at`,`id`,`status`,`make_key`,`year`,`mileage`,`price_cents`,`fuel_type`,`body_type`,`transmission`,`drive_type`,`location`);--> statement-breakpoint
CREATE INDEX `cars_by_fuel_type` ON `cars` (`fuel_type`,`created_at`,`id`,`status`,`make_key`,`model_key`,`year`,`mileage`,`price_cents`,`body_type`,`transmission`,`drive_type`,`location`);--> statement-breakpoint
CREATE INDEX `cars_by_body_type` ON `cars` (`body_type`,`created_at`,`id`,`status`,`make_key`,`model_key`,`year`,`mileage`,`price_cents`,`fuel_type`,`transmission`,`drive_type`,`location`);--> statement-breakpoint
CREATE INDEX `cars_by_transmission` ON `cars` (`transmission`,`created_at`,`id`,`status`,`make_key`,`model_key`,`year`,`mileage`,`price_cents`,`fuel_type`,`body_type`,`drive_type`,`location`);--> statement-breakpoint
CREATE INDEX `cars_by_drive_type` ON `cars` (`drive_type`,`created_at`,`id`,`status`,`make_key`,`model_key`,`year`,`mileage`,`price_cents`,`fuel_type`,`body_type`,`transmission`,`location`);--> statement-breakpoint
CREATE TABLE `commissions` (
	`id` text PRIMARY KEY NOT NULL,
	`sale_id` text NOT NULL,
	`salesperson_id` text NOT NULL,
	`rate` integer NOT NULL,
	`amount_cents` integer NOT NULL,
	`reverses` text,
	`created_at` integer NOT NULL,
	FOREIGN KEY (`sale_id`) REFERENCES `sales`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`salesperson_id`) REFERENCES `staff_profiles`(`user_id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`reverses`) REFERENCES `commissions`(`id`) ON UPDATE no action ON DELETE no action,
	CONSTRAINT "commissions_rate_range" CHECK("commissions"."rate" BETWEEN 0 AND 10000),
	CONSTRAINT "commissions_amount_sign" CHECK(("commissions"."reverses" IS NULL AND "commissions"."amount_cents" >= 0) OR ("commissions"."reverses" IS NOT NULL AND "commissions"."amount_cents" <= 0))
);
--> statement-breakpoint
CREATE UNIQUE INDEX `commissions_one_per_sale` ON `commissions` (`sale_id`) WHERE "commissions"."reverses" IS NULL;--> statement-breakpoint
CREATE UNIQUE INDEX `commissions_one_reversal` ON `commissions` (`reverses`);--> statement-breakpoint
CREATE INDEX `commissions_salesperson` ON `commissions` (`salesperson_id`,`created_at`);--> statement-breakpoint
CREATE TABLE `idempotency_keys` (
	`id` text PRIMARY KEY NOT NULL,
	`fingerprint` text NOT NULL,
	`status` integer NOT NULL,
	`body` text NOT NULL,
	`location` text,
	`created_at` integer NOT NULL,
	CONSTRAINT "idempotency_keys_status_range" CHECK("idempotency_keys"."status" BETWEEN 200 AND 299)
);
--> statement-breakpoint
CREATE INDEX `idempotency_keys_age` ON `idempotency_keys` (`created_at`);--> statement-breakpoint
CREATE TABLE `loose_objects` (
	`key` text PRIMARY KEY NOT NULL,
	`doomed` integer DEFAULT false NOT NULL,
	`since` integer NOT NULL,
	CONSTRAINT "loose_objects_doomed_boolean" CHECK("loose_objects"."doomed" BETWEEN 0 AND 1)
);
--> statement-breakpoint
CREATE INDEX `loose_objects_age` ON `loose_objects` (`since`);--> statement-breakpoint
CREATE TABLE `notifications` (
	`id` text PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`recipient` text NOT NULL,
	`user_id` text,
	`booking_id` text,
	`sale_id` text,
	`facts` text NOT NULL,
	`status` text DEFAULT 'PENDING' NOT NULL,
	`attempts` integer DEFAULT 0 NOT NULL,
	`last_error` text,
	`created_at` integer NOT NULL,
	`next_attempt_at` integer NOT NULL,
	`sent_at` integer,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`booking_id`) REFERENCES `bookings`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`sale_id`) REFERENCES `sales`(`id`) ON UPDATE no action ON DELETE no action,
	CONSTRAINT "notifications_kind_known" CHECK("notifications"."kind" IN ('booking_received', 'booking_approved', 'booking_declined', 'booking_cancelled', 'booking_rescheduled', 'booking_reminder', 'sale_confirmed', 'password_reset', 'staff_booking')),
	CONSTRAINT "notifications_status_known" CHECK("notifications"."status" IN ('PENDING', 'SENT', 'FAILED')),
	CONSTRAINT "notifications_attempts_range" CHECK("notifications"."attempts" >= 0),
	CONSTRAINT "notifications_sent_at_goes_with_sent" CHECK(("notifications"."status" = 'SENT') = ("notifications"."sent_at" IS NOT NULL))
);
--> statement-breakpoint
CREATE INDEX `notifications_booking` ON `notifications` (`booking_id`);--> statement-breakpoint
CREATE INDEX `notifications_sale` ON `notifications` (`sale_id`);--> statement-breakpoint
CREATE INDEX `notifications_status` ON `notifications` (`status`,`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `notifications_one_reminder` ON `notifications` (`booking_id`,"facts" ->> '$.startAt') WHERE "notifications"."kind" = 'booking_reminder';--> statement-breakpoint
CREATE TABLE `password_resets` (
	`token_hash` text PRIMARY KEY NOT NULL,
	`user_id` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`used_at` integer,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `password_resets_user` ON `password_resets` (`user_id`);--> statement-breakpoint
CREATE INDEX `password_resets_expiry` ON `password_resets` (`expires_at`);--> statement-breakpoint
CREATE TABLE `refresh_tokens` (
	`token_hash` text PRIMARY KEY NOT NULL,
	`session_id` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`spent_at` integer,
	FOREIGN KEY (`session_id`) REFERENCES `sessions`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `refresh_tokens_session` ON `refresh_tokens` (`session_id`);--> statement-breakpoint
CREATE INDEX `refresh_tokens_expiry` ON `refresh_tokens` (`expires_at`);--> statement-breakpoint
CREATE TABLE `sales` (
	`id` text PRIMARY KEY NOT NULL,
	`car_id` text NOT NULL,
	`customer_id` text NOT NULL,
	`salesperson_id` text NOT NULL,
	`sale_price_cents` integer NOT NULL,
	`currency` text NOT NULL,
	`payment_method` text NOT NULL,
	`sale_at` integer NOT NULL,
	`contract_number` text DEFAULT '' NOT NULL,
	`remarks` text DEFAULT '' NOT NULL,
	`created_at` integer NOT NULL,
	`voided_at` integer,
	`void_reason` text,
	`voided_by` text,
	FOREIGN KEY (`car_id`) REFERENCES `cars`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`customer_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`salesperson_id`) REFERENCES `staff_profiles`(`user_id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`voided_by`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE no action,
	CONSTRAINT "sales_price_range" CHECK("sales"."sale_price_cents" BETWEEN 1 AND 999999999999),
	CONSTRAINT "sales_currency_form" CHECK("sales"."currency" GLOB '[A-Z][A-Z][A-Z]'),
	CONSTRAINT "sales_payment_method_known" CHECK("sales"."payment_method" IN ('CASH', 'CARD', 'FINANCING', 'BANK_TRANSFER', 'OTHER')),
	CONSTRAINT "sales_void_is_whole" CHECK(("sales"."voided_at" IS NULL) = ("sales"."void_reason" IS NULL) AND ("sales"."voided_at" IS NULL) = ("sales"."voided_by" IS NULL))
);
--> statement-breakpoint
CREATE UNIQUE INDEX `sales_one_open_per_car` ON `sales` (`car_id`) WHERE "sales"."voided_at" IS NULL;--> statement-breakpoint
CREATE INDEX `sales_when` ON `sales` (`sale_at`,`id`);--> statement-breakpoint
CREATE INDEX `sales_salesperson` ON `sales` (`salesperson_id`,`sale_at`,`id`);--> statement-breakpoint
CREATE INDEX `sales_customer` ON `sales` (`customer_id`);--> statement-breakpoint
CREATE TABLE `sessions` (
	`id` text PRIMARY KEY NOT NULL,
	`user_id` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`ended_at` integer,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `sessions_user` ON `sessions` (`user_id`);--> statement-breakpoint
CREATE INDEX `sessions_expiry` ON `sessions` (`expires_at`);--> statement-breakpoint
CREATE TABLE `staff_profiles` (
	`id` text PRIMARY KEY NOT NULL,
	`user_id` text NOT NULL,
	`salary_cents` integer NOT NULL,
	`commission_rate` integer NOT NULL,
	`hire_date` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE no action,
	CONSTRAINT "staff_profiles_salary_range" CHECK("staff_profiles"."salary_cents" BETWEEN 0 AND 999999999999),
	CONSTRAINT "staff_profiles_rate_range" CHECK("staff_profiles"."commission_rate" BETWEEN 0 AND 10000),
	CONSTRAINT "staff_profiles_hire_date_form" CHECK("staff_profiles"."hire_date" GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]')
);
--> statement-breakpoint
CREATE UNIQUE INDEX `staff_profiles_user` ON `staff_profiles` (`user_id`);--> statement-breakpoint
CREATE TABLE `users` (
	`id` text PRIMARY KEY NOT NULL,
	`username` text NOT NULL,
	`username_key` text NOT NULL,
	`email` text,
	`email_key` text,
	`password_hash` text NOT NULL,
	`first_name` text DEFAULT '' NOT NULL,
	`last_name` text DEFAULT '' NOT NULL,
	`phone` text DEFAULT '' NOT NULL,
	`role` text DEFAULT 'CUSTOMER' NOT NULL,
	`is_active` integer DEFAULT true NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	CONSTRAINT "users_role_known" CHECK("users"."role" IN ('ADMIN', 'SALES', 'CUSTOMER')),
	CONSTRAINT "users_is_active_boolean" CHECK("users"."is_active" BETWEEN 0 AND 1),
	CONSTRAINT "users_username_length" CHECK(length("users"."username") BETWEEN 1 AND 150),
	CONSTRAINT "users_email_key_goes_with_email" CHECK(("users"."email" IS NULL) = ("users"."email_key" IS NULL))
);
--> statement-breakpoint
CREATE UNIQUE INDEX `users_username_key` ON `users` (`username_key`);--> statement-breakpoint
CREATE UNIQUE INDEX `users_email_key` ON `users` (`email_key`);--> statement-breakpoint
CREATE INDEX `users_role` ON `users` (`role`,`is_active`);