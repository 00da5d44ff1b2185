package history

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

// Entity names an entity.
type Entity struct {
	Kind uint8
	Key  string
}

// Entities are a configuration: the payload of each entity.
type Entities map[Entity][]byte

// HashOf computes the hash of a configuration as strata.config.v1.Entity has it.
func HashOf(entities Entities) string {
	names := [256][]Entity{}
	for e := range entities {
		leaf := sha256.Sum256(append([]byte{e.Kind}, e.Key...))[0]
		names[leaf] = append(names[leaf], e)
	}
	var all []byte
	for _, leaf := range names {
		slices.SortFunc(leaf, func(a, b Entity) int {
			if a.Kind != b.Kind {
				return int(a.Kind) - int(b.Kind)
			}
			return strings.Compare(a.Key, b.Key)
		})
		var text []byte
		for _, e := range leaf {
			text = append(text, e.Kind)
			text = binary.BigEndian.AppendUint32(text, uint32(len(e.Key)))
			text = append(text, e.Key...)
			payload := sha256.Sum256(entities[e])
			text = append(text, payload[:]...)
		}
		digest := sha256.Sum256(text)
		all = append(all, digest[:]...)
	}
	hash := sha256.Sum256(all)
	return hex.EncodeToString(hash[:])
}

// Snapshot returns what data planes get of a revision's contents.
func Snapshot(revision int64, contents *adminv1.Contents) *configv1.Snapshot {
	s := &configv1.Snapshot{Revision: revision, Fields: contents.GetFields()}
	for _, l := range contents.GetLayers() {
		s.Layers = append(s.Layers, &configv1.Layer{
			LayerId: l.GetLayerId(), Version: l.GetVersion(), Priority: l.GetPriority(), HashKey: l.GetHashKey(),
			Salt: l.GetSalt(), Enabled: l.Enabled == nil || l.GetEnabled(), Ranges: l.GetRanges(), Service: l.GetService(),
		})
	}
	for _, x := range contents.GetExperiments() {
		s.Experiments = append(s.Experiments, &configv1.Experiment{
			Eid: x.GetEid(), Service: x.GetService(), Rule: x.GetRule(), Variants: x.GetVariants(),
		})
	}
	return s
}

// Project returns what belongs to a scope, as the naive reader of the
// documentation has it: of the services, or of all if the scope is empty, the
// experiments that have slots, and what they need. Whole layers go to those who
// follow everything alone.
func Project(s *configv1.Snapshot, scope string) *configv1.Snapshot {
	services := strings.Split(scope, ",")
	in := func(service string) bool { return scope == "" || slices.Contains(services, service) }
	owner := map[int32]string{}
	for _, x := range s.GetExperiments() {
		for _, v := range x.GetVariants() {
			owner[v.GetVid()] = x.GetService()
		}
	}
	out := &configv1.Snapshot{Revision: s.GetRevision(), Fields: s.GetFields()}
	standing := map[int32]bool{}
	for _, l := range s.GetLayers() {
		if l.GetService() != "" && !in(l.GetService()) {
			continue
		}
		var ranges []*configv1.Range
		for _, r := range l.GetRanges() {
			if service, ok := owner[r.GetVid()]; ok && in(service) {
				ranges = append(ranges, r)
				standing[r.GetVid()] = true
			}
		}
		switch {
		case scope == "":
			out.Layers = append(out.Layers, l)
		case len(ranges) > 0:
			projected := proto.CloneOf(l)
			projected.Ranges = ranges
			out.Layers = append(out.Layers, projected)
		}
	}
	for _, x := range s.GetExperiments() {
		stands := slices.ContainsFunc(x.GetVariants(), func(v *configv1.Variant) bool { return standing[v.GetVid()] })
		if in(x.GetService()) && stands {
			out.Experiments = append(out.Experiments, x)
		}
	}
	return out
}

// Encode returns the entities of a snapshot.
func Encode(s *configv1.Snapshot) (Entities, error) {
	entities := Entities{}
	options := proto.MarshalOptions{Deterministic: true}
	put := func(kind configv1.EntityKind, key string, m proto.Message) error {
		payload, err := options.Marshal(m)
		entities[Entity{uint8(kind), key}] = payload
		return err
	}
	for _, l := range s.GetLayers() {
		if err := put(configv1.EntityKind_ENTITY_KIND_LAYER, l.GetLayerId(), l); err != nil {
			return nil, err
		}
	}
	for _, x := range s.GetExperiments() {
		if err := put(configv1.EntityKind_ENTITY_KIND_EXPERIMENT, strconv.Itoa(int(x.GetEid())), x); err != nil {
			return nil, err
		}
	}
	for _, f := range s.GetFields() {
		if err := put(configv1.EntityKind_ENTITY_KIND_FIELD, f.GetName(), f); err != nil {
			return nil, err
		}
	}
	return entities, nil
}
