-- name: InsertEnvironment :one
INSERT INTO environment (name, description, cooling_seconds, created_at)
VALUES (@name, @description, @cooling_seconds, @created_at)
ON CONFLICT (name) DO NOTHING
RETURNING env_id;

-- name: InsertHead :exec
INSERT INTO environment_head (env_id, revision, checksum, hash, updated_at, epoch)
VALUES (@env_id, @revision, @checksum, @hash, @updated_at, @epoch);

-- name: GetEnvironment :one
SELECT sqlc.embed(environment), sqlc.embed(environment_head)
FROM environment JOIN environment_head USING (env_id)
WHERE name = @name;

-- name: LockEnvironment :one
-- The first statement of every transaction that writes resources. Both rows are
-- locked, so that both are read as they are after the wait.
SELECT sqlc.embed(environment), sqlc.embed(environment_head), clock_timestamp()::timestamptz AS now
FROM environment JOIN environment_head USING (env_id)
WHERE environment.name = @name
FOR UPDATE OF environment_head, environment;

-- name: ListEnvironments :many
SELECT sqlc.embed(environment), sqlc.embed(environment_head)
FROM environment JOIN environment_head USING (env_id)
WHERE name > @after AND (cardinality(@among::text[]) = 0 OR name = ANY(@among::text[]))
ORDER BY name
LIMIT @max_rows;

-- name: CountEnvironments :one
SELECT count(*) FROM environment
WHERE cardinality(@among::text[]) = 0 OR name = ANY(@among::text[]);

-- name: CountResources :many
SELECT env_id, kind, count(*)::integer AS resources
FROM resource
WHERE env_id = ANY(@env_ids::bigint[])
GROUP BY env_id, kind;

-- name: UpdateEnvironment :exec
UPDATE environment
SET description = @description, cooling_seconds = @cooling_seconds, version = version + 1
WHERE env_id = @env_id;

-- name: DeleteEnvironment :exec
DELETE FROM environment WHERE env_id = @env_id;

-- name: ListHeads :many
SELECT * FROM environment_head;

-- name: MoveHead :exec
UPDATE environment_head
SET revision = @revision, checksum = @checksum, hash = @hash, updated_at = @updated_at
WHERE env_id = @env_id;

-- name: GetTokenKey :one
SELECT token_key FROM cluster;

-- name: NextEpoch :one
-- An epoch that is later than another one, than all that were given before, and
-- than the clock.
UPDATE cluster
SET last_epoch = greatest(last_epoch + 1, sqlc.arg(after)::bigint + 1, (date_part('epoch', clock_timestamp()) * 1000000)::bigint)
RETURNING last_epoch;

-- name: MoveEpoch :exec
UPDATE environment_head SET epoch = @epoch WHERE env_id = @env_id;

-- name: MoveFloor :exec
UPDATE environment_head SET floor = @floor WHERE env_id = @env_id AND floor < @floor;

-- name: Now :one
SELECT clock_timestamp()::timestamptz AS now;

-- name: GetHead :one
SELECT * FROM environment_head WHERE env_id = @env_id;

-- name: LockHead :one
SELECT * FROM environment_head WHERE env_id = @env_id FOR UPDATE;
