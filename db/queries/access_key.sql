-- name: LockKeys :one
-- The first statement of every transaction that changes keys: it puts them in
-- order, so that each sees what those before it did.
SELECT clock_timestamp()::timestamptz AS now FROM cluster FOR UPDATE;

-- name: BumpKeyVersion :exec
-- By the clock, so that it grows even if the database has lost changes of which
-- others know.
UPDATE cluster SET key_version = greatest(key_version + 1, (date_part('epoch', clock_timestamp()) * 1000000)::bigint);

-- name: GetKeyVersion :one
SELECT key_version FROM cluster;

-- name: InsertAccessKey :execrows
INSERT INTO access_key (access_key, public_key, name, role, environments, services,
    not_before, expires_at, created_at, created_by)
VALUES (@access_key, @public_key, @name, @role, @environments::text[], @services::text[],
    @not_before, @expires_at, @created_at, @created_by)
ON CONFLICT DO NOTHING;

-- name: GetAccessKey :one
SELECT * FROM access_key WHERE access_key = @access_key;

-- name: CountKeysOfName :one
SELECT count(*) FROM access_key
WHERE name = @name AND revoked_at IS NULL AND expires_at > @now;

-- name: RevokeOldKeysOfName :exec
-- All that are in use but for the newest.
UPDATE access_key SET revoked_at = @now::timestamptz
WHERE revoked_at IS NULL AND expires_at > @now::timestamptz AND access_key IN (
    SELECT k.access_key FROM access_key k
    WHERE k.name = @name AND k.revoked_at IS NULL AND k.expires_at > @now::timestamptz
    ORDER BY k.created_at DESC, k.access_key
    OFFSET 1
);

-- name: CountAdminKeys :one
-- Those that may do everything, everywhere.
SELECT count(*) FROM access_key
WHERE role = @role AND cardinality(environments) = 0 AND revoked_at IS NULL AND expires_at > @now;

-- name: ListAccessKeys :many
-- Newest first, those after a key that was made at a time.
SELECT * FROM access_key
WHERE created_at <= @before AND (created_at < @before OR access_key > @after)
    AND (NOT @in_use::boolean OR revoked_at IS NULL AND expires_at > clock_timestamp())
ORDER BY created_at DESC, access_key
LIMIT @max_rows;

-- name: ListKeysInUse :many
SELECT access_key, public_key, name, role, environments, services, not_before, expires_at FROM access_key
WHERE revoked_at IS NULL AND expires_at > @after;

-- name: RevokeAccessKey :exec
UPDATE access_key SET revoked_at = @now::timestamptz WHERE access_key = @access_key;

-- name: MarkKeysUsed :exec
UPDATE access_key SET last_used_at = @used_at::timestamptz
WHERE access_key = ANY(@access_keys::text[]) AND (last_used_at IS NULL OR last_used_at < @used_at::timestamptz);

-- name: ListEnvironmentNames :many
SELECT name FROM environment WHERE name = ANY(@names::text[]);

-- name: InsertNonce :execrows
INSERT INTO request_nonce (access_key, nonce, expires_at)
VALUES (@access_key, @nonce, @expires_at)
ON CONFLICT DO NOTHING;

-- name: DeleteNonces :execrows
DELETE FROM request_nonce WHERE ctid = ANY(ARRAY(
    SELECT n.ctid FROM request_nonce n WHERE n.expires_at < @before LIMIT @max_rows));

-- name: RaiseKeyVersion :exec
-- After key changes were lost.
UPDATE cluster SET key_version = greatest(key_version, @least::bigint);
