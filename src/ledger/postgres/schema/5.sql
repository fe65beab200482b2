-- To how many attempts of a job the provider has answered "not found".
ALTER TABLE jobs ADD COLUMN not_found BIGINT NOT NULL DEFAULT 0;
