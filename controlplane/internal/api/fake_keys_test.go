package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/strata-exp/strata/controlplane/internal/access"
	"github.com/strata-exp/strata/controlplane/internal/plane"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/rpc"
)

// fakeKeys keeps keys in memory, and checks nothing.
type fakeKeys struct {
	mu   sync.Mutex
	keys []*adminv1.AccessKey // oldest first
}

func (f *fakeKeys) Create(_ context.Context, r access.Request) (*adminv1.AccessKey, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	// Pairs of keys have one time.
	made := time.Date(2026, 1, 1, 0, 0, len(f.keys)/2, 123456000, time.UTC)
	key := &adminv1.AccessKey{CreatedAt: timestamppb.New(made), CreatedBy: r.By, Key: &servingv1.PublicKey{
		AccessKey: fmt.Sprintf("sak_%03d", len(f.keys)), PublicKey: r.PublicKey, Name: r.Name, Role: r.Role,
		Environments: r.Environments, Services: r.Services, ExpiresAt: timestamppb.New(made.Add(r.TTL)),
	}}
	f.keys = append(f.keys, key)
	return key, nil
}

func (f *fakeKeys) List(_ context.Context, from access.Position, limit int, _ bool) ([]*adminv1.AccessKey, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := slices.Clone(f.keys)
	slices.SortFunc(all, func(a, b *adminv1.AccessKey) int {
		if order := b.GetCreatedAt().AsTime().Compare(a.GetCreatedAt().AsTime()); order != 0 {
			return order
		}
		return strings.Compare(a.GetKey().GetAccessKey(), b.GetKey().GetAccessKey())
	})
	var page []*adminv1.AccessKey
	for _, k := range all {
		at := k.GetCreatedAt().AsTime()
		if from.Before.IsZero() || at.Before(from.Before) || at.Equal(from.Before) && k.GetKey().GetAccessKey() > from.After {
			page = append(page, k)
		}
	}
	return page[:min(limit, len(page))], nil
}

func (f *fakeKeys) Revoke(_ context.Context, accessKey string) (*adminv1.AccessKey, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range f.keys {
		if k.GetKey().GetAccessKey() == accessKey {
			k.RevokedAt = timestamppb.Now()
			return k, nil
		}
	}
	return nil, rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_KEY_NOT_FOUND, "there is no access key %q", accessKey)
}

// fakePlanes has the planes that it is told.
type fakePlanes struct {
	mu     sync.Mutex
	view   plane.View
	waited plane.Waited
	goals  []plane.Goal
	// lasting, if not nil, takes a value from each call that lasts, which then
	// waits for its end.
	lasting chan struct{}
}

func (f *fakePlanes) List(context.Context, string, bool) (*plane.View, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &f.view, nil
}

func (f *fakePlanes) Watch(ctx context.Context, environment string, all bool, show func(*plane.View) error) error {
	v, err := f.List(ctx, environment, all)
	if err != nil {
		return err
	}
	if err := show(v); err != nil {
		return err
	}
	return f.end(ctx)
}

func (f *fakePlanes) Wait(ctx context.Context, goal plane.Goal) (*plane.Waited, error) {
	f.mu.Lock()
	f.goals = append(f.goals, goal)
	f.mu.Unlock()
	return &f.waited, f.end(ctx)
}

func (f *fakePlanes) end(ctx context.Context) error {
	if f.lasting == nil {
		return nil
	}
	f.lasting <- struct{}{}
	<-ctx.Done()
	return context.Cause(ctx)
}
