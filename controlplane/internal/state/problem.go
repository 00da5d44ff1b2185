package state

import (
	"strings"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// Problem is one reason why changes are refused.
type Problem struct {
	Reason adminv1.ErrorReason
	// Change is the index of the change at fault, -1 where a resource is at fault
	// that no change names.
	Change int
	// ID is the resource at fault.
	ID ID
	// Path leads from the resource to the value at fault, such as
	// "ranges[1].end". It is empty where the resource as a whole is at fault.
	Path string
	// Text says what is wrong there, and what would be right.
	Text string
}

func (p Problem) String() string {
	if p.Path == "" {
		return p.ID.String() + ": " + p.Text
	}
	return p.ID.String() + ": " + p.Path + ": " + p.Text
}

// Refused is the error of changes that can not be made: everything that is wrong
// with them, at least one thing.
type Refused []Problem

func (r Refused) Error() string {
	lines := make([]string, len(r))
	for i, p := range r {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Reason returns the reason that all problems have, or that they are of several
// kinds.
func (r Refused) Reason() adminv1.ErrorReason {
	for _, p := range r {
		if p.Reason != r[0].Reason {
			return adminv1.ErrorReason_ERROR_REASON_INVALID_CONFIGURATION
		}
	}
	return r[0].Reason
}

// reasons are the engine's kinds of faults.
var reasons = map[engine.Reason]adminv1.ErrorReason{
	engine.InvalidValue:   adminv1.ErrorReason_ERROR_REASON_INVALID_VALUE,
	engine.RangesOverlap:  adminv1.ErrorReason_ERROR_REASON_RANGES_OVERLAP,
	engine.InTwoLayers:    adminv1.ErrorReason_ERROR_REASON_EXPERIMENT_IN_TWO_LAYERS,
	engine.UnknownVariant: adminv1.ErrorReason_ERROR_REASON_UNKNOWN_VARIANT,
	engine.IDTaken:        adminv1.ErrorReason_ERROR_REASON_ID_TAKEN,
	engine.WrongService:   adminv1.ErrorReason_ERROR_REASON_SERVICE_MISMATCH,
	engine.InvalidRule:    adminv1.ErrorReason_ERROR_REASON_INVALID_RULE,
	engine.InvalidParams:  adminv1.ErrorReason_ERROR_REASON_INVALID_PARAMS,
	engine.ParamsTooLarge: adminv1.ErrorReason_ERROR_REASON_PARAMS_TOO_LARGE,
}

// kindOf are the engine's kinds of resources.
var kindOf = map[engine.Kind]Kind{
	engine.KindLayer:      KindLayer,
	engine.KindExperiment: KindExperiment,
	engine.KindField:      KindField,
}
