-- name: LockIdentities :exec
-- Taken by whoever assigns ids, after the lock on a head.
SELECT pg_advisory_xact_lock(hashtextextended('strata.identity', 0));

-- name: HighestIdentities :one
SELECT coalesce((SELECT max(eid) FROM experiment_identity), 0)::integer AS eid,
    coalesce((SELECT max(vid) FROM variant_identity), 0)::integer AS vid;

-- name: ClaimExperiments :exec
INSERT INTO experiment_identity (eid, service)
SELECT unnest(@eids::integer[]), unnest(@services::text[])
ON CONFLICT (eid) DO NOTHING;

-- name: ClaimVariants :exec
INSERT INTO variant_identity (vid, eid)
SELECT unnest(@vids::integer[]), unnest(@eids::integer[])
ON CONFLICT (vid) DO NOTHING;

-- name: ListExperimentIdentities :many
SELECT * FROM experiment_identity WHERE eid = ANY(@eids::integer[]);

-- name: ListVariantIdentities :many
SELECT * FROM variant_identity WHERE vid = ANY(@vids::integer[]);
