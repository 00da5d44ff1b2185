-- +goose Up

-- Kind 4 of a resource is a declared service.
ALTER TABLE resource DROP CONSTRAINT resource_kind_check;
ALTER TABLE resource ADD CONSTRAINT resource_kind_check CHECK (kind BETWEEN 1 AND 4);

-- +goose Down
-- Fails as long as there are services, which the version before does not know.
ALTER TABLE resource DROP CONSTRAINT resource_kind_check;
ALTER TABLE resource ADD CONSTRAINT resource_kind_check CHECK (kind BETWEEN 1 AND 3);
