package present

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/explain"
)

// Experiments writes one line for each experiment. Slots in brackets are those
// that it will have once it is started or resumed.
func Experiments(w io.Writer, all []*adminv1.Experiment) error {
	t := table{
		texts: []int{1, 2, 3, 6},
		heads: []string{"EID", "NAME", "SERVICE", "LAYER", "STATE", "SLOTS", "OWNERS"},
	}
	for _, e := range all {
		total := int32(0)
		for _, a := range e.GetAllocation() {
			total += a.GetSlots()
		}
		t.add(number(e.GetEid()), orDash(e.GetName()), e.GetService(), orDash(e.GetLayerId()),
			State(e.GetState()), traffic(e, total), orDash(list(e.GetOwners())))
	}
	var b bytes.Buffer
	t.write(&b)
	_, err := w.Write(b.Bytes())
	return err
}

// State writes a state as people say it.
func State(s adminv1.ExperimentState) string {
	return strings.TrimPrefix(s.String(), "EXPERIMENT_STATE_")
}

// traffic writes how much traffic an experiment has, or will have.
func traffic(e *adminv1.Experiment, slots int32) string {
	switch e.GetState() {
	case adminv1.ExperimentState_EXPERIMENT_STATE_DRAFT, adminv1.ExperimentState_EXPERIMENT_STATE_PAUSED:
		if slots == 0 {
			return "-"
		}
		return "(" + percent(slots) + ")"
	default:
		return percent(slots)
	}
}

// Experiment writes what is known about an experiment.
func Experiment(w io.Writer, e *adminv1.Experiment) error {
	var b bytes.Buffer
	title := "experiment " + number(e.GetEid())
	if e.GetName() != "" {
		title += ": " + explain.Printable(e.GetName())
	}
	fmt.Fprintln(&b, title)
	d := details{&b}
	d.add("description", e.GetDescription())
	d.add("hypothesis", e.GetHypothesis())
	d.add("service", e.GetService())
	d.add("layer", orDash(e.GetLayerId()))
	d.add("state", state(e))
	d.add("owners", list(e.GetOwners()))
	d.add("tags", list(e.GetTags()))
	d.add("revision", lastChange(e.GetRevision(), e.GetCreateRevision()))
	if e.GetRule() == nil {
		d.add("rule", "none: everyone takes part")
	} else {
		d.add("rule", "takes part for whom this is TRUE:")
		writeRule(&b, e.GetRule(), len(label("")))
	}
	writeVariants(&b, e)
	_, err := w.Write(b.Bytes())
	return err
}

func state(e *adminv1.Experiment) string {
	text := State(e.GetState())
	if e.GetState() != adminv1.ExperimentState_EXPERIMENT_STATE_CONCLUDED {
		return text
	}
	if e.GetWinnerVid() == 0 {
		return text + ", reverted"
	}
	return text + ", variant " + number(e.GetWinnerVid()) + " won"
}

func writeVariants(b *bytes.Buffer, e *adminv1.Experiment) {
	const mostVariants, mostLines = 20, 20
	slots := map[int32]int32{}
	for _, a := range e.GetAllocation() {
		slots[a.GetVid()] = a.GetSlots()
	}
	shown, left := cut(e.GetVariants(), mostVariants)
	for _, v := range shown {
		fmt.Fprintf(b, "\nvariant %d  %s\n", v.GetVid(), traffic(e, slots[v.GetVid()]))
		var text bytes.Buffer
		if err := json.Indent(&text, []byte(explain.Printable(v.GetParamsJson())), "", "  "); err != nil {
			text.Reset()
			text.WriteString(explain.Printable(v.GetParamsJson()))
		}
		lines, more := cut(strings.Split(text.String(), "\n"), mostLines)
		for _, line := range lines {
			fmt.Fprintf(b, "  %s\n", clip(line, lineWidth-2))
		}
		if more > 0 {
			fmt.Fprintf(b, "  … and %s more\n", Count(more, "line"))
		}
	}
	if left > 0 {
		fmt.Fprintf(b, "\n… and %s more\n", Count(left, "variant"))
	}
}
