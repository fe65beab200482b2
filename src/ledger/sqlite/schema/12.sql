-- Names the lease of a job, so that its holder is known by more than an instant.
ALTER TABLE errands ADD COLUMN lease INTEGER;
UPDATE errands SET lease = taken_until;
