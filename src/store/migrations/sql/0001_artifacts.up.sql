-- Blobs in chunks under their SHA-256, and which circuit id stands for which manifest.
--
-- A blob is written chunk by chunk and becomes complete last; only a complete one is ever read. Chunks are stored
-- uncompressed: keys and field elements do not compress.

CREATE TABLE blobs (
  digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
  bytes bigint NOT NULL CHECK (bytes >= 0),
  complete boolean NOT NULL DEFAULT false,
  created_at timestamptz(3) NOT NULL DEFAULT now()
);

CREATE TABLE blob_chunks (
  digest bytea NOT NULL REFERENCES blobs (digest) ON DELETE CASCADE,
  seq integer NOT NULL CHECK (seq >= 0),
  -- 256 KiB; every chunk but the last is full.
  content bytea NOT NULL CHECK (octet_length(content) BETWEEN 1 AND 262144),
  PRIMARY KEY (digest, seq)
);
ALTER TABLE blob_chunks ALTER COLUMN content SET STORAGE EXTERNAL;

CREATE TABLE circuits (
  id text PRIMARY KEY CHECK (char_length(id) BETWEEN 1 AND 128),
  manifest_digest bytea NOT NULL REFERENCES blobs (digest),
  manifest jsonb NOT NULL CHECK (jsonb_typeof(manifest) = 'object' AND manifest ->> 'circuitId' = id),
  pinned_at timestamptz(3) NOT NULL DEFAULT now()
);

-- A complete blob has all its bytes. Checked at the end of the transaction, so that one statement may write a blob and
-- its only chunk.
CREATE FUNCTION zkraft_blob_whole() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  stored bigint;
BEGIN
  SELECT coalesce(sum(octet_length(content)), 0) INTO stored FROM blob_chunks WHERE digest = NEW.digest;
  IF stored <> NEW.bytes THEN
    RAISE EXCEPTION 'the blob lacks chunks' USING ERRCODE = 'check_violation', CONSTRAINT = 'blobs_complete_whole';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER blobs_whole AFTER INSERT OR UPDATE ON blobs
  DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW WHEN (NEW.complete) EXECUTE FUNCTION zkraft_blob_whole();

-- And nothing takes that back.
CREATE FUNCTION zkraft_blob_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a complete blob cannot change'
    USING ERRCODE = 'check_violation', CONSTRAINT = 'blobs_complete_final';
END $$;
CREATE TRIGGER blobs_final BEFORE UPDATE ON blobs FOR EACH ROW WHEN (OLD.complete) EXECUTE FUNCTION zkraft_blob_final();
