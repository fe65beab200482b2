-- The jobs that failed for good, which an operator is shown however old they are.
CREATE INDEX jobs_failed ON jobs (account_key, delivery) WHERE due_at IS NULL AND done = 0;
