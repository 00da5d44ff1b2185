package push

import (
	"testing"

	"buf.build/go/protovalidate"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
)

// TestChecksAreThoseOfTheSchema compares what is refused with the rules of the
// schema.
func TestChecksAreThoseOfTheSchema(t *testing.T) {
	t.Parallel()
	refused := 0
	for _, r := range checkedRequests() {
		var err error
		switch r := r.(type) {
		case *servingv1.WatchRequest:
			err = checkWatch(r)
		case *servingv1.ReportStatusRequest:
			err = checkReport(r)
		}
		want := protovalidate.Validate(r)
		if (err == nil) != (want == nil) {
			t.Errorf("%T: got %v, the schema says %v", r, err, want)
		}
		if err != nil {
			refused++
		}
	}
	if refused == 0 {
		t.Error("nothing was refused")
	}
}
