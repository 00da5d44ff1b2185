//go:build faults

package faults_test

import (
	"testing"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/e2e/fleet"
	"github.com/strata-exp/strata/sdk/e2e/network"
)

func fieldChange(name string) []*adminv1.Change {
	return []*adminv1.Change{{Change: &adminv1.Change_UpsertField{UpsertField: &configv1.Field{
		Name: name, Type: configv1.FieldType_FIELD_TYPE_STRING,
	}}}}
}

// setupOverDatabase is setup with a link to the database.
func setupOverDatabase(t *testing.T, o fleet.Options) *system {
	t.Helper()
	n := network.New(t)
	o.Database = n.Database
	return setupOn(t, n, o)
}
