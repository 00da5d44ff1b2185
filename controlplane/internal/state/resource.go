package state

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"google.golang.org/protobuf/proto"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/internal/schema"
	"github.com/strata-exp/strata/sdk/go/hashtree"
)

// Kind is a kind of resource. Its numbers are those of
// strata.admin.v1.ResourceKind, and stand in the database.
type Kind int16

// The kinds of resources.
const (
	KindLayer Kind = iota + 1
	KindExperiment
	KindField
	KindService
	kinds
)

func (k Kind) String() string {
	switch k {
	case KindLayer:
		return "layer"
	case KindExperiment:
		return "experiment"
	case KindField:
		return "field"
	case KindService:
		return "service"
	default:
		return "resource of kind " + strconv.Itoa(int(k))
	}
}

// ID names a resource of an environment.
type ID struct {
	Kind Kind
	// Key is a layer_id, an eid in decimal, or the name of a field or a service.
	Key string
}

// LayerID returns the ID of a layer.
func LayerID(layerID string) ID { return ID{KindLayer, layerID} }

// ExperimentID returns the ID of an experiment.
func ExperimentID(eid int32) ID { return ID{KindExperiment, strconv.Itoa(int(eid))} }

// FieldID returns the ID of a declared field.
func FieldID(name string) ID { return ID{KindField, name} }

// ServiceID returns the ID of a declared service.
func ServiceID(name string) ID { return ID{KindService, name} }

func (id ID) treeKey() hashtree.Key { return hashtree.Key{Kind: uint8(id.Kind), Name: id.Key} }

func (id ID) String() string { return id.Kind.String() + " " + id.Key }

// compareIDs orders by kind, then by key in byte order.
func compareIDs(a, b ID) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key))
}

// Resource is a layer, an experiment, or a declared field or service as it was
// from one revision on. It never changes. The methods of a nil Resource return nil.
type Resource struct {
	ID ID
	// Payload is the message as it is stored, and Digest its SHA-256.
	Payload []byte
	Digest  hashtree.Hash
	// Created and Updated are the revisions that made it and made it like this.
	Created, Updated Version

	layer      *adminv1.Layer
	experiment *adminv1.Experiment
	field      *configv1.Field
	service    *adminv1.Service
	// config is what planes get: *configv1.Layer, *configv1.Experiment or
	// *configv1.Field, nil for nothing. While it is equal it stays the same message.
	config proto.Message
	// schema compiles the schema of a service when it is first asked for.
	schema func() (*schema.Schema, error)
}

// TreeKey implements hashtree.Item.
func (r *Resource) TreeKey() hashtree.Key { return r.ID.treeKey() }

// TreeDigest implements hashtree.Item.
func (r *Resource) TreeDigest() hashtree.Hash { return r.Digest }

// Layer returns the layer without what is output only; nil if it is none.
func (r *Resource) Layer() *adminv1.Layer {
	if r == nil {
		return nil
	}
	return r.layer
}

// Experiment returns the experiment with its state and, if it has no slots, what
// it will have or is held for it, but nothing else that is output only; nil if
// it is none.
func (r *Resource) Experiment() *adminv1.Experiment {
	if r == nil {
		return nil
	}
	return r.experiment
}

// Field returns the declared field; nil if it is none.
func (r *Resource) Field() *configv1.Field {
	if r == nil {
		return nil
	}
	return r.field
}

// Service returns the declared service without what is output only; nil if it is
// none.
func (r *Resource) Service() *adminv1.Service {
	if r == nil {
		return nil
	}
	return r.service
}

// Config returns what planes get of it: a *configv1.Layer, *configv1.Experiment
// or *configv1.Field; nil for a service, which they do not get.
func (r *Resource) Config() proto.Message { return r.config }

// Etag returns a text that changes whenever the resource does, or the slots of
// an experiment. It has a part of the digest in it, so that the etag of a
// resource that was only planned is not that of another one later.
func (r *Resource) Etag() string {
	const part = 4 // bytes
	return strconv.FormatInt(r.Updated.Revision, 10) + "-" + hex.EncodeToString(r.Digest[:part])
}

var marshal = proto.MarshalOptions{Deterministic: true}

// newResource makes a resource of a message. before is what it replaces, nil for
// nothing.
func newResource(id ID, message proto.Message, before *Resource, version Version) (*Resource, error) {
	payload, err := marshal.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", id, err)
	}
	r := &Resource{ID: id, Payload: payload, Digest: sha256.Sum256(payload), Created: version, Updated: version}
	r.take(message)
	if before != nil {
		r.Created = before.Created
		if proto.Equal(r.config, before.config) {
			r.config = before.config
		}
	}
	return r, nil
}

// Decode makes a resource of what was stored.
func Decode(id ID, payload []byte, created, updated Version) (*Resource, error) {
	r := &Resource{ID: id, Payload: payload, Digest: sha256.Sum256(payload), Created: created, Updated: updated}
	var message proto.Message
	switch id.Kind {
	case KindLayer:
		message = new(adminv1.Layer)
	case KindExperiment:
		message = new(adminv1.Experiment)
	case KindField:
		message = new(configv1.Field)
	case KindService:
		message = new(adminv1.Service)
	default:
		return nil, fmt.Errorf("%s: unknown kind", id)
	}
	if err := proto.Unmarshal(payload, message); err != nil {
		return nil, fmt.Errorf("%s: %w", id, err)
	}
	r.take(message)
	if named := idOf(message); named != id {
		return nil, errors.New("stored as " + id.String() + ", but is " + named.String())
	}
	return r, nil
}

func idOf(message proto.Message) ID {
	switch m := message.(type) {
	case *adminv1.Layer:
		return LayerID(m.GetLayerId())
	case *adminv1.Experiment:
		return ExperimentID(m.GetEid())
	case *configv1.Field:
		return FieldID(m.GetName())
	case *adminv1.Service:
		return ServiceID(m.GetService())
	default:
		return ID{}
	}
}

func (r *Resource) take(message proto.Message) {
	switch m := message.(type) {
	case *adminv1.Layer:
		r.layer, r.config = m, LayerConfig(m)
	case *adminv1.Experiment:
		r.experiment, r.config = m, ExperimentConfig(m)
	case *configv1.Field:
		r.field, r.config = m, m
	case *adminv1.Service:
		r.service = m
		r.schema = sync.OnceValues(func() (*schema.Schema, error) { return schema.Compile(m.GetSchemaJson()) })
	}
}

// LayerConfig returns what planes get of a layer. It shares the layer's ranges.
func LayerConfig(l *adminv1.Layer) *configv1.Layer {
	return &configv1.Layer{
		LayerId: l.GetLayerId(), Version: l.GetVersion(), Priority: l.GetPriority(),
		HashKey: l.GetHashKey(), Salt: l.GetSalt(), Enabled: l.GetEnabled(),
		Ranges: l.GetRanges(), Service: l.GetService(),
	}
}

// ExperimentConfig returns what planes get of an experiment. It shares the
// experiment's rule and variants.
func ExperimentConfig(e *adminv1.Experiment) *configv1.Experiment {
	return &configv1.Experiment{
		Eid: e.GetEid(), Service: e.GetService(), Rule: e.GetRule(), Variants: e.GetVariants(),
	}
}
