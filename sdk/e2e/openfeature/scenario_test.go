package openfeature_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/cucumber/godog"
	"github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/isolated"

	strataprovider "github.com/strata-exp/strata/sdk/go/openfeature"
)

// service is where the suite's flags are.
const service = "openfeature"

// How the suite is read: see the tables in the README beside it.
var (
	variants = map[string]string{"on": "101", "greeting": "101", "ten": "101", "half": "101", "template": "101", "null": ""}
	reasons  = map[string]string{"STATIC": "SPLIT", "DEFAULT": "SPLIT", "DISABLED": "DEFAULT"}
)

func translate(table map[string]string, name string) string {
	if ours, ok := table[name]; ok {
		return ours
	}
	return name
}

// scenario is what one scenario has said and seen.
type scenario struct {
	*world
	api     *openfeature.EvaluationAPI
	client  *openfeature.Client
	cleanup []func()

	flagType, key string
	fallback      any
	attributes    map[string]any
	given         map[string]any // what attributes were before they were used
	details       openfeature.InterfaceEvaluationDetails
	hooks         []*hook
	calls         []string // of all hooks, in order
}

func (w *world) scenario(ctx *godog.ScenarioContext) {
	s := &scenario{world: w, attributes: map[string]any{}}
	ctx.After(func(ctx context.Context, _ *godog.Scenario, err error) (context.Context, error) {
		for _, clean := range slices.Backward(s.cleanup) {
			clean()
		}
		return ctx, err
	})
	ctx.Given(`^an? (stable|not ready|error|fatal|stale) provider$`, s.provider)
	ctx.Given(`^an? (\w+)-flag with key "([^"]*)" and a fallback value "(.*)"$`, s.flag)
	ctx.Given(`^a context containing a key "([^"]*)", with type "([^"]*)" and with value "([^"]*)"$`, s.attribute)
	ctx.Given(`^a context containing a key "([^"]*)" with null value$`, func(name string) { s.attributes[name] = nil })
	ctx.Given(`^an evaluation context with modifiable data$`, s.modifiable)
	ctx.Given(`^evaluation options containing specific hooks$`, s.optionHooks)
	ctx.Given(`^a client with added hook$`, s.clientHook)

	ctx.When(`^the flag was evaluated with details$`, s.evaluate)
	ctx.When(`^the flag was evaluated with details using the evaluation options$`, s.evaluate)
	ctx.When(`^the flag was evaluated with details asynchronously$`, s.evaluateElsewhere)

	ctx.Then(`^the evaluation should complete without blocking$`, func() error { return want("flag", s.details.FlagKey, service+"."+s.key) })
	ctx.Then(`^the resolved details value should be "(.*)"$`, s.value)
	ctx.Then(`^the flag key should be "([^"]*)"$`, func(key string) error { return want("flag", s.details.FlagKey, service+"."+key) })
	ctx.Then(`^the variant should be "([^"]*)"$`, func(name string) error { return want("variant", s.details.Variant, translate(variants, name)) })
	ctx.Then(`^the reason should be "([^"]*)"$`, func(name string) error { return want("reason", string(s.details.Reason), translate(reasons, name)) })
	ctx.Then(`^the error-code should be "([^"]*)"$`, func(code string) error { return want("code", string(s.details.ErrorCode), code) })
	ctx.Then(`^the provider status should be "([^"]*)"$`, func(status string) error { return want("status", string(s.client.State()), status) })
	ctx.Then(`^the original evaluation context should remain unmodified$`, s.unmodified)
	ctx.Then(`^the evaluation details should be immutable$`, s.immutable)
	ctx.Then(`^the specified hooks should execute during evaluation$`, s.hooksExecuted)
	ctx.Then(`^the hook order should be maintained$`, s.hookOrder)
	ctx.Then(`^the "([^"]*)" hook should have been executed$`, s.hookExecuted)
	ctx.Then(`^the "([^"]*)" hooks should be called with evaluation details$`, s.hookDetails)
}

func want(what string, got, want any) error {
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("the %s is %#v, want %#v", what, got, want)
	}
	return nil
}

