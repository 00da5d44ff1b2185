-- name: ReportPlane :execrows
-- No row says that there is no such environment.
INSERT INTO plane (env_id, instance, access_key, status, epoch, active_revision, active_since, reported_at)
SELECT environment.env_id, @instance, @access_key, @status, @epoch, @active_revision, now.now, now.now
FROM environment, (SELECT clock_timestamp() AS now) AS now
WHERE environment.name = @environment
ON CONFLICT (env_id, instance, access_key) DO UPDATE
SET status = excluded.status,
    epoch = excluded.epoch, active_revision = excluded.active_revision,
    active_since = CASE
        WHEN plane.epoch = excluded.epoch AND plane.active_revision = excluded.active_revision THEN plane.active_since
        ELSE excluded.active_since END,
    reported_at = excluded.reported_at;

-- name: GetPosition :one
-- Where an environment is now.
SELECT environment.env_id, epoch, revision, clock_timestamp()::timestamptz AS now
FROM environment JOIN environment_head USING (env_id)
WHERE name = @name;

-- name: ListPlanes :many
SELECT sqlc.embed(plane), coalesce(access_key.name, '')::text AS key_name
FROM plane LEFT JOIN access_key USING (access_key)
WHERE env_id = @env_id AND reported_at >= @since
ORDER BY plane.instance, plane.access_key;

-- name: GetReportTime :one
SELECT reported_at, clock_timestamp()::timestamptz AS now
FROM plane JOIN environment USING (env_id)
WHERE environment.name = @environment AND instance = @instance AND access_key = @access_key;

-- name: DeletePlanes :execrows
DELETE FROM plane WHERE reported_at < @before;
