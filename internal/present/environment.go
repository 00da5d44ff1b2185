package present

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/explain"
)

// Environments writes one line for each environment.
func Environments(w io.Writer, all []*adminv1.Environment) error {
	t := table{
		texts: []int{0, 6},
		heads: []string{"NAME", "REVISION", "CHANGED (UTC)", "LAYERS", "EXPERIMENTS", "FIELDS", "DESCRIPTION"},
	}
	for _, e := range all {
		t.add(e.GetName(), number(e.GetRevision()), moment(e.GetRevisionTime()), number(e.GetLayerCount()),
			number(e.GetExperimentCount()), number(e.GetFieldCount()), orDash(e.GetDescription()))
	}
	var b bytes.Buffer
	t.write(&b)
	_, err := w.Write(b.Bytes())
	return err
}

// Environment writes what is known about an environment.
func Environment(w io.Writer, e *adminv1.Environment) error {
	var b bytes.Buffer
	fmt.Fprintln(&b, explain.Printable(e.GetName()))
	d := details{&b}
	d.add("description", e.GetDescription())
	d.addf("revision", "%d, made %s UTC", e.GetRevision(), moment(e.GetRevisionTime()))
	if e.GetFloor() > 1 {
		d.addf("", "contents of those below %d are compacted", e.GetFloor())
	}
	d.add("checksum", e.GetChecksum())
	contents := fmt.Sprintf("%s, %s, %s", Count(int(e.GetLayerCount()), "layer"),
		Count(int(e.GetExperimentCount()), "experiment"), Count(int(e.GetFieldCount()), "field"))
	if n := int(e.GetServiceCount()); n > 0 {
		contents += ", " + Count(n, "declared service")
	}
	d.add("contents", contents)
	d.addf("cooling", "slots rest for %s", duration(e.GetCoolingPeriod()))
	d.addf("created", "%s UTC", moment(e.GetCreateTime()))
	_, err := w.Write(b.Bytes())
	return err
}

// duration writes whole days as such.
func duration(d *durationpb.Duration) string {
	const day = 24 * time.Hour
	if t := d.AsDuration(); t > 0 && t%day == 0 {
		return Count(int(t/day), "day")
	}
	text := d.AsDuration().String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
