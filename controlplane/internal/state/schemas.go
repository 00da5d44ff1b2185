package state

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// maxViolations is how many violations of schemas are told of.
const maxViolations = 1000

// checkSchemas refuses parameters that do not satisfy the schema of their
// service: of the experiments that change, and of all those of a service that
// does.
func (e *edit) checkSchemas() {
	services := map[string]bool{} // those of which the schema changes
	found := map[int32]*adminv1.Experiment{}
	for id := range e.touched {
		before, after := e.before.Resource(id), e.next.Resource(id)
		switch {
		case after == nil:
		case id.Kind == KindService:
			services[id.Key] = after.Service().GetSchemaJson() != before.Service().GetSchemaJson()
		case id.Kind == KindExperiment && (before == nil || before.config != after.config):
			found[after.experiment.GetEid()] = after.experiment
		}
	}
	if slices.Contains(slices.Collect(maps.Values(services)), true) {
		for _, x := range e.experiments() {
			if services[x.GetService()] {
				found[x.GetEid()] = x
			}
		}
	}
	told := 0
	for _, eid := range slices.Sorted(maps.Keys(found)) {
		told += e.checkSchema(found[eid], maxViolations-told)
	}
}

// checkSchema tells of at most so many violations of one experiment, and returns
// how many it told of.
func (e *edit) checkSchema(x *adminv1.Experiment, most int) (told int) {
	declared := e.next.Resource(ServiceID(x.GetService()))
	if declared == nil {
		return 0
	}
	compiled, err := declared.schema()
	if err != nil { // it was stored by a version that took it
		e.problem(adminv1.ErrorReason_ERROR_REASON_INVALID_SCHEMA, declared.ID, "schema_json", "%v", err)
		return 1
	}
	for i, v := range x.GetVariants() {
		if _, ok := engine.NormalParams(v.GetParamsJson()); !ok {
			continue // the engine tells of it
		}
		for _, violation := range compiled.Check(v.GetParamsJson()) {
			if told >= most {
				return told
			}
			told++
			e.problem(adminv1.ErrorReason_ERROR_REASON_SCHEMA_VIOLATED, ExperimentID(x.GetEid()),
				joinPath(fmt.Sprintf("variants[%d].params", i), violation.Path),
				"breaks the schema of service %s in variant %d: %s", x.GetService(), v.GetVid(), violation.Problem)
		}
	}
	return told
}

// joinPath joins two paths.
func joinPath(path, rest string) string {
	if rest == "" || strings.HasPrefix(rest, "[") {
		return path + rest
	}
	return path + "." + rest
}
