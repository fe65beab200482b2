-- How an exchange went over the wire, and which of its bodies are in base64. Unknown of older rows, whose bodies are text.
ALTER TABLE exchanges ADD COLUMN http_version TEXT NOT NULL DEFAULT '';
ALTER TABLE exchanges ADD COLUMN response_wire INTEGER;
ALTER TABLE exchanges ADD COLUMN request_base64 INTEGER NOT NULL DEFAULT 0;
ALTER TABLE exchanges ADD COLUMN response_base64 INTEGER NOT NULL DEFAULT 0;
