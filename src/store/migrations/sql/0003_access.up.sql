-- Who may call the gateway, and who did what.

CREATE TABLE api_keys (
  id uuid PRIMARY KEY,
  -- Whoever sends the key is this owner. Several keys may have one name: that is how a key is replaced.
  name text NOT NULL CHECK (name ~ '^[A-Za-z0-9._-]{1,64}$'),
  -- SHA-256 of the key. The key itself is kept nowhere.
  hash bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
  scopes text[] NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  expires_at timestamptz(3),
  revoked_at timestamptz(3),
  last_used_at timestamptz(3),
  CONSTRAINT api_keys_scopes CHECK (
    cardinality(scopes) >= 1 AND array_position(scopes, NULL) IS NULL
    AND scopes <@ ARRAY['submit', 'read', 'cancel', 'admin']),
  CONSTRAINT api_keys_expiry CHECK (expires_at > created_at)
);
CREATE INDEX api_keys_by_age ON api_keys (created_at, id);

CREATE TABLE audit (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz(3) NOT NULL DEFAULT now(),
  actor text NOT NULL CHECK (char_length(actor) BETWEEN 1 AND 256),
  -- Such as task.submit.
  action text NOT NULL CHECK (action ~ '^[a-z_]{1,32}\.[a-z_]{1,32}$'),
  target text NOT NULL CHECK (char_length(target) BETWEEN 1 AND 256),
  request_id text NOT NULL CHECK (char_length(request_id) BETWEEN 1 AND 256),
  detail jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(detail) = 'object' AND octet_length(detail::text) <= 4096)
);
CREATE INDEX audit_by_target ON audit (target, id);
CREATE INDEX audit_by_request ON audit (request_id, id);

-- What was done stays as it was written. Old rows may be deleted, by whoever may do that in the database.
CREATE FUNCTION zkraft_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'an audit row cannot change' USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_append_only';
END $$;
CREATE TRIGGER audit_change BEFORE UPDATE ON audit FOR EACH ROW EXECUTE FUNCTION zkraft_audit_change();

-- An owner's tasks, the newest first, all or those of one status.
CREATE INDEX tasks_by_owner ON tasks (owner, created_at, id);
CREATE INDEX tasks_by_owner_status ON tasks (owner, status, created_at, id);
