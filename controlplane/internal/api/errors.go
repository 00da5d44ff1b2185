package api

import (
	"errors"
	"fmt"
	"strings"

	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/rpc"
)

const (
	// maxNamed is how many problems the message of a refusal has.
	maxNamed = 5
	// maxViolations is how many problems a refusal has at all.
	maxViolations = 1000
)

// places says which value of a request, or which resource, has a problem.
type places func(p state.Problem) string

// refusal gives problems with changes their places in a request. All other errors
// stay as they are.
func (at places) refusal(err error) error {
	refused, ok := errors.AsType[state.Refused](err)
	if !ok {
		return err
	}
	refusal := &rpc.Refusal{Reason: refused.Reason(), Problem: named(refused)}
	for _, p := range refused[:min(len(refused), maxViolations)] {
		place := at
		if p.Change < 0 {
			place = unnamed
		}
		refusal.Violations = append(refusal.Violations, rpc.Violation{Field: place(p), Problem: p.Text, Reason: p.Reason})
	}
	return refusal
}

// named lists the first problems, and says how many more there are.
func named(refused state.Refused) string {
	parts := make([]string, 0, maxNamed+1)
	for _, p := range refused[:min(len(refused), maxNamed)] {
		parts = append(parts, p.String())
	}
	if more := len(refused) - maxNamed; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, "; ")
}

// unnamed are the places of what stands in no request, such as "layer ads:
// ranges[1].end".
func unnamed(p state.Problem) string {
	if p.Path == "" {
		return p.ID.String()
	}
	return p.ID.String() + ": " + p.Path
}

// inField are the places of a request that has the resource in a field, and the
// mask beside it.
func inField(field string) places {
	return func(p state.Problem) string {
		switch p.Path {
		case "":
			return field
		case "update_mask":
			return p.Path
		default:
			return field + "." + p.Path
		}
	}
}

// inDeletion are the places of a request that has the id of a resource in a
// field, and the etag beside it.
func inDeletion(field string) places {
	return func(p state.Problem) string {
		if p.Path == "etag" {
			return p.Path
		}
		return field
	}
}

// inChanges are the places of a request that has changes.
func inChanges(changes []*adminv1.Change) places {
	return func(p state.Problem) string {
		change, field := changes[p.Change], fmt.Sprintf("changes[%d]", p.Change)
		kind := change.ProtoReflect().WhichOneof(change.ProtoReflect().Descriptor().Oneofs().ByName("change"))
		beside := p.Path == "update_mask" || p.Path == "etag" && (change.GetEtag() != "" || kind.Message() == nil)
		switch {
		case beside:
			return field + "." + p.Path
		case p.Path == "" || kind.Message() == nil:
			return field + "." + string(kind.Name())
		default:
			return field + "." + string(kind.Name()) + "." + p.Path
		}
	}
}

// noResource is the refusal of a resource that does not exist.
func noResource(environment string, s *state.State, id state.ID) error {
	return rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_RESOURCE_NOT_FOUND,
		"there is no %s in environment %s at revision %d", id, environment, s.Revision())
}
