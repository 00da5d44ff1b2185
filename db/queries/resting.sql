-- name: ListResting :many
SELECT * FROM resting_slots
WHERE env_id = @env_id AND layer_id = ANY(@layer_ids::text[]) AND freed_at > @after
ORDER BY layer_id, start_slot;

-- name: CountResting :many
SELECT layer_id, sum(end_slot - start_slot)::integer AS slots
FROM resting_slots
WHERE env_id = @env_id AND freed_at > @after
GROUP BY layer_id;

-- name: DeleteResting :exec
DELETE FROM resting_slots WHERE env_id = @env_id AND layer_id = ANY(@layer_ids::text[]);

-- name: InsertResting :exec
INSERT INTO resting_slots (env_id, layer_id, start_slot, end_slot, eid, vid, freed_at)
SELECT @env_id, unnest(@layer_ids::text[]), unnest(@start_slots::integer[]), unnest(@end_slots::integer[]),
    unnest(@eids::integer[]), unnest(@vids::integer[]), unnest(@freed_ats::timestamptz[]);