// provider makes an API with a provider of a kind. A scenario that names a second
// one means that.
func (s *scenario) provider(kind string) error {
	client := s.world.client
	ctx, cancel := context.WithCancel(context.Background())
	s.cleanup = append(s.cleanup, cancel)
	var becomes openfeature.EventType
	act := func() {}
	switch kind {
	case "stable":
		becomes = openfeature.ProviderReady
	case "not ready", "error":
		client = s.connect("http://127.0.0.1:1") // where nobody is
		if kind == "error" {
			becomes, act = openfeature.ProviderError, cancel
		}
	case "fatal":
		client = s.connect("http://127.0.0.1:1")
		if err := client.Close(); err != nil {
			return err
		}
		becomes = openfeature.ProviderError
	case "stale":
		url, stop := s.serve(conformance + "/config")
		client = s.connect(url)
		if err := client.Ready(ctx); err != nil {
			return err
		}
		becomes, act = openfeature.ProviderStale, stop
	}
	if client != s.world.client {
		s.cleanup = append(s.cleanup, func() { _ = client.Close() }) // nobody is there to take what it has
	}
	api := isolated.NewAPI()
	s.cleanup = append(s.cleanup, func() {
		if err := api.Shutdown(context.Background()); err != nil {
			s.t.Error(err)
		}
	})
	became := make(chan struct{}, 100)
	tell := func(openfeature.EventDetails) { became <- struct{}{} }
	if becomes != "" {
		api.AddHandler(becomes, &tell)
	}
	api.SetEvaluationContext(openfeature.NewEvaluationContext("user", nil))
	if err := api.SetProvider(ctx, strataprovider.New(client, strataprovider.WithTargetingKey("user_id"))); err != nil {
		return err
	}
	act()
	if becomes != "" {
		<-became
	}
	s.api, s.client = api, api.NewClient()
	return nil
}

func (s *scenario) flag(flagType, key, fallback string) error {
	value, err := parse(flagType, fallback)
	s.flagType, s.key, s.fallback = strings.ToLower(flagType), key, value
	return err
}

func (s *scenario) attribute(name, flagType, text string) error {
	value, err := parse(flagType, text)
	s.attributes[name] = value
	return err
}

// parse reads a value as the suite writes it.
func parse(flagType, text string) (any, error) {
	switch strings.ToLower(flagType) {
	case "boolean":
		return strconv.ParseBool(text)
	case "integer":
		return strconv.ParseInt(text, 10, 64)
	case "float":
		return strconv.ParseFloat(text, 64)
	case "string":
		return text, nil
	case "object":
		var value map[string]any
		err := json.Unmarshal([]byte(strings.ReplaceAll(text, `\"`, `"`)), &value)
		return value, err
	default:
		return nil, fmt.Errorf("there is no type %q", flagType)
	}
}

func (s *scenario) evaluate() error {
	ctx, user := context.Background(), openfeature.NewTargetlessEvaluationContext(s.attributes)
	key := service + "." + s.key
	var options []openfeature.Option
	if len(s.hooks) > 1 { // those of the client are there already
		options = append(options, openfeature.WithHooks(s.hooks[0], s.hooks[1]))
	}
	// What goes wrong stands in the details as well.
	switch fallback := s.fallback.(type) {
	case bool:
		details, _ := s.client.BooleanValueDetails(ctx, key, fallback, user, options...)
		s.details = openfeature.InterfaceEvaluationDetails{Value: details.Value, EvaluationDetails: details.EvaluationDetails}
	case string:
		details, _ := s.client.StringValueDetails(ctx, key, fallback, user, options...)
		s.details = openfeature.InterfaceEvaluationDetails{Value: details.Value, EvaluationDetails: details.EvaluationDetails}
	case int64:
		details, _ := s.client.IntValueDetails(ctx, key, fallback, user, options...)
		s.details = openfeature.InterfaceEvaluationDetails{Value: details.Value, EvaluationDetails: details.EvaluationDetails}
	case float64:
		details, _ := s.client.FloatValueDetails(ctx, key, fallback, user, options...)
		s.details = openfeature.InterfaceEvaluationDetails{Value: details.Value, EvaluationDetails: details.EvaluationDetails}
	case map[string]any:
		details, _ := s.client.ObjectValueDetails(ctx, key, fallback, user, options...)
		s.details = details
	default:
		return fmt.Errorf("no flag was given: %T", fallback)
	}
	return nil
}

// evaluateElsewhere is how Go does not wait.
func (s *scenario) evaluateElsewhere() error {
	done := make(chan error)
	go func() { done <- s.evaluate() }()
	return <-done
}

func (s *scenario) value(text string) error {
	expected, err := parse(s.flagType, text)
	if err != nil {
		return err
	}
	return want("value", s.details.Value, expected)
}

func (s *scenario) modifiable() {
	s.attributes = map[string]any{"email": "ballmer@macrosoft.com", "list": []any{"a"}, "user_id": "somebody"}
	s.given = maps.Clone(s.attributes)
}

func (s *scenario) unmodified() error { return want("context", s.attributes, s.given) }

// immutable changes the details, which are the caller's, and evaluates again.
func (s *scenario) immutable() error {
	before := maps.Clone(s.details.FlagMetadata)
	s.details.FlagMetadata["version"] = "changed"
	if err := s.evaluate(); err != nil {
		return err
	}
	return want("metadata", s.details.FlagMetadata, before)
}
