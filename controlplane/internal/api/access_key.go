package api

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/strata-exp/strata/controlplane/internal/access"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

// Keys keeps access keys. *access.Store is one.
type Keys interface {
	Create(ctx context.Context, r access.Request) (*adminv1.AccessKey, error)
	List(ctx context.Context, from access.Position, limit int, inUse bool) ([]*adminv1.AccessKey, error)
	Revoke(ctx context.Context, accessKey string) (*adminv1.AccessKey, error)
}

var _ Keys = (*access.Store)(nil)

type accessKeyService struct{ keys Keys }

func (s *accessKeyService) routes() []route {
	return []route{
		unary(adminv1connect.AccessKeyServiceCreateProcedure, s.create),
		unary(adminv1connect.AccessKeyServiceListProcedure, s.list),
		unary(adminv1connect.AccessKeyServiceRevokeProcedure, s.revoke),
	}
}

func (s *accessKeyService) create(ctx context.Context, r *adminv1.AccessKeyServiceCreateRequest) (*adminv1.AccessKeyServiceCreateResponse, error) {
	request := access.Request{
		Name: r.GetName(), Role: r.GetRole(), Environments: r.GetEnvironments(), Services: r.GetServices(),
		TTL: r.GetTtl().AsDuration(), PublicKey: r.GetPublicKey(), By: authorOf(ctx),
	}
	answer := &adminv1.AccessKeyServiceCreateResponse{}
	if len(request.PublicKey) == 0 {
		pair, err := accesskey.Generate()
		if err != nil {
			return nil, err
		}
		request.PublicKey, answer.SecretKey = pair.PublicKey(), pair.SecretKey()
	}
	var err error
	if answer.AccessKey, err = s.keys.Create(ctx, request); err != nil {
		return nil, err
	}
	return answer, nil
}

func (s *accessKeyService) list(ctx context.Context, r *adminv1.AccessKeyServiceListRequest) (*adminv1.AccessKeyServiceListResponse, error) {
	from, err := readCursor(r)
	if err != nil {
		return nil, err
	}
	position, err := keyPosition(from.position)
	if err != nil {
		return nil, err
	}
	size := pageSize(r)
	keys, err := s.keys.List(ctx, position, size+1, r.GetInUse())
	if err != nil {
		return nil, err
	}
	answer := &adminv1.AccessKeyServiceListResponse{AccessKeys: keys}
	if len(keys) > size {
		answer.AccessKeys = keys[:size]
		answer.NextPageToken, err = cursor{position: positionOf(keys[size-1])}.token(r)
	}
	return answer, err
}

func (s *accessKeyService) revoke(ctx context.Context, r *adminv1.AccessKeyServiceRevokeRequest) (*adminv1.AccessKeyServiceRevokeResponse, error) {
	key, err := s.keys.Revoke(ctx, r.GetAccessKey())
	if err != nil {
		return nil, err
	}
	return &adminv1.AccessKeyServiceRevokeResponse{AccessKey: key}, nil
}

// positionOf returns where the page after a key begins: its time in microseconds,
// which is what the database keeps, and its name.
func positionOf(k *adminv1.AccessKey) string {
	return strconv.FormatInt(k.GetCreatedAt().AsTime().UnixMicro(), 10) + " " + k.GetKey().GetAccessKey()
}

func keyPosition(text string) (access.Position, error) {
	if text == "" {
		return access.Position{}, nil
	}
	micros, accessKey, _ := strings.Cut(text, " ")
	n, err := strconv.ParseInt(micros, 10, 64)
	if err != nil || n < 0 || n > access.LastMicro {
		return access.Position{}, rpc.Invalidf("page_token", "is no token: send the next_page_token of a page as it is, or leave it out")
	}
	return access.Position{Before: time.UnixMicro(n), After: strings.ToValidUTF8(strings.ReplaceAll(accessKey, "\x00", ""), "")}, nil
}
