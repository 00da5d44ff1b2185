-- name: ListResources :many
SELECT * FROM resource WHERE env_id = @env_id;

-- name: PutResources :exec
INSERT INTO resource (env_id, kind, key, payload, create_revision, created_at, revision, updated_at)
SELECT @env_id, unnest(@kinds::smallint[]), unnest(@keys::text[]), unnest(@payloads::bytea[]),
    unnest(@create_revisions::bigint[]), unnest(@created_ats::timestamptz[]), @revision, @updated_at
ON CONFLICT (env_id, kind, key) DO UPDATE
SET payload = excluded.payload, create_revision = excluded.create_revision, created_at = excluded.created_at,
    revision = excluded.revision, updated_at = excluded.updated_at;

-- name: DeleteResources :exec
DELETE FROM resource
WHERE env_id = @env_id AND (kind, key) IN (SELECT unnest(@kinds::smallint[]), unnest(@keys::text[]));

-- name: InsertRevision :exec
INSERT INTO revision (env_id, revision, checksum, hash, parent_hash, author, message,
    origin, origin_revision, origin_environment, change_count, created_at, plan)
VALUES (@env_id, @revision, @checksum, @hash, @parent_hash, @author, @message,
    @origin, @origin_revision, @origin_environment, @change_count, @created_at, @plan);

-- name: InsertChanges :exec
INSERT INTO changelog (env_id, revision, ordinal, kind, key, payload, create_revision, created_at)
SELECT @env_id, @revision, unnest(@ordinals::integer[]), unnest(@kinds::smallint[]), unnest(@keys::text[]),
    unnest(@payloads::bytea[]), unnest(@create_revisions::bigint[]), unnest(@created_ats::timestamptz[]);

-- name: ListChanges :many
-- Whole revisions, never cut by a number of rows.
SELECT changelog.*, revision.created_at AS revised_at
FROM changelog JOIN revision USING (env_id, revision)
WHERE changelog.env_id = @env_id AND changelog.revision > @after AND changelog.revision <= @until
ORDER BY changelog.revision, ordinal;

-- name: ListResourcesAt :many
-- The contents at a revision: of each resource, the newest up to it.
SELECT changelog.*, revision.created_at AS revised_at
FROM (
    SELECT l.kind, l.key, max(l.revision)::bigint AS revision
    FROM changelog l
    WHERE l.env_id = @env_id AND l.revision <= @revision
    GROUP BY l.kind, l.key
) AS newest
JOIN changelog ON changelog.env_id = @env_id AND changelog.kind = newest.kind
    AND changelog.key = newest.key AND changelog.revision = newest.revision
JOIN revision ON revision.env_id = @env_id AND revision.revision = newest.revision
WHERE changelog.payload IS NOT NULL;

-- name: GetRevision :one
SELECT * FROM revision WHERE env_id = @env_id AND revision = @revision;

-- name: GetRevisionAtTime :one
SELECT revision, created_at FROM revision
WHERE env_id = @env_id AND created_at <= @at
ORDER BY created_at DESC
LIMIT 1;

-- name: ListRevisions :many
SELECT env_id, revision, checksum, hash, parent_hash, author, message, origin, origin_revision,
    origin_environment, change_count, created_at
FROM revision
WHERE env_id = @env_id AND revision < @before AND (@author::text = '' OR author = @author)
ORDER BY revision DESC
LIMIT @max_rows;

-- name: GetApplyRequest :one
SELECT * FROM apply_request WHERE env_id = @env_id AND idempotency_key = @idempotency_key;

-- name: InsertApplyRequest :exec
INSERT INTO apply_request (env_id, idempotency_key, body, revision, made, created_at)
VALUES (@env_id, @idempotency_key, @body, @revision, @made, @created_at);

-- name: DeleteApplyRequestsBefore :execrows
DELETE FROM apply_request WHERE created_at < @before;

-- name: FloorCandidate :one
-- The newest revision that is older than a time, and not one of the newest.
SELECT coalesce(max(revision), 0)::bigint AS floor FROM revision
WHERE env_id = @env_id AND created_at < @before AND revision <= @until;

-- name: CompactChanges :execrows
-- Removes what a newer change up to the floor has replaced, and deletions that
-- have nothing left to delete.
DELETE FROM changelog WHERE ctid = ANY(ARRAY(
    SELECT old.ctid FROM changelog old
    WHERE old.env_id = @env_id AND old.revision <= @floor AND (old.payload IS NULL OR EXISTS (
        SELECT 1 FROM changelog newer
        WHERE newer.env_id = old.env_id AND newer.kind = old.kind AND newer.key = old.key
            AND newer.revision > old.revision AND newer.revision <= @floor))
    AND NOT (old.payload IS NULL AND EXISTS (
        SELECT 1 FROM changelog older
        WHERE older.env_id = old.env_id AND older.kind = old.kind AND older.key = old.key
            AND older.revision < old.revision))
    LIMIT @max_rows));

-- name: CompactPlans :execrows
UPDATE revision SET plan = NULL
WHERE env_id = @env_id AND revision < @floor AND plan IS NOT NULL;
