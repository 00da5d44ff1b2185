package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"

	"github.com/strata-exp/strata/controlplane"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/credentials"
	"github.com/strata-exp/strata/internal/settings"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

const (
	devKeyName   = "strata dev"
	planeKeyName = "strata dev data plane"
	// keyWait is how long a control plane may take to know a key that was made in
	// its database.
	keyWait = 10 * time.Second
)

// devKeys are the access keys of everything on this machine: one for those who
// use the control plane, and one for the data plane. They are kept in the
// credentials file, where the other commands find them.
type devKeys struct {
	databaseURL string
	env         settings.LookupEnv

	url          string // of the control plane
	admin, plane *accesskey.Key
	made         bool // admin is new
	kept         string
	problem      error // why they are not kept
}

// first makes the first key if there is none for the control plane, which is not
// running yet and so will know it from the start.
func (k *devKeys) first(ctx context.Context, url string) (err error) {
	if file, err := k.file(); err == nil {
		if k.admin, _ = file.Find(url); k.admin != nil {
			return nil
		}
	}
	return k.bootstrap(ctx)
}

func (k *devKeys) bootstrap(ctx context.Context) (err error) {
	k.admin, err = controlplane.Bootstrap(ctx, k.databaseURL, controlplane.BootstrapOptions{Name: devKeyName, Force: true})
	k.made = true
	return err
}

// complete makes sure that the control plane takes the keys, and keeps them.
func (k *devKeys) complete(ctx context.Context, l controlplane.Listening) error {
	k.url = "http://" + l.HTTP.String()
	stream := "http://" + l.Push.String()
	inUse, err := k.inUse(ctx)
	if connect.CodeOf(err) == connect.CodeUnauthenticated { // a key of another database
		if err := k.bootstrap(ctx); err != nil {
			return err
		}
		inUse, err = k.untilKnown(ctx)
	}
	if err != nil {
		return err
	}
	file, problem := k.file()
	if problem == nil {
		k.plane, _ = file.Find(stream)
	}
	if k.plane == nil || !inUse[k.plane.AccessKey()] {
		if k.plane, err = k.makePlane(ctx); err != nil {
			return err
		}
	}
	if problem == nil {
		k.kept = file.Path()
		problem = errors.Join(file.Set(k.url, k.admin), file.Set(stream, k.plane))
	}
	if problem == nil {
		problem = file.Write()
	}
	k.problem = problem
	return nil
}

func (k *devKeys) file() (*credentials.File, error) {
	path, err := credentials.Path(k.env)
	if err != nil {
		return nil, err
	}
	return credentials.Read(path)
}

// connection is how the demo is made.
func (k *devKeys) connection(environment string) *connection {
	return &connection{server: k.url, environment: environment, author: devKeyName, key: k.admin, keySource: k.kept}
}

// inUse returns the access keys that are in use.
func (k *devKeys) inUse(ctx context.Context) (map[string]bool, error) {
	s := newServer(k.connection(""))
	defer s.close()
	const all = 1000
	answer, err := s.keys.List(ctx, &adminv1.AccessKeyServiceListRequest{PageSize: all, InUse: true})
	names := make(map[string]bool, len(answer.GetAccessKeys()))
	for _, key := range answer.GetAccessKeys() {
		names[key.GetKey().GetAccessKey()] = true
	}
	return names, err
}

// untilKnown is inUse once the control plane knows the new key.
func (k *devKeys) untilKnown(ctx context.Context) (map[string]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, keyWait)
	defer cancel()
	for {
		names, err := k.inUse(ctx)
		if connect.CodeOf(err) != connect.CodeUnauthenticated {
			return names, err
		}
		if waitFor(ctx, keyWait/100) != nil {
			return nil, err
		}
	}
}

// makePlane makes a key for the data plane. Its last one is of no use to anybody.
func (k *devKeys) makePlane(ctx context.Context) (*accesskey.Key, error) {
	s := newServer(k.connection(""))
	defer s.close()
	pair, err := accesskey.Generate()
	if err != nil {
		return nil, err
	}
	create := func() error {
		_, err := s.keys.Create(ctx, &adminv1.AccessKeyServiceCreateRequest{
			Name: planeKeyName, Role: servingv1.Role_ROLE_PLANE, PublicKey: pair.PublicKey(),
		})
		return err
	}
	if err = create(); connect.CodeOf(err) == connect.CodeFailedPrecondition { // two are in use
		if err = k.revokePlanes(ctx, s); err == nil {
			err = create()
		}
	}
	return pair, err
}

func (k *devKeys) revokePlanes(ctx context.Context, s *server) error {
	keys, _, err := s.listKeys(ctx, 0, true)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if key.GetKey().GetName() != planeKeyName {
			continue
		}
		_, err := s.keys.Revoke(ctx, &adminv1.AccessKeyServiceRevokeRequest{AccessKey: key.GetKey().GetAccessKey()})
		if err != nil {
			return err
		}
	}
	return nil
}

// tell says where the key is, and shows it the one time that it is made.
func (k *devKeys) tell() string {
	var text string
	if k.made {
		text = fmt.Sprintf("\n  export %s=%s\n  export %s=%s\n",
			accesskey.AccessKeyVariable, k.admin.AccessKey(), accesskey.SecretKeyVariable, k.admin.SecretKey())
	}
	if k.problem != nil {
		return text + fmt.Sprintf("\nThe access key could not be kept: %v\n", k.problem)
	}
	if k.made {
		return text + fmt.Sprintf("\nThis key may do everything here, and is shown this once. strata finds it in\n%s.\n", k.kept)
	}
	return fmt.Sprintf("  access key    %s, in %s\n", k.admin.AccessKey(), k.kept)
}
