// Package openfeature is the provider of Strata for OpenFeature: code that reads
// flags through its API gets the parameters of Strata.
//
// The key of a flag is "service.path", such as "ranker_svc.model.version": the
// service is the longest one known that the key begins with, and what follows its
// dot is a path as in package strata. All five types are read; an object is all
// that is set below the path, merged.
//
// # Who is evaluated
//
// The evaluation context is the context of Strata, name by name, with the
// targeting key in the attribute "targetingKey". Layers hash the attribute that
// they name, and nothing stands in for it: layers may hash different things, such
// as a user and a session, and OpenFeature has one targeting key. Where that is
// what layers hash, say so:
//
//	provider := openfeature.New(client, openfeature.WithTargetingKey("user_id"))
//
// Then it is the attribute user_id as well, unless the context has one.
//
// # What is answered
//
// The reasons are SPLIT, TARGETING_MATCH and DEFAULT, as in strata.Parameter;
// STALE in place of the first two while the client is stale; and ERROR, with
// PROVIDER_NOT_READY, FLAG_NOT_FOUND or TYPE_MISMATCH. The variant is the vid. The
// metadata are "version" (the revision), "flagSetId" (the service) and, if anybody
// has set the value, "layer", "experiment" (the eid) and "slot".
package openfeature

import (
	"context"
	"maps"
	"strconv"
	"strings"

	"github.com/open-feature/go-sdk/openfeature"

	"github.com/strata-exp/strata/sdk/go"
)

// name is the provider's.
const name = "strata"

// Provider reads flags of a client. It is safe for concurrent use.
type Provider struct {
	client  *strata.Client
	hashKey string // that the targeting key is for, empty for none
	events  *emitter
}

var (
	_ openfeature.FeatureProvider          = (*Provider)(nil)
	_ openfeature.ContextAwareStateHandler = (*Provider)(nil)
	_ openfeature.EventHandler             = (*Provider)(nil)
	_ openfeature.Tracker                  = (*Provider)(nil)
)

// Option says how a Provider works.
type Option func(*Provider)

// WithTargetingKey has the targeting key stand for an attribute that layers hash,
// where a context has no such attribute.
func WithTargetingKey(hashKey string) Option { return func(p *Provider) { p.hashKey = hashKey } }

// New returns a provider for a client, which stays the caller's: shutting down the
// provider does not close it, so close it after that.
func New(client *strata.Client, options ...Option) *Provider {
	p := &Provider{client: client, events: newEmitter()}
	for _, option := range options {
		option(p)
	}
	return p
}

// Metadata implements openfeature.FeatureProvider.
func (p *Provider) Metadata() openfeature.Metadata { return openfeature.Metadata{Name: name} }

// Hooks implements openfeature.FeatureProvider: there are none.
func (p *Provider) Hooks() []openfeature.Hook { return nil }

// BooleanEvaluation implements openfeature.FeatureProvider.
func (p *Provider) BooleanEvaluation(_ context.Context, flag string, def bool, user openfeature.FlattenedContext) openfeature.BoolResolutionDetail {
	return resolve(p, flag, user, def, func(v any) (bool, bool) { b, ok := v.(bool); return b, ok })
}

// StringEvaluation implements openfeature.FeatureProvider.
func (p *Provider) StringEvaluation(_ context.Context, flag, def string, user openfeature.FlattenedContext) openfeature.StringResolutionDetail {
	return resolve(p, flag, user, def, func(v any) (string, bool) { s, ok := v.(string); return s, ok })
}

// FloatEvaluation implements openfeature.FeatureProvider.
func (p *Provider) FloatEvaluation(_ context.Context, flag string, def float64, user openfeature.FlattenedContext) openfeature.FloatResolutionDetail {
	return resolve(p, flag, user, def, func(v any) (float64, bool) { f, ok := v.(float64); return f, ok })
}

// IntEvaluation implements openfeature.FeatureProvider. It takes integers of at
// most 2^53 - 1, either way.
func (p *Provider) IntEvaluation(_ context.Context, flag string, def int64, user openfeature.FlattenedContext) openfeature.IntResolutionDetail {
	return resolve(p, flag, user, def, func(v any) (int64, bool) {
		const safe = 1<<53 - 1
		f, ok := v.(float64)
		if !ok || f < -safe || f > safe || f != float64(int64(f)) {
			return 0, false
		}
		return int64(f), true
	})
}

