package auth

import (
	"context"
	"slices"
	"time"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/rpc"
)

// Principal is the owner of an access key, and what it may do. It is shared, and
// must not be changed.
type Principal struct {
	AccessKey string
	// Name is for people.
	Name string
	Role servingv1.Role
	// Environments are where it may do that; empty is everywhere.
	Environments []string
	// Services are those that it may have, sorted; empty is all of them.
	Services []string
	// ExpiresAt is until when; zero is for ever.
	ExpiresAt time.Time
}

func newPrincipal(key *servingv1.PublicKey) *Principal {
	p := &Principal{
		AccessKey: key.GetAccessKey(), Name: key.GetName(), Role: key.GetRole(),
		Environments: sorted(key.GetEnvironments()), Services: sorted(key.GetServices()),
	}
	if key.GetExpiresAt() != nil {
		p.ExpiresAt = key.GetExpiresAt().AsTime()
	}
	return p
}

// Environment reports whether the principal may do anything there.
func (p *Principal) Environment(name string) bool {
	return len(p.Environments) == 0 || slices.Contains(p.Environments, name)
}

// Narrow returns the services that the principal gets when it asks for these,
// sorted and without repetition. Asking for none is asking for all that it may
// have; nil is all there are. Asking for one that it may not have is a
// *rpc.Declined.
func (p *Principal) Narrow(services []string) ([]string, error) {
	if len(services) == 0 {
		return slices.Clone(p.Services), nil
	}
	asked := sorted(services)
	for _, service := range asked {
		if _, granted := slices.BinarySearch(p.Services, service); !granted && len(p.Services) > 0 {
			return nil, rpc.Declinef(servingv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED,
				"the access key is not for the service %q: ask for those of the key alone, or for none to get them all", rpc.Clip(service))
		}
	}
	return asked, nil
}

// Same reports whether the principal may do the same as another one. Where it
// does not, what was begun for that one has to end.
func (p *Principal) Same(other *Principal) bool {
	return p.AccessKey == other.AccessKey && p.Role == other.Role &&
		slices.Equal(p.Environments, other.Environments) && slices.Equal(p.Services, other.Services)
}

// sorted returns a sorted copy without repetition, nil if it is empty.
func sorted(names []string) []string {
	if len(names) == 0 {
		return nil
	}
	names = slices.Clone(names)
	slices.Sort(names)
	return slices.Compact(names)
}

type contextKey struct{}

// NewContext returns a context in which a principal calls.
func NewContext(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// FromContext returns who calls. It is not ok where nobody was authenticated.
func FromContext(ctx context.Context) (p *Principal, ok bool) {
	p, ok = ctx.Value(contextKey{}).(*Principal)
	return p, ok
}
