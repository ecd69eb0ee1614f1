-- Waves and re-runs of operations, and where each execution was started.

-- JSON: how many targets each wave has, in the order of `targets`; null when all run at once.
ALTER TABLE operations ADD COLUMN waves TEXT;
-- A wave that ends with more failed targets than this is the last one.
ALTER TABLE operations ADD COLUMN max_failures INTEGER NOT NULL DEFAULT 0 CHECK (max_failures >= 0);
-- The operation that this one repeats in part. No reference: it says so also when that one is gone.
ALTER TABLE operations ADD COLUMN retry_of INTEGER;

-- Where the run was started: a sync may give the link another address while it is under way, and
-- the run is not there. `jump` is a link's id.
ALTER TABLE operation_logs ADD COLUMN host TEXT;
ALTER TABLE operation_logs ADD COLUMN port INTEGER CHECK (port BETWEEN 1 AND 65535);
ALTER TABLE operation_logs ADD COLUMN user TEXT;
ALTER TABLE operation_logs ADD COLUMN jump TEXT;
