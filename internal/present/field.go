package present

import (
	"bytes"
	"io"
	"strings"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

// Fields writes one line for each declared field.
func Fields(w io.Writer, all []*configv1.Field) error {
	t := table{heads: []string{"FIELD", "TYPE"}, texts: []int{0}}
	for _, f := range all {
		t.add(f.GetName(), strings.ToLower(strings.TrimPrefix(f.GetType().String(), "FIELD_TYPE_")))
	}
	var b bytes.Buffer
	t.write(&b)
	_, err := w.Write(b.Bytes())
	return err
}
