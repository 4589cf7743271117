-- Up Migration
-- Where the primary is in its history (docs/adr/0015). A region compares each heartbeat with the one before it.

-- epoch: grows when the primary becomes another server or loses changes. nonce: the name of the epoch. counter: grows by 1 with
-- each heartbeat, also into the next epoch. sequence: position of the sequence of versions.
ALTER TABLE heartbeat
  ADD COLUMN epoch integer NOT NULL DEFAULT 0,
  ADD COLUMN nonce text NOT NULL DEFAULT '',
  ADD COLUMN counter bigint NOT NULL DEFAULT 0,
  ADD COLUMN sequence bigint NOT NULL DEFAULT 0;
