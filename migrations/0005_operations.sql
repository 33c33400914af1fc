CREATE TABLE `job_runs` (
	`job` text PRIMARY KEY NOT NULL,
	`finished_at` integer NOT NULL,
	`ms` integer NOT NULL,
	`result` text NOT NULL
);
--> statement-breakpoint
ALTER TABLE `notifications` ADD `request_id` text;