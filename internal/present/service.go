package present

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/explain"
)

// Services writes one line for each declared service.
func Services(w io.Writer, all []*adminv1.Service) error {
	t := table{heads: []string{"SERVICE", "SCHEMA", "OWNERS", "DESCRIPTION"}, texts: []int{0, 2, 3}}
	for _, s := range all {
		t.add(s.GetService(), fmt.Sprintf("%d bytes", len(s.GetSchemaJson())), orDash(list(s.GetOwners())), orDash(s.GetDescription()))
	}
	var b bytes.Buffer
	t.write(&b)
	_, err := w.Write(b.Bytes())
	return err
}

// Service writes what is declared of a service, with its schema.
func Service(w io.Writer, s *adminv1.Service) error {
	var b bytes.Buffer
	fmt.Fprintln(&b, explain.Printable(s.GetService()))
	d := details{&b}
	d.add("description", s.GetDescription())
	d.add("owners", list(s.GetOwners()))
	d.add("tags", list(s.GetTags()))
	d.add("revision", lastChange(s.GetRevision(), s.GetCreateRevision()))
	b.WriteString("\n  schema\n    ")
	schema := explain.Printable(s.GetSchemaJson())
	if json.Indent(&b, []byte(schema), "    ", "  ") != nil {
		b.WriteString(schema)
	}
	b.WriteByte('\n')
	_, err := w.Write(b.Bytes())
	return err
}
