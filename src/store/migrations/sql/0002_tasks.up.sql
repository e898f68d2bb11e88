-- Trees, tasks, and the cluster that may write what became of them.

CREATE TABLE trees (
  -- SHA-256 over depth and leaf count (4 bytes each, big-endian) and the leaves.
  id bytea PRIMARY KEY CHECK (octet_length(id) = 32),
  depth smallint NOT NULL CHECK (depth BETWEEN 1 AND 32),
  leaf_count integer NOT NULL CHECK (leaf_count >= 1 AND leaf_count <= (1::bigint << depth)),
  leaves_digest bytea NOT NULL REFERENCES blobs (digest),
  root bytea NOT NULL CHECK (octet_length(root) = 32),
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  -- So that a task's depth and root are those of its tree.
  UNIQUE (id, depth, root)
);

CREATE TABLE tasks (
  id uuid PRIMARY KEY,
  owner text NOT NULL CHECK (char_length(owner) BETWEEN 1 AND 256),
  content_hash bytea NOT NULL CHECK (octet_length(content_hash) = 32),
  fresh boolean NOT NULL DEFAULT false,
  circuit_id text NOT NULL CHECK (char_length(circuit_id) BETWEEN 1 AND 128),
  circuit_digest bytea NOT NULL CHECK (octet_length(circuit_digest) = 32),
  tree_id bytea NOT NULL,
  depth smallint NOT NULL CHECK (depth BETWEEN 1 AND 32),
  root bytea NOT NULL CHECK (octet_length(root) = 32),
  leaf_index bigint NOT NULL CHECK (leaf_index >= 0 AND leaf_index < (1::bigint << depth)),
  external_hash bytea NOT NULL CHECK (octet_length(external_hash) = 32),
  priority smallint NOT NULL CHECK (priority BETWEEN 0 AND 9),
  request_id text NOT NULL CHECK (char_length(request_id) BETWEEN 1 AND 256),
  -- Milliseconds, as in JavaScript's Date: pages continue after (priority, created_at, id) and must meet it exactly.
  created_at timestamptz(3) NOT NULL DEFAULT now(),

  status text NOT NULL DEFAULT 'pending',
  attempt integer NOT NULL DEFAULT 0 CHECK (attempt >= 0),
  worker_id text CHECK (char_length(worker_id) BETWEEN 1 AND 128),
  lease_epoch bigint CHECK (lease_epoch >= 0),
  not_before timestamptz(3),
  started_at timestamptz(3),
  completed_at timestamptz(3),
  -- 256 bytes: A.x A.y, B.x.c0 B.x.c1 B.y.c0 B.y.c1, C.x C.y.
  proof bytea CHECK (octet_length(proof) = 256),
  public_signals bytea CHECK (octet_length(public_signals) > 0 AND octet_length(public_signals) % 32 = 0),
  error_code text CHECK (char_length(error_code) BETWEEN 1 AND 64),
  error_message text CHECK (char_length(error_message) <= 4096),
  -- The log entry that this row reflects. A writer with an older one changes nothing.
  fence_epoch bigint NOT NULL DEFAULT 0 CHECK (fence_epoch >= 0),
  fence_index bigint NOT NULL DEFAULT 0 CHECK (fence_index >= 0),

  CONSTRAINT tasks_tree FOREIGN KEY (tree_id, depth, root) REFERENCES trees (id, depth, root),
  CONSTRAINT tasks_status CHECK (status IN ('pending', 'assigned', 'in_progress', 'completed', 'failed', 'cancelled')),
  CONSTRAINT tasks_lease CHECK (
    CASE WHEN status IN ('assigned', 'in_progress')
      THEN lease_epoch IS NOT NULL AND worker_id IS NOT NULL AND attempt >= 1
      ELSE lease_epoch IS NULL
    END),
  CONSTRAINT tasks_pending CHECK (status <> 'pending' OR worker_id IS NULL),
  CONSTRAINT tasks_result CHECK (
    CASE WHEN status = 'completed'
      THEN proof IS NOT NULL AND public_signals IS NOT NULL AND completed_at IS NOT NULL AND error_code IS NULL
      ELSE proof IS NULL AND public_signals IS NULL
    END),
  CONSTRAINT tasks_failure CHECK (status <> 'failed' OR error_code IS NOT NULL),
  CONSTRAINT tasks_end CHECK (status IN ('completed', 'failed', 'cancelled') OR completed_at IS NULL)
);

-- The same request of the same owner is the same task, unless the earlier one came to nothing.
CREATE UNIQUE INDEX tasks_content ON tasks (owner, content_hash)
  WHERE status NOT IN ('failed', 'cancelled') AND NOT fresh;
CREATE INDEX tasks_ready ON tasks (priority DESC, created_at, id) WHERE status = 'pending';
CREATE INDEX tasks_leased ON tasks (id) WHERE status IN ('assigned', 'in_progress');
CREATE INDEX tasks_by_status ON tasks (status);
CREATE INDEX tasks_by_tree ON tasks (tree_id);

-- A key names one task of its owner for good; another body under the same key is refused.
CREATE TABLE idempotency_keys (
  owner text NOT NULL,
  key text NOT NULL CHECK (char_length(key) BETWEEN 1 AND 128),
  body_hash bytea NOT NULL CHECK (octet_length(body_hash) = 32),
  task_id uuid NOT NULL REFERENCES tasks (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (owner, key)
);
CREATE INDEX idempotency_keys_by_task ON idempotency_keys (task_id);

-- One row: the cluster that this database belongs to, and how much of its log is reflected here.
CREATE TABLE cluster (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  cluster_id text NOT NULL CHECK (char_length(cluster_id) BETWEEN 1 AND 128),
  epoch bigint NOT NULL DEFAULT 1 CHECK (epoch >= 1),
  cursor bigint NOT NULL DEFAULT 0 CHECK (cursor >= 0),
  claimed_at timestamptz(3) NOT NULL DEFAULT now()
);

-- The second net behind the fenced statements: what has ended does not begin again, and a fence never goes back.
CREATE FUNCTION zkraft_task_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.status IN ('completed', 'failed', 'cancelled') THEN
    RAISE EXCEPTION 'task % is % and cannot change', OLD.id, OLD.status
      USING ERRCODE = 'check_violation', CONSTRAINT = 'tasks_terminal';
  END IF;
  IF (NEW.fence_epoch, NEW.fence_index) < (OLD.fence_epoch, OLD.fence_index) THEN
    RAISE EXCEPTION 'the fence of task % cannot go back', OLD.id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'tasks_fence';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER tasks_change BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION zkraft_task_change();

-- Equal notifications of one transaction are sent once.
CREATE FUNCTION zkraft_notify_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('zkraft_task_inserted', '') WHERE EXISTS (SELECT FROM inserted);
  RETURN NULL;
END $$;
CREATE TRIGGER tasks_inserted AFTER INSERT ON tasks REFERENCING NEW TABLE AS inserted
  FOR EACH STATEMENT EXECUTE FUNCTION zkraft_notify_inserted();

CREATE FUNCTION zkraft_notify_done() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('zkraft_task_done', NEW.id::text);
  RETURN NULL;
END $$;
CREATE TRIGGER tasks_done AFTER UPDATE OF status ON tasks FOR EACH ROW
  WHEN (NEW.status IN ('completed', 'failed', 'cancelled') AND OLD.status <> NEW.status)
  EXECUTE FUNCTION zkraft_notify_done();
