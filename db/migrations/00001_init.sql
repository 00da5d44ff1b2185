-- +goose Up

-- An environment and its settings. Its line of revisions is below.
CREATE TABLE environment (
    env_id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name            text        NOT NULL UNIQUE CHECK (name ~ '^[a-z][a-z0-9-]{0,62}$'),
    description     text        NOT NULL,
    cooling_seconds bigint      NOT NULL CHECK (cooling_seconds BETWEEN 0 AND 31622400),
    version         bigint      NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL
);

-- The newest revision of each environment. Whoever writes resources locks this
-- row first: so revisions are numbered without a gap, and in the order in which
-- they are committed, which neither a sequence nor transaction ids would give.
CREATE TABLE environment_head (
    env_id     bigint PRIMARY KEY REFERENCES environment ON DELETE CASCADE,
    revision   bigint      NOT NULL CHECK (revision >= 1),
    -- Contents of revisions below it were compacted away.
    floor      bigint      NOT NULL DEFAULT 1 CHECK (floor BETWEEN 1 AND revision),
    -- To tell this history from another one of the same revisions. Nothing changes
    -- it yet.
    epoch      uuid        NOT NULL DEFAULT gen_random_uuid(),
    checksum   bytea       NOT NULL,
    hash       bytea       NOT NULL,
    updated_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- The newest contents: kind is 1 layer, 2 experiment, 3 field.
CREATE TABLE resource (
    env_id          bigint      NOT NULL REFERENCES environment ON DELETE CASCADE,
    kind            smallint    NOT NULL CHECK (kind BETWEEN 1 AND 3),
    key             text        NOT NULL,
    payload         bytea       NOT NULL,
    create_revision bigint      NOT NULL,
    created_at      timestamptz NOT NULL,
    revision        bigint      NOT NULL,
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (env_id, kind, key)
);

-- Every revision, for ever.
CREATE TABLE revision (
    env_id             bigint      NOT NULL REFERENCES environment ON DELETE CASCADE,
    revision           bigint      NOT NULL,
    checksum           bytea       NOT NULL,
    hash               bytea       NOT NULL,
    parent_hash        bytea       NOT NULL,
    author             text        NOT NULL,
    message            text        NOT NULL,
    origin             smallint    NOT NULL,
    origin_revision    bigint      NOT NULL,
    origin_environment text        NOT NULL,
    change_count       integer     NOT NULL,
    created_at         timestamptz NOT NULL,
    -- NULL once it was compacted.
    plan               bytea,
    PRIMARY KEY (env_id, revision)
);
CREATE INDEX revision_by_time ON revision (env_id, created_at);

-- What each revision made of each resource that it changed. Compaction leaves,
-- of the revisions up to the floor, the newest of each resource, so that the
-- contents at any revision from the floor on are the newest of each up to it.
CREATE TABLE changelog (
    env_id          bigint      NOT NULL REFERENCES environment ON DELETE CASCADE,
    revision        bigint      NOT NULL,
    ordinal         integer     NOT NULL,
    kind            smallint    NOT NULL,
    key             text        NOT NULL,
    -- NULL where it was deleted.
    payload         bytea,
    create_revision bigint      NOT NULL,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (env_id, revision, ordinal)
);
CREATE UNIQUE INDEX changelog_by_resource ON changelog (env_id, kind, key, revision);

-- Requests that were carried out, so that one that is sent again is known.
CREATE TABLE apply_request (
    env_id          bigint      NOT NULL REFERENCES environment ON DELETE CASCADE,
    idempotency_key text        NOT NULL,
    body            bytea       NOT NULL,
    revision        bigint      NOT NULL,
    -- Whether the request made the revision, or changed nothing.
    made            boolean     NOT NULL,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (env_id, idempotency_key)
);
CREATE INDEX apply_request_by_time ON apply_request (created_at);

-- Slots that an experiment gave up lately.
CREATE TABLE resting_slots (
    env_id     bigint      NOT NULL REFERENCES environment ON DELETE CASCADE,
    layer_id   text        NOT NULL,
    start_slot integer     NOT NULL CHECK (start_slot >= 0),
    end_slot   integer     NOT NULL CHECK (end_slot > start_slot AND end_slot <= 10000),
    eid        integer     NOT NULL,
    vid        integer     NOT NULL,
    freed_at   timestamptz NOT NULL,
    -- In this order, so that a plan made for an empty table finds layers as fast.
    PRIMARY KEY (layer_id, env_id, start_slot)
);

-- What each eid and vid is, in all environments and for ever: data about a
-- variant must never come to mean another one.
CREATE TABLE experiment_identity (
    eid     integer PRIMARY KEY CHECK (eid >= 1),
    service text NOT NULL
);
CREATE TABLE variant_identity (
    vid integer PRIMARY KEY CHECK (vid >= 1),
    eid integer NOT NULL REFERENCES experiment_identity
);

-- Nobody gets round the lock on the head, not even by hand.
-- +goose StatementBegin
CREATE FUNCTION resource_follows_head() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    head bigint;
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM 1 FROM environment_head WHERE env_id = OLD.env_id FOR UPDATE;
        RETURN OLD;
    END IF;
    SELECT revision INTO head FROM environment_head WHERE env_id = NEW.env_id FOR UPDATE;
    IF NEW.revision IS DISTINCT FROM head + 1 THEN
        RAISE EXCEPTION 'resource at revision %, but the head is at %', NEW.revision, head;
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER resource_follows_head BEFORE INSERT OR UPDATE OR DELETE ON resource
    FOR EACH ROW EXECUTE FUNCTION resource_follows_head();

-- +goose Down
DROP TABLE variant_identity, experiment_identity, resting_slots, apply_request, changelog, revision,
    resource, environment_head, environment;
DROP FUNCTION resource_follows_head;
