package controlplane

import (
	"cmp"
	"context"
	"time"

	"github.com/strata-exp/strata/controlplane/internal/access"
	"github.com/strata-exp/strata/db"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

// ErrHasAdmin is returned by Bootstrap if there is a key already that may do
// everything.
var ErrHasAdmin = access.ErrHasAdmin

// BootstrapOptions say what the first key is for.
type BootstrapOptions struct {
	// Name is who the key is for, for people. Empty is "admin".
	Name string
	// TTL is how long it is valid. 0 is 180 days.
	TTL time.Duration
	// Force makes it although there is a key that may do everything.
	Force bool
}

// Bootstrap makes an access key that may do everything: the first one, which
// nobody could make through the API. It works on the database itself, which it
// migrates, whether control planes run on it or not; those that do take the key
// within two seconds. Unless forced, it fails with ErrHasAdmin if there is such a
// key that can be used.
func Bootstrap(ctx context.Context, databaseURL string, b BootstrapOptions) (*accesskey.Key, error) {
	key, err := accesskey.Generate()
	if err != nil {
		return nil, err
	}
	pool, err := db.Open(ctx, databaseURL)
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	if err := db.Migrate(ctx, pool); err != nil {
		return nil, err
	}
	_, err = access.Bootstrap(ctx, pool, access.Request{
		Name: cmp.Or(b.Name, "admin"), TTL: b.TTL, PublicKey: key.PublicKey(), By: "bootstrap",
	}, b.Force)
	if err != nil {
		return nil, err
	}
	return key, nil
}
