package push

import (
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/gen/go/strata/serving/v1/servingv1connect"
	"github.com/strata-exp/strata/internal/auth"
)

// Policies returns who may call what of ConfigService. Nothing of it changes more
// than what is known of the caller, so sessions will do.
func Policies() map[string]auth.Policy {
	followers := auth.Policy{
		Roles:    []servingv1.Role{servingv1.Role_ROLE_PLANE, servingv1.Role_ROLE_SDK},
		Sessions: true,
	}
	return map[string]auth.Policy{
		servingv1connect.ConfigServiceWatchProcedure:        followers,
		servingv1connect.ConfigServiceFetchProcedure:        followers,
		servingv1connect.ConfigServiceReportStatusProcedure: followers,
	}
}
