package revision

import (
	"context"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/strata-exp/strata/controlplane/internal/state"
	"github.com/strata-exp/strata/db/dbsqlc"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/rpc"
)

// assign gives new experiments and variants their ids where they are 0. The ids
// follow the highest ones that were ever used; they are the same each time,
// until somebody uses them.
func (t *transaction) assign(ctx context.Context, changes []state.Change, keep bool) ([]state.Change, error) {
	if !slices.ContainsFunc(changes, lacksID) {
		return changes, nil
	}
	if keep {
		if err := t.q.LockIdentities(ctx); err != nil {
			return nil, err
		}
	}
	highest, err := t.q.HighestIdentities(ctx)
	if err != nil {
		return nil, err
	}
	// Ids that the same request names itself are taken too.
	for i := range changes {
		x := changes[i].Experiment
		highest.Eid = max(highest.Eid, x.GetEid())
		for _, v := range x.GetVariants() {
			highest.Vid = max(highest.Vid, v.GetVid())
		}
	}
	if most := max(highest.Eid, highest.Vid); most > math.MaxInt32-math.MaxInt16 {
		return nil, rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_ID_TAKEN, "%d is in use, which leaves no ids to assign after it: name all ids yourself", most)
	}
	changes = slices.Clone(changes)
	for i := range changes {
		if !lacksID(changes[i]) {
			continue
		}
		x := proto.CloneOf(changes[i].Experiment)
		if x.GetEid() == 0 {
			highest.Eid++
			x.Eid = highest.Eid
		}
		for _, v := range x.GetVariants() {
			if v.GetVid() == 0 {
				highest.Vid++
				v.Vid = highest.Vid
			}
		}
		changes[i].Experiment = x
	}
	return changes, nil
}

func lacksID(c state.Change) bool {
	if c.Experiment == nil || c.Existence == state.MustExist {
		return false
	}
	if c.Experiment.GetEid() == 0 {
		return true
	}
	for _, v := range c.Experiment.GetVariants() {
		if v.GetVid() == 0 {
			return true
		}
	}
	return false
}

// claim makes sure that new variants and their experiments are nothing else in
// any environment, and from now on never will be.
// If not for keeps, it only looks.
func (t *transaction) claim(ctx context.Context, claims []state.Claim, keep bool) error {
	if len(claims) == 0 {
		return nil
	}
	services := map[int32]string{}
	eidOf := map[int32]int32{}
	for _, c := range claims {
		services[c.EID], eidOf[c.VID] = c.Service, c.EID
	}
	eids, vids := sortedKeys(services), sortedKeys(eidOf)
	if !keep {
		return t.compareClaims(ctx, claims, eids, vids)
	}
	// Compared first, as what a refused request claimed would be kept with what
	// the others of its transaction do; the lock lets nothing come in between.
	if err := t.q.LockIdentities(ctx); err != nil {
		return err
	}
	if err := t.compareClaims(ctx, claims, eids, vids); err != nil {
		return err
	}
	experiments, variants := dbsqlc.ClaimExperimentsParams{Eids: eids}, dbsqlc.ClaimVariantsParams{Vids: vids}
	for _, eid := range eids {
		experiments.Services = append(experiments.Services, services[eid])
	}
	for _, vid := range vids {
		variants.Eids = append(variants.Eids, eidOf[vid])
	}
	if err := t.q.ClaimExperiments(ctx, experiments); err != nil {
		return err
	}
	return t.q.ClaimVariants(ctx, variants)
}

// compareClaims refuses claims of what is something else's.
func (t *transaction) compareClaims(ctx context.Context, claims []state.Claim, eids, vids []int32) error {
	knownEIDs, err := t.q.ListExperimentIdentities(ctx, eids)
	if err != nil {
		return err
	}
	knownVIDs, err := t.q.ListVariantIdentities(ctx, vids)
	if err != nil {
		return err
	}
	serviceOf, eidOf := map[int32]string{}, map[int32]int32{}
	for _, known := range knownEIDs {
		serviceOf[known.Eid] = known.Service
	}
	for _, known := range knownVIDs {
		eidOf[known.Vid] = known.Eid
	}
	var refused state.Refused
	told := map[int32]bool{}
	for _, c := range claims {
		problem := state.Problem{Reason: adminv1.ErrorReason_ERROR_REASON_ID_TAKEN, Change: c.Change, ID: state.ExperimentID(c.EID)}
		if service, ok := serviceOf[c.EID]; ok && service != c.Service && !told[c.EID] {
			told[c.EID] = true
			problem.Path = "eid"
			problem.Text = fmt.Sprintf("%d is an experiment of service %s, here or in another environment: use another eid", c.EID, service)
			refused = append(refused, problem)
		}
		if eid, ok := eidOf[c.VID]; ok && eid != c.EID {
			problem.Path = "variants"
			problem.Text = fmt.Sprintf("vid %d belongs to experiment %d, here or in another environment, and stays its for good: use another vid", c.VID, eid)
			refused = append(refused, problem)
		}
	}
	if len(refused) > 0 {
		return refused
	}
	return nil
}

func sortedKeys[V any](m map[int32]V) []int32 {
	keys := make([]int32, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
