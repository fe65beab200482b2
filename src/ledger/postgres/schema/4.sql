-- The jobs that failed for good, which an operator is shown however old they are.
CREATE INDEX jobs_failed ON jobs (account_key, delivery) WHERE due_at IS NULL AND done = 0;

-- The hooks that failed, which a console reads whenever another program has saved something.
CREATE INDEX hook_runs_failed ON hook_runs (profile, at) WHERE failure IS NOT NULL;
