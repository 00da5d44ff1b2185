package access

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/strata-exp/strata/controlplane/internal/fault"
	"github.com/strata-exp/strata/db/dbsqlc"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

const (
	// perName is how many keys of one name may be in use: the old and the new one.
	perName = 2
	// defaultTTL is how long a key is valid unless something else is said.
	defaultTTL = 180 * 24 * time.Hour
	// maxTTL is how long at most.
	maxTTL = 3650 * 24 * time.Hour
	// maxName is how long a name may be, in bytes.
	maxName = 128
	// leeway is from how long before its making on a key is valid, as clocks differ.
	leeway = 5 * time.Minute
)

// Request says what a key is for.
type Request struct {
	// Name is who it is for, for people.
	Name string
	Role servingv1.Role
	// Environments and Services are where it may be used; empty is everywhere.
	Environments, Services []string
	// TTL is how long it is valid; 0 is 180 days.
	TTL time.Duration
	// PublicKey is the Ed25519 public key.
	PublicKey []byte
	// By is who makes it.
	By string
}

// Create makes a key. When it returns, this process takes what the key signs.
func (s *Store) Create(ctx context.Context, r Request) (*adminv1.AccessKey, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	var made dbsqlc.AccessKey
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) (err error) {
		made, err = create(ctx, dbsqlc.New(tx), r)
		return err
	})
	if err != nil {
		return nil, fault.Of(ctx, err)
	}
	s.changed(ctx)
	return message(made), nil
}

// check returns what is wrong with a request. Not all of them come by the API,
// whose schema says most of it too.
func (r *Request) check() error {
	if len(r.Name) == 0 || len(r.Name) > maxName {
		return rpc.Invalidf("name", "want 1 to %d bytes, got %d", maxName, len(r.Name))
	}
	if r.TTL < 0 || r.TTL > maxTTL {
		return rpc.Invalidf("ttl", "want more than 0 and at most %v", maxTTL)
	}
	if len(r.PublicKey) != ed25519.PublicKeySize {
		return rpc.Invalidf("public_key", "want the %d bytes of an Ed25519 public key, got %d", ed25519.PublicKeySize, len(r.PublicKey))
	}
	if len(r.Services) > 0 && r.Role != servingv1.Role_ROLE_SDK {
		return rpc.Invalidf("services", "are for ROLE_SDK alone: leave them out, or ask for that role")
	}
	return nil
}

// create makes a key in a transaction.
func create(ctx context.Context, q *dbsqlc.Queries, r Request) (none dbsqlc.AccessKey, err error) {
	now, err := q.LockKeys(ctx)
	if err != nil {
		return none, err
	}
	if err := known(ctx, q, r.Environments); err != nil {
		return none, err
	}
	name := accesskey.Name(r.PublicKey)
	row := dbsqlc.InsertAccessKeyParams{
		AccessKey: name, PublicKey: r.PublicKey, Name: r.Name, Role: int16(r.Role),
		Environments: set(r.Environments), Services: set(r.Services),
		NotBefore: now.Add(-leeway), ExpiresAt: now.Add(cmp.Or(r.TTL, defaultTTL)), CreatedAt: now, CreatedBy: r.By,
	}
	inserted, err := q.InsertAccessKey(ctx, row)
	if err != nil {
		return none, err
	}
	if inserted == 0 {
		return none, rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_ALREADY_EXISTS, "the public key is there already, as %s", name)
	}
	inUse, err := q.CountKeysOfName(ctx, dbsqlc.CountKeysOfNameParams{Name: r.Name, Now: now})
	if err != nil {
		return none, err
	}
	if inUse > perName {
		return none, rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_KEY_LIMIT,
			"%d keys of the name %q are in use: revoke the old one first", perName, r.Name)
	}
	if err := q.BumpKeyVersion(ctx); err != nil {
		return none, err
	}
	return q.GetAccessKey(ctx, name)
}

// known refuses environments that do not exist.
func known(ctx context.Context, q *dbsqlc.Queries, environments []string) error {
	if len(environments) == 0 {
		return nil
	}
	found, err := q.ListEnvironmentNames(ctx, environments)
	if err != nil {
		return err
	}
	for i, name := range environments {
		if !slices.Contains(found, name) {
			refusal := rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_ENVIRONMENT_NOT_FOUND, "there is no environment %q", name)
			refusal.Violations = []rpc.Violation{{Field: fmt.Sprintf("environments[%d]", i), Problem: refusal.Problem}}
			return refusal
		}
	}
	return nil
}

// set returns a list sorted and without duplicates, never nil.
func set(list []string) []string {
	sorted := append([]string{}, list...)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}