// ObjectEvaluation implements openfeature.FeatureProvider. It takes objects, as
// map[string]any, and lists, as []any.
func (p *Provider) ObjectEvaluation(_ context.Context, flag string, def any, user openfeature.FlattenedContext) openfeature.InterfaceResolutionDetail {
	return resolve(p, flag, user, def, func(v any) (any, bool) {
		switch v.(type) {
		case map[string]any, []any:
			return v, true
		default:
			return nil, false
		}
	})
}

// resolve reads a flag as what take makes of its value.
func resolve[T any](p *Provider, flag string, user openfeature.FlattenedContext, def T, take func(any) (T, bool)) openfeature.GenericResolutionDetail[T] {
	service, path, found := p.find(flag)
	switch state := p.client.Status().State; {
	case !found && state == stateNotReady:
		return failed(def, openfeature.NewProviderNotReadyResolutionError("there is no configuration yet"))
	case !found:
		return failed(def, openfeature.NewFlagNotFoundResolutionError("no service that is known sets "+flag))
	default:
		parameter := p.client.Evaluate(service, p.context(user)).Lookup(path)
		return detail(service, flag, state, parameter, def, take)
	}
}

// States and reasons of package strata.
const (
	stateNotReady = "NOT_READY"
	stateReady    = "READY"
	stateStale    = "STALE"
	stateClosed   = "CLOSED"
	reasonDefault = "DEFAULT"
	errorNotReady = "NOT_READY"
)

// reasonStale is the reason of a value that may not be the newest one.
const reasonStale openfeature.Reason = "STALE"

func detail[T any](service, flag, state string, parameter strata.Parameter, def T, take func(any) (T, bool)) openfeature.GenericResolutionDetail[T] {
	switch parameter.Error {
	case "":
	case errorNotReady:
		return failed(def, openfeature.NewProviderNotReadyResolutionError("there is no configuration yet"))
	default: // it went after it was found
		return failed(def, openfeature.NewFlagNotFoundResolutionError("no service that is known sets "+flag))
	}
	d := openfeature.GenericResolutionDetail[T]{Value: def}
	d.Reason = openfeature.Reason(parameter.Reason)
	d.FlagMetadata = openfeature.FlagMetadata{"version": strconv.FormatInt(parameter.Revision, 10), "flagSetId": service}
	if parameter.Reason == reasonDefault {
		return d
	}
	value, ok := take(parameter.Value)
	if !ok {
		return failed(def, openfeature.NewTypeMismatchResolutionError(flag+" is of another type"))
	}
	if state == stateStale {
		d.Reason = reasonStale
	}
	d.Value, d.Variant = value, strconv.Itoa(int(parameter.VID))
	d.FlagMetadata["layer"] = parameter.LayerID
	d.FlagMetadata["experiment"], d.FlagMetadata["slot"] = int64(parameter.EID), int64(parameter.Slot)
	return d
}

func failed[T any](def T, err openfeature.ResolutionError) openfeature.GenericResolutionDetail[T] {
	d := openfeature.GenericResolutionDetail[T]{Value: def}
	d.Reason, d.ResolutionError = openfeature.ErrorReason, err
	return d
}

// find returns the service and the path of a flag, and false if nothing that is
// known sets it.
func (p *Provider) find(flag string) (service, path string, found bool) {
	if p.client.Knows(flag, "") {
		return flag, "", true
	}
	for end := len(flag); ; {
		end = strings.LastIndexByte(flag[:end], '.')
		if end < 0 {
			return "", "", false
		}
		if service, path = flag[:end], flag[end+1:]; p.client.Knows(service, "") {
			return service, path, path != "" && p.client.Knows(service, path)
		}
	}
}

// context returns the context of Strata for one of OpenFeature.
func (p *Provider) context(user openfeature.FlattenedContext) strata.Context {
	key, ok := user[openfeature.TargetingKey]
	if p.hashKey == "" || !ok {
		return strata.Context(user)
	}
	if _, has := user[p.hashKey]; has {
		return strata.Context(user)
	}
	all := make(strata.Context, len(user)+1)
	maps.Copy(all, user)
	all[p.hashKey] = key
	return all
}

// Track implements openfeature.Tracker. The details' attributes are the properties
// of the event.
func (p *Provider) Track(_ context.Context, name string, user openfeature.EvaluationContext, details openfeature.TrackingEventDetails) {
	flat := openfeature.FlattenedContext(user.Attributes())
	if key := user.TargetingKey(); key != "" {
		flat[openfeature.TargetingKey] = key
	}
	value := details.Value()
	p.client.Record(strata.Event{Name: name, Context: p.context(flat), Value: &value, Properties: details.Attributes()})
}
