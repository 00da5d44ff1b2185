package access

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/strata-exp/strata/controlplane/internal/fault"
	"github.com/strata-exp/strata/db/dbsqlc"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
)

// Position is where a page of keys begins: after a key that was made at a time.
// The zero Position is before all of them.
type Position struct {
	Before time.Time
	After  string
}

// LastMicro is later than any key was made, in microseconds since 1970.
const LastMicro = 253402300799_000000

// List returns keys, newest first, and keys of one time by their access key; with
// inUse only those that are neither revoked nor expired.
func (s *Store) List(ctx context.Context, from Position, limit int, inUse bool) ([]*adminv1.AccessKey, error) {
	if from.Before.IsZero() {
		from.Before = time.UnixMicro(LastMicro)
	}
	rows, err := s.queries().ListAccessKeys(ctx, dbsqlc.ListAccessKeysParams{
		Before: from.Before, After: from.After, InUse: inUse, MaxRows: int32(limit),
	})
	if err != nil {
		return nil, fault.Of(ctx, err)
	}
	keys := make([]*adminv1.AccessKey, len(rows))
	for i, row := range rows {
		keys[i] = message(row)
	}
	return keys, nil
}

func message(k dbsqlc.AccessKey) *adminv1.AccessKey {
	return &adminv1.AccessKey{
		Key: publicKey(dbsqlc.ListKeysInUseRow{
			AccessKey: k.AccessKey, PublicKey: k.PublicKey, Name: k.Name, Role: k.Role,
			Environments: k.Environments, Services: k.Services, NotBefore: k.NotBefore, ExpiresAt: k.ExpiresAt,
		}),
		CreatedAt: timestamppb.New(k.CreatedAt), CreatedBy: k.CreatedBy,
		RevokedAt: optional(k.RevokedAt), LastUsedAt: optional(k.LastUsedAt),
	}
}

func publicKey(k dbsqlc.ListKeysInUseRow) *servingv1.PublicKey {
	return &servingv1.PublicKey{
		AccessKey: k.AccessKey, PublicKey: k.PublicKey, Name: k.Name, Role: servingv1.Role(k.Role),
		Environments: k.Environments, Services: k.Services,
		NotBefore: timestamppb.New(k.NotBefore), ExpiresAt: timestamppb.New(k.ExpiresAt),
	}
}

func optional(t pgtype.Timestamptz) *timestamppb.Timestamp {
	if !t.Valid {
		return nil
	}
	return timestamppb.New(t.Time)
}
