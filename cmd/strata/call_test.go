package main

import (
	"strings"
	"testing"

	"github.com/strata-exp/strata/controlplane"
	"github.com/strata-exp/strata/db/dbtest"
)

func TestCall(t *testing.T) {
	env := map[string]string{"STRATA_AUTHOR": "test"}
	database := dbtest.URL(t)
	key, err := controlplane.Bootstrap(t.Context(), database, controlplane.BootstrapOptions{})
	if err != nil {
		t.Fatal(err)
	}
	env["STRATA_ACCESS_KEY"], env["STRATA_SECRET_KEY"] = key.AccessKey(), key.SecretKey()
	env["STRATA_SERVER"] = startControlPlane(t, database)
	for _, test := range []struct {
		name  string
		in    string
		args  []string
		code  int
		parts []string
	}{
		{"no request", "", []string{"EnvironmentService/List"}, 0, []string{`"environments"`}},
		{"a request", "", []string{"EnvironmentService/Create", `{"environment": {"name": "called"}}`}, 0, []string{`"called"`, `"revision": "1"`}},
		{"from standard input", `{"environment": "called"}`, []string{"/strata.admin.v1.EnvironmentService/Get", "-"}, 0, []string{`"called"`}},
		{"a refusal", "", []string{"EnvironmentService/Get", `{"environment": "nowhere"}`}, 1, []string{"nowhere", "ENVIRONMENT_NOT_FOUND"}},
		{"no such method", "", []string{"EnvironmentService/Take"}, 1, []string{"no method", "ExperimentService/List"}},
		{"a stream", "", []string{"PlaneService/Watch"}, 1, []string{"no method"}},
		{"no such field", "", []string{"EnvironmentService/Get", `{"place": 1}`}, 1, []string{"EnvironmentServiceGetRequest", "place"}},
	} {
		code, out, errors := commandWith(t, strings.NewReader(test.in), env, append([]string{"call"}, test.args...)...)
		if code != test.code {
			t.Errorf("%s: exit code %d: %s%s", test.name, code, out, errors)
		}
		for _, part := range test.parts {
			if !strings.Contains(out+errors, part) {
				t.Errorf("%s: %q is not in:\n%s%s", test.name, part, out, errors)
			}
		}
	}
}
