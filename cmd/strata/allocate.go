package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/settings"
)

func newAllocate(env settings.LookupEnv) *cobra.Command {
	l := &life{verb: "Change the slots of"}
	var traffic allocationFlags
	var ignoreCooling bool
	command := &cobra.Command{
		Use:   "allocate EID --percent VID=PERCENT...",
		Short: "Set how much traffic each variant gets",
		Long: `Set how much traffic each variant of an experiment gets. The control plane finds
the slots, and moves as few users as possible. Variants that are not named get
none. A draft keeps it for its start, a paused experiment for its resumption.`,
		Example: `  strata allocate 100 --percent 1001=40 --percent 1002=10
  strata allocate 100 --slots 1001=4000,1002=1000
  strata allocate 100 --weights 1001=1,1002=1 --total 3000`,
	}
	l.register(env, command, func(ctx context.Context, s *server, eid int32, a attempt) (outcome, error) {
		allocation, err := traffic.allocation()
		if err != nil {
			return nil, err
		}
		if allocation == nil {
			return nil, errors.New("want how much traffic each variant gets: --percent, --slots or --weights")
		}
		return s.experiments.SetAllocation(ctx, &adminv1.ExperimentServiceSetAllocationRequest{
			Environment: s.environment, Eid: eid, ExpectedRevision: a.expectedRevision, Message: a.message,
			ValidateOnly: a.validateOnly, IdempotencyKey: a.idempotencyKey, ExpectedChecksum: a.expectedChecksum,
			Allocation: allocation, IgnoreCooling: ignoreCooling,
		})
	})
	traffic.register(command)
	registerIgnoreCooling(command, &ignoreCooling)
	return command
}
