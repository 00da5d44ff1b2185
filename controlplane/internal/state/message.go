package state

import (
	"errors"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/internal/schema"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// What a change may replace of a resource, and what only an exact one may.
var (
	layerFields = []protoreflect.Name{
		"version", "priority", "hash_key", "salt", "enabled", "ranges", "service", "description", "owners", "tags",
	}
	experimentFields = []protoreflect.Name{
		"service", "rule", "variants", "layer_id", "name", "description", "hypothesis", "owners", "tags",
	}
	serviceFields          = []protoreflect.Name{"schema_json", "description", "owners", "tags"}
	storedExperimentFields = append(slices.Clone(experimentFields), "state", "winner_vid", "allocation", "held")
)

// message returns the message that a change leads to, nil if it can not be.
func (e *edit) message(id ID, c *Change, before *Resource) proto.Message {
	switch {
	case c.Layer != nil:
		return e.layer(id, c, before.Layer())
	case c.Experiment != nil:
		return e.experiment(id, c, before.Experiment())
	case c.Service != nil:
		return e.service(id, c, before.Service())
	default:
		return &configv1.Field{Name: c.Field.GetName(), Type: c.Field.GetType()}
	}
}

func (e *edit) layer(id ID, c *Change, before *adminv1.Layer) proto.Message {
	if !e.checkMask(id, c.Mask, layerFields) {
		return nil
	}
	l := &adminv1.Layer{LayerId: c.Layer.GetLayerId()}
	replace(l, before, c.Layer, c.Mask, layerFields)
	if l.Enabled == nil {
		l.Enabled = new(true)
	}
	if l.Salt == "" {
		switch {
		case before != nil:
			l.Salt = before.GetSalt()
		case l.GetVersion() == "":
			e.problem(adminv1.ErrorReason_ERROR_REASON_INVALID_VALUE, id, "salt",
				"is missing, and without a version it can not be {layer_id}_{version}")
			return nil
		default:
			l.Salt = l.GetLayerId() + "_" + l.GetVersion()
		}
	}
	if before != nil && !c.Exact && e.live(before) {
		if l.GetSalt() != before.GetSalt() {
			e.problem(adminv1.ErrorReason_ERROR_REASON_SALT_IMMUTABLE, id, "salt",
				"can not change from %q to %q, as the layer has given out slots and everyone in it would move: make a new layer instead",
				before.GetSalt(), l.GetSalt())
		}
		if l.GetHashKey() != before.GetHashKey() {
			e.problem(adminv1.ErrorReason_ERROR_REASON_HASH_KEY_IMMUTABLE, id, "hash_key",
				"can not change from %q to %q, as the layer has given out slots and everyone in it would move: make a new layer instead",
				before.GetHashKey(), l.GetHashKey())
		}
	}
	l.Ranges = normalRanges(l.GetRanges())
	return l
}

// live reports whether users are, or will be again, in slots of a layer.
func (e *edit) live(l *adminv1.Layer) bool {
	_, holding := e.before.holding.get(l.GetLayerId())
	return len(l.GetRanges()) > 0 || holding
}

func (e *edit) experiment(id ID, c *Change, before *adminv1.Experiment) proto.Message {
	fields := experimentFields
	if c.Exact {
		fields = storedExperimentFields
	}
	if !e.checkMask(id, c.Mask, fields) {
		return nil
	}
	x := &adminv1.Experiment{Eid: c.Experiment.GetEid()}
	if before != nil && !c.Exact {
		x.State, x.WinnerVid = before.GetState(), before.GetWinnerVid()
		x.Allocation, x.Held = before.GetAllocation(), before.GetHeld()
	}
	replace(x, before, c.Experiment, c.Mask, fields)
	if before != nil && x.GetService() != before.GetService() {
		e.problem(adminv1.ErrorReason_ERROR_REASON_INVALID_VALUE, id, "service",
			"is %s and can not become %s: make a new experiment instead", before.GetService(), x.GetService())
	}
	for i, v := range x.GetVariants() {
		if normal, ok := engine.NormalParams(v.GetParamsJson()); ok && normal != v.GetParamsJson() {
			x.Variants[i] = &configv1.Variant{Vid: v.GetVid(), ParamsJson: normal}
		}
	}
	return x
}

func (e *edit) service(id ID, c *Change, before *adminv1.Service) proto.Message {
	if !e.checkMask(id, c.Mask, serviceFields) {
		return nil
	}
	s := &adminv1.Service{Service: c.Service.GetService()}
	if n := len(s.GetService()); n == 0 || n > engine.MaxNameBytes {
		e.problem(adminv1.ErrorReason_ERROR_REASON_INVALID_VALUE, id, "service", "is %d bytes long, want 1 to %d", n, engine.MaxNameBytes)
		return nil
	}
	replace(s, before, c.Service, c.Mask, serviceFields)
	if before != nil && s.GetSchemaJson() == before.GetSchemaJson() {
		return s
	}
	_, err := schema.Compile(s.GetSchemaJson())
	if faults, ok := errors.AsType[schema.Faults](err); ok {
		for _, f := range faults {
			e.problem(adminv1.ErrorReason_ERROR_REASON_INVALID_SCHEMA, id, joinPath("schema_json", f.Path), "%s", f.Problem)
		}
		return nil
	}
	if normal, err := schema.Normal(s.GetSchemaJson()); err == nil {
		s.SchemaJson = normal
	}
	return s
}

func (e *edit) checkMask(id ID, mask []string, fields []protoreflect.Name) bool {
	for _, path := range mask {
		if !slices.Contains(fields, protoreflect.Name(path)) {
			names := make([]string, len(fields))
			for i, name := range fields {
				names[i] = string(name)
			}
			e.problem(adminv1.ErrorReason_ERROR_REASON_INVALID_VALUE, id, "update_mask",
				"%q is nothing that can be changed, want some of %s", path, strings.Join(names, ", "))
			return false
		}
	}
	return true
}

// replace fills a message: each of the fields comes from the new message, or
// from the one before if there is one and the mask does not name the field. It
// shares what it takes.
func replace[M proto.Message](dst, before, after M, mask []string, fields []protoreflect.Name) {
	into, old, fresh := dst.ProtoReflect(), before.ProtoReflect(), after.ProtoReflect()
	all := into.Descriptor().Fields()
	for _, name := range fields {
		from := fresh
		if old.IsValid() && len(mask) > 0 && !slices.Contains(mask, string(name)) {
			from = old
		}
		if field := all.ByName(name); from.Has(field) {
			if field.IsList() {
				list := into.Mutable(field).List()
				for i := range from.Get(field).List().Len() {
					list.Append(from.Get(field).List().Get(i))
				}
			} else {
				into.Set(field, from.Get(field))
			}
		}
	}
}

// normalRanges returns ranges in order, neighbours of one variant joined. Ranges
// that are at fault stay as they are, so that the faults name their places.
func normalRanges(ranges []*configv1.Range) []*configv1.Range {
	sorted := slices.Clone(ranges)
	slices.SortStableFunc(sorted, func(a, b *configv1.Range) int { return int(a.GetStart()) - int(b.GetStart()) })
	at := int32(0)
	joined := make([]*configv1.Range, 0, len(sorted))
	for _, r := range sorted {
		if r.GetStart() < at || r.GetEnd() <= r.GetStart() || r.GetEnd() > engine.Slots {
			return ranges
		}
		last := len(joined) - 1
		if last >= 0 && joined[last].GetEnd() == r.GetStart() && joined[last].GetVid() == r.GetVid() {
			joined[last] = &configv1.Range{Start: joined[last].GetStart(), End: r.GetEnd(), Vid: r.GetVid()}
		} else {
			joined = append(joined, r)
		}
		at = r.GetEnd()
	}
	return joined
}
