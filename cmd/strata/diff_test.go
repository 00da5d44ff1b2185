package main

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
)

func TestDiff(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, args string
		newest     int64
		plan       *adminv1.Plan
		want       *adminv1.RevisionServiceDiffRequest
	}{
		{
			"diff", "diff", 7, samplePlan(),
			&adminv1.RevisionServiceDiffRequest{Environment: "production", FromRevision: 6, ToRevision: 7},
		},
		{
			"diff_first", "diff", 1, noChange(),
			&adminv1.RevisionServiceDiffRequest{Environment: "production", FromRevision: 1, ToRevision: 1},
		},
		{
			"diff_from", "diff 3 -o json", 7, noChange(),
			&adminv1.RevisionServiceDiffRequest{Environment: "production", FromRevision: 3},
		},
		{
			"diff_back", "diff 5 3", 7, noChange(),
			&adminv1.RevisionServiceDiffRequest{Environment: "production", FromRevision: 5, ToRevision: 3},
		},
		{
			"diff_environments", "diff --to-env staging", 7, noChange(),
			&adminv1.RevisionServiceDiffRequest{Environment: "production", ToEnvironment: "staging"},
		},
		{"diff_three", "diff 1 2 3", 7, nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPlane(t, "production")
			answer(p, adminv1connect.EnvironmentServiceGetProcedure,
				&adminv1.EnvironmentServiceGetResponse{Environment: &adminv1.Environment{Revision: test.newest}}, (*adminv1.EnvironmentServiceGetRequest)(nil))
			var asked *adminv1.RevisionServiceDiffRequest
			on(p, adminv1connect.RevisionServiceDiffProcedure, func(_ context.Context, r *adminv1.RevisionServiceDiffRequest) (*adminv1.RevisionServiceDiffResponse, error) {
				asked = r
				response := &adminv1.RevisionServiceDiffResponse{FromRevision: r.GetFromRevision(), ToRevision: r.GetToRevision(), Plan: test.plan}
				if response.GetFromRevision() == 0 {
					response.FromRevision = test.newest
				}
				if response.GetToRevision() == 0 {
					response.ToRevision = test.newest
				}
				return response, nil
			})
			p.golden(t, test.name, strings.Fields(test.args)...)
			if test.want != nil && !proto.Equal(asked, test.want) {
				t.Errorf("asked %v, want %v", asked, test.want)
			}
		})
	}
}
