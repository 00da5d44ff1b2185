package plan

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
)

// resources says what becomes of each resource.
func (p *planner) resources() []*adminv1.ResourceDiff {
	all := make([]*adminv1.ResourceDiff, len(p.touched))
	for i, t := range p.touched {
		d := &adminv1.ResourceDiff{
			Kind: adminv1.ResourceKind(t.ID.Kind), Id: t.ID.Key, Action: adminv1.ResourceDiff_ACTION_UPDATE,
		}
		switch {
		case t.Before == nil:
			d.Action = adminv1.ResourceDiff_ACTION_CREATE
		case t.After == nil:
			d.Action = adminv1.ResourceDiff_ACTION_DELETE
		default:
			d.Values = p.values(t)
		}
		all[i] = d
	}
	return all
}

// values says what differs in a resource, by path.
func (p *planner) values(t state.Touch) []*adminv1.ValueDiff {
	var v values
	switch t.ID.Kind {
	case state.KindLayer:
		v.layer(t.Before.Layer(), t.After.Layer())
	case state.KindExperiment:
		v.experiment(t.Before.Experiment(), t.After.Experiment())
		v.variants(p.reader.of(t.Before.Experiment()), p.reader.of(t.After.Experiment()))
	case state.KindField:
		v.add("type", text(fieldTypes[t.Before.Field().GetType()]), text(fieldTypes[t.After.Field().GetType()]))
	case state.KindService:
		v.service(t.Before.Service(), t.After.Service())
	}
	slices.SortFunc(v, func(a, b *adminv1.ValueDiff) int { return cmp.Compare(a.GetPath(), b.GetPath()) })
	return v
}

// values collects what differs in one resource.
type values []*adminv1.ValueDiff

func (v *values) add(path, before, after string) {
	if before != after {
		*v = append(*v, &adminv1.ValueDiff{Path: path, Before: before, After: after})
	}
}

func (v *values) layer(a, b *adminv1.Layer) {
	v.add("version", text(a.GetVersion()), text(b.GetVersion()))
	v.add("priority", number(a.GetPriority()), number(b.GetPriority()))
	v.add("hash_key", text(a.GetHashKey()), text(b.GetHashKey()))
	v.add("salt", text(a.GetSalt()), text(b.GetSalt()))
	v.add("enabled", strconv.FormatBool(a.GetEnabled()), strconv.FormatBool(b.GetEnabled()))
	v.add("ranges", ranges(a.GetRanges()), ranges(b.GetRanges()))
	v.add("service", text(a.GetService()), text(b.GetService()))
	v.add("description", text(a.GetDescription()), text(b.GetDescription()))
	v.add("owners", texts(a.GetOwners()), texts(b.GetOwners()))
	v.add("tags", texts(a.GetTags()), texts(b.GetTags()))
}

// experiment adds all but the variants.
func (v *values) experiment(a, b *adminv1.Experiment) {
	v.add("service", text(a.GetService()), text(b.GetService()))
	v.add("rule", rule(a.GetRule()), rule(b.GetRule()))
	v.add("layer_id", text(a.GetLayerId()), text(b.GetLayerId()))
	v.add("name", text(a.GetName()), text(b.GetName()))
	v.add("description", text(a.GetDescription()), text(b.GetDescription()))
	v.add("hypothesis", text(a.GetHypothesis()), text(b.GetHypothesis()))
	v.add("owners", texts(a.GetOwners()), texts(b.GetOwners()))
	v.add("tags", texts(a.GetTags()), texts(b.GetTags()))
	v.add("state", text(a.GetState().String()), text(b.GetState().String()))
	v.add("winner_vid", winner(a), winner(b))
	v.add("allocation", list(a.GetAllocation(), appendSlots), list(b.GetAllocation(), appendSlots))
	v.add("held", ranges(a.GetHeld()), ranges(b.GetHeld()))
}

func (v *values) service(a, b *adminv1.Service) {
	v.params("schema", readParams(a.GetSchemaJson()), readParams(b.GetSchemaJson()))
	v.add("description", text(a.GetDescription()), text(b.GetDescription()))
	v.add("owners", texts(a.GetOwners()), texts(b.GetOwners()))
	v.add("tags", texts(a.GetTags()), texts(b.GetTags()))
}

func winner(x *adminv1.Experiment) string {
	if x.GetWinnerVid() == 0 {
		return ""
	}
	return number(x.GetWinnerVid())
}

func appendSlots(dst []byte, a *adminv1.VariantSlots) []byte {
	return appendNumbers(dst, member{"vid", a.GetVid()}, member{"slots", a.GetSlots()})
}
