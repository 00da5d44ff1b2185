package openfeature_test

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cucumber/godog"
	"github.com/open-feature/go-sdk/openfeature"
)

// hook keeps what it is called with.
type hook struct {
	name     string
	scenario *scenario
	details  map[string]openfeature.InterfaceEvaluationDetails // by stage
}

func (s *scenario) newHook(name string) *hook {
	h := &hook{name: name, scenario: s, details: map[string]openfeature.InterfaceEvaluationDetails{}}
	s.hooks = append(s.hooks, h)
	return h
}

func (h *hook) called(stage string) { h.scenario.calls = append(h.scenario.calls, stage+" "+h.name) }

func (h *hook) Before(context.Context, openfeature.HookContext, openfeature.HookHints) (*openfeature.EvaluationContext, error) {
	h.called("before")
	return nil, nil
}

func (h *hook) After(_ context.Context, _ openfeature.HookContext, d openfeature.InterfaceEvaluationDetails, _ openfeature.HookHints) error {
	h.called("after")
	h.details["after"] = d
	return nil
}

func (h *hook) Error(context.Context, openfeature.HookContext, error, openfeature.HookHints) {
	h.called("error")
}

func (h *hook) Finally(_ context.Context, _ openfeature.HookContext, d openfeature.InterfaceEvaluationDetails, _ openfeature.HookHints) {
	h.called("finally")
	h.details["finally"] = d
}

func (s *scenario) clientHook() { s.client.AddHooks(s.newHook("client")) }

func (s *scenario) optionHooks() {
	s.newHook("first")
	s.newHook("second")
}

func (s *scenario) hooksExecuted() error {
	for _, name := range []string{"first", "second"} {
		if !slices.Contains(s.calls, "before "+name) || !slices.Contains(s.calls, "finally "+name) {
			return fmt.Errorf("hook %s was not called: %v", name, s.calls)
		}
	}
	return nil
}

func (s *scenario) hookOrder() error {
	return want("order", s.calls, []string{
		"before first", "before second", "after second", "after first", "finally second", "finally first",
	})
}

func (s *scenario) hookExecuted(stage string) error {
	if !slices.Contains(s.calls, stage+" client") {
		return fmt.Errorf("the hook was called in %v", s.calls)
	}
	return nil
}

func (s *scenario) hookDetails(stages string, table *godog.Table) error {
	for stage := range strings.SplitSeq(stages, ", ") {
		details, ok := s.hooks[0].details[stage]
		if !ok {
			return fmt.Errorf("the hook was called in %v", s.calls)
		}
		for _, row := range table.Rows[1:] {
			dataType, name, text := row.Cells[0].Value, row.Cells[1].Value, row.Cells[2].Value
			expected, err := parse(dataType, text)
			if err != nil {
				return err
			}
			if err := want(stage+"'s "+name, field(details, name), translateField(name, expected)); err != nil {
				return err
			}
		}
	}
	return nil
}

func field(d openfeature.InterfaceEvaluationDetails, name string) any {
	switch name {
	case "flag_key":
		return d.FlagKey
	case "value":
		return d.Value
	case "variant":
		return d.Variant
	case "reason":
		return string(d.Reason)
	case "error_code":
		return string(d.ErrorCode)
	default:
		return fmt.Errorf("there is no field %s", name)
	}
}

func translateField(name string, expected any) any {
	text, _ := expected.(string)
	switch name {
	case "flag_key":
		return service + "." + text
	case "variant":
		return translate(variants, text)
	case "reason":
		return translate(reasons, text)
	case "error_code":
		return strings.TrimPrefix(text, "null")
	default:
		return expected
	}
}
