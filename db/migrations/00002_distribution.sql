-- +goose Up

-- The epoch tells a history from an earlier one of the same environment whose
-- revisions were lost, or of another one of the same name: a later history has a
-- larger one. It is when it began, in microseconds since 1970.
ALTER TABLE environment_head DROP COLUMN epoch;
ALTER TABLE environment_head ADD COLUMN epoch bigint NOT NULL
    DEFAULT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint CHECK (epoch >= 1);
ALTER TABLE environment_head ALTER COLUMN epoch DROP DEFAULT;

-- What the control planes of this database know together, and nobody else.
CREATE TABLE cluster (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    -- Proves that a resume token was made by one of them.
    token_key  bytea  NOT NULL CHECK (length(token_key) = 32),
    -- Grows with each change of access_key. As it grows with the clock, it does so
    -- too where the database has lost changes.
    key_version bigint NOT NULL DEFAULT 1,
    -- The latest epoch that any environment was given, for the next one to be later.
    last_epoch bigint  NOT NULL DEFAULT 1
);
INSERT INTO cluster (token_key)
VALUES (decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'));

-- The keys by which programs sign their calls: public keys alone.
CREATE TABLE access_key (
    access_key   text        PRIMARY KEY,
    public_key   bytea       NOT NULL UNIQUE CHECK (length(public_key) = 32),
    name         text        NOT NULL CHECK (name <> ''),
    -- A number of strata.serving.v1.Role.
    role         smallint    NOT NULL CHECK (role >= 1),
    -- Empty is all.
    environments text[]      NOT NULL,
    services     text[]      NOT NULL,
    not_before   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    created_at   timestamptz NOT NULL,
    created_by   text        NOT NULL,
    revoked_at   timestamptz,
    last_used_at timestamptz
);
CREATE INDEX access_key_by_name ON access_key (name);
CREATE INDEX access_key_by_time ON access_key (created_at DESC, access_key);

-- Signatures that were used, until they expire, so that none is used twice.
CREATE TABLE request_nonce (
    access_key text        NOT NULL,
    nonce      text        NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (access_key, nonce)
);
CREATE INDEX request_nonce_by_time ON request_nonce (expires_at);

-- What those who follow the control planes last reported.
CREATE TABLE plane (
    env_id       bigint      NOT NULL REFERENCES environment ON DELETE CASCADE,
    instance     text        NOT NULL,
    access_key   text        NOT NULL,
    -- A strata.serving.v1.Status.
    status       bytea       NOT NULL,
    epoch        bigint      NOT NULL,
    active_revision bigint   NOT NULL,
    active_since timestamptz NOT NULL,
    reported_at  timestamptz NOT NULL,
    PRIMARY KEY (env_id, instance, access_key)
);

-- +goose Down
DROP TABLE plane, request_nonce, access_key, cluster;
ALTER TABLE environment_head DROP COLUMN epoch;
ALTER TABLE environment_head ADD COLUMN epoch uuid NOT NULL DEFAULT gen_random_uuid();
