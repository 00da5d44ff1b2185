package api

import (
	"fmt"
	"slices"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/auth"
	"github.com/strata-exp/strata/internal/rpc"
)

// rule says who may call a procedure. All that it does not allow is denied.
type rule struct {
	// reads says that the procedure changes nothing.
	reads bool
	// plans is the field of the request that asks for a plan alone, which is to look
	// and not to change; nil if there is none.
	plans protoreflect.FieldDescriptor
	// everywhere says that only keys for all environments may call it.
	everywhere bool
	// named are the fields of the request that name environments. A rule that has
	// none of them, and is not for keys of everywhere alone, is of a procedure that
	// looks at the key itself.
	named []namedEnvironment
}

// namedEnvironment is a field of a request that names an environment.
type namedEnvironment struct {
	field protoreflect.FieldDescriptor
	// optional says that an empty one stands for an environment that is named
	// elsewhere.
	optional bool
}

// everywhere are the services and methods that only keys for all environments may
// call: what they do is not in an environment.
var everywhere = map[protoreflect.FullName]bool{
	"strata.admin.v1.AccessKeyService":          true,
	"strata.admin.v1.EnvironmentService.Create": true,
	"strata.admin.v1.EnvironmentService.Delete": true,
}

// ownOnly are the methods that name no environment, and show a key what is in its
// own.
var ownOnly = map[protoreflect.FullName]bool{
	"strata.admin.v1.EnvironmentService.List": true,
}

const environmentMessage = "strata.admin.v1.Environment"

// ruleOf makes the rule of a method from its schema. It fails if that does not
// say which environment a request is about.
func ruleOf(method protoreflect.MethodDescriptor) (*rule, error) {
	r := &rule{
		reads:      idempotencyOf(method) == connect.IdempotencyNoSideEffects,
		everywhere: everywhere[method.FullName()] || everywhere[method.Parent().FullName()],
	}
	if r.everywhere {
		return r, nil
	}
	r.plans = method.Input().Fields().ByName("validate_only")
	fields := method.Input().Fields()
	for i := range fields.Len() {
		switch field := fields.Get(i); {
		case !hasEnvironment(field):
		case isName(field):
			r.named = append(r.named, namedEnvironment{field, field.Name() != "environment"})
		case !field.IsList() && field.Message() != nil && field.Message().FullName() == environmentMessage:
			r.named = append(r.named, namedEnvironment{field, false})
		default:
			return nil, fmt.Errorf("%s: it is not known how %s names an environment", method.FullName(), field.FullName())
		}
	}
	if hidden := hiddenEnvironment(method.Input(), map[protoreflect.FullName]bool{}); hidden != "" {
		return nil, fmt.Errorf("%s: %s names an environment too deep in the request", method.FullName(), hidden)
	}
	required := 0
	for _, n := range r.named {
		if !n.optional {
			required++
		}
	}
	if required != 1 && !ownOnly[method.FullName()] {
		return nil, fmt.Errorf("%s: it is not known which environment it is about", method.FullName())
	}
	return r, nil
}

func hasEnvironment(field protoreflect.FieldDescriptor) bool {
	return strings.Contains(string(field.Name()), "environment")
}

// isName reports whether a field is "environment" or "..._environment".
func isName(field protoreflect.FieldDescriptor) bool {
	return field.Kind() == protoreflect.StringKind && !field.IsList() &&
		(field.Name() == "environment" || strings.HasSuffix(string(field.Name()), "_environment"))
}

// hiddenEnvironment returns a field below the first level of a message that may
// name an environment, "" if there is none.
func hiddenEnvironment(m protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool) protoreflect.FullName {
	fields := m.Fields()
	for i := range fields.Len() {
		below := fields.Get(i).Message()
		if below == nil || seen[below.FullName()] {
			continue
		}
		seen[below.FullName()] = true
		for k := range below.Fields().Len() {
			if field := below.Fields().Get(k); hasEnvironment(field) {
				return field.FullName()
			}
		}
		if hidden := hiddenEnvironment(below, seen); hidden != "" {
			return hidden
		}
	}
	return ""
}

// policy returns who gets to the procedure at all.
func (r *rule) policy() auth.Policy {
	if !r.everywhere && (r.reads || r.plans != nil) {
		return auth.Policy{Sessions: r.reads, Roles: []servingv1.Role{servingv1.Role_ROLE_ADMIN, servingv1.Role_ROLE_VIEWER}}
	}
	return auth.Policy{Sessions: r.reads, Roles: []servingv1.Role{servingv1.Role_ROLE_ADMIN}}
}

// admit returns why a caller may not call the procedure at all.
func (r *rule) admit(p *auth.Principal) error {
	switch {
	case p == nil:
		return rpc.Declinef(servingv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, "the call is not signed")
	case !slices.Contains(r.policy().Roles, p.Role): // which the guard has seen to
		return denied("the role of the access key %s does not allow this call", p.AccessKey)
	case r.everywhere && len(p.Environments) > 0:
		return denied("the access key %s is for some environments, and this call needs one for all of them", p.AccessKey)
	default:
		return nil
	}
}

// allow returns why a caller that was admitted may not send a request.
func (r *rule) allow(p *auth.Principal, request proto.Message) error {
	if p.Role == servingv1.Role_ROLE_VIEWER && !r.reads && !request.ProtoReflect().Get(r.plans).Bool() {
		return denied("the access key %s may look and plan, and this call would change something: set validate_only to plan it", p.AccessKey)
	}
	if len(p.Environments) == 0 {
		return nil
	}
	for _, n := range r.named {
		name := n.in(request.ProtoReflect())
		if (name != "" || !n.optional) && !p.Environment(name) {
			return denied("the access key %s is not for the environment %q, which %s names, but for %s",
				p.AccessKey, rpc.Clip(name), n.field.Name(), strings.Join(p.Environments, ", "))
		}
	}
	return nil
}

// in returns the name that a request has.
func (n *namedEnvironment) in(request protoreflect.Message) string {
	value := request.Get(n.field)
	if n.field.Message() == nil {
		return value.String()
	}
	e, _ := value.Message().Interface().(*adminv1.Environment)
	return e.GetName()
}

func denied(format string, args ...any) error {
	return rpc.Declinef(servingv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED, format, args...)
}
