package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/strata-exp/strata/internal/rpc"
)

// validation refuses requests that could not be read, or that break a rule of
// their schema.
type validation struct{ validator protovalidate.Validator }

var _ connect.Interceptor = (*validation)(nil)

// newValidation returns the validation of the requests of routes. It knows no
// other messages.
func newValidation(routes []route) (*validation, error) {
	var requests []protoreflect.MessageDescriptor
	for _, r := range routes {
		if r.method == nil {
			return nil, fmt.Errorf("no schema has the procedure %s", r.procedure)
		}
		requests = append(requests, r.method.Input())
	}
	validator, err := protovalidate.New(protovalidate.WithMessageDescriptors(requests...), protovalidate.WithDisableLazy())
	return &validation{validator}, err
}

func (v *validation) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, request connect.AnyRequest) (connect.AnyResponse, error) {
		if err := v.check(request.Any()); err != nil {
			return nil, err
		}
		return next(ctx, request)
	}
}

func (v *validation) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next // requests are checked where they arrive
}

func (v *validation) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		return next(ctx, &checkedConn{StreamingHandlerConn: conn, validation: v})
	}
}

// checkedConn checks the requests of a stream.
type checkedConn struct {
	connect.StreamingHandlerConn

	validation *validation
}

func (c *checkedConn) Receive(request any) error {
	if err := c.StreamingHandlerConn.Receive(request); err != nil {
		return err
	}
	return c.validation.check(request)
}

// check returns what is wrong with a request.
func (v *validation) check(request any) error {
	in, ok := request.(received)
	if !ok {
		return unknownMessage(request)
	}
	m, err := in.result()
	if err != nil {
		return err
	}
	err = v.validator.Validate(m)
	if broken, ok := errors.AsType[*protovalidate.ValidationError](err); ok {
		return invalid(m, broken.Violations)
	}
	return err
}

// maxBroken is how many broken rules are told of. Each stands in the message of
// the error too.
const maxBroken = 100

// invalid makes an error of the rules that a request breaks, nil if all of them
// are about what its masks leave out.
func invalid(m proto.Message, broken []*protovalidate.Violation) error {
	e := &rpc.Invalid{}
	for _, b := range broken {
		if masked(m.ProtoReflect(), b.Proto.GetField().GetElements()) {
			continue
		}
		if len(e.Violations) == maxBroken {
			e.Violations = append(e.Violations, rpc.Violation{Field: "body", Problem: "there is more that is wrong, which is not told"})
			break
		}
		e.Violations = append(e.Violations, violation(m.ProtoReflect(), b.Proto))
	}
	if len(e.Violations) == 0 {
		return nil
	}
	return e
}

// violation names a broken rule by its path in JSON, in which a oneof has no
// name.
func violation(m protoreflect.Message, broken *validate.Violation) rpc.Violation {
	path := broken.GetField().GetElements()
	if o := oneofAt(m, path); o != nil {
		parent := validate.FieldPath_builder{Elements: path[:len(path)-1]}.Build()
		return rpc.Violation{Field: cmp.Or(protovalidate.FieldPathString(parent), "body"), Problem: "want one of " + alternatives(o)}
	}
	return rpc.Violation{Field: protovalidate.FieldPathString(broken.GetField()), Problem: broken.GetMessage()}
}

// oneofAt returns the oneof that a path leads to, nil if it leads to a field.
func oneofAt(m protoreflect.Message, path []*validate.FieldPathElement) protoreflect.OneofDescriptor {
	for len(path) > 1 && m != nil {
		m, path = member(m, path[0]), path[1:]
	}
	if m == nil || len(path) == 0 {
		return nil
	}
	return m.Descriptor().Oneofs().ByName(protoreflect.Name(path[0].GetFieldName()))
}

func alternatives(o protoreflect.OneofDescriptor) string {
	names := make([]string, o.Fields().Len())
	for i := range names {
		names[i] = string(o.Fields().Get(i).Name())
	}
	return strings.Join(names, ", ")
}

// identities are what a mask need not name.
var identities = []string{"layer_id", "eid", "name"}

// masked reports whether a path leads to what a resource lacks and need not have,
// as the mask beside it does not name that. What is there is checked, whether it
// is named or not: of a resource that turns out to be new all of it is taken.
func masked(m protoreflect.Message, path []*validate.FieldPathElement) bool {
	for i := 0; i+1 < len(path) && m != nil; i++ {
		mask, value := maskOf(m), path[i+1].GetFieldName()
		m = member(m, path[i])
		if len(mask) > 0 && !slices.Contains(mask, value) && !slices.Contains(identities, value) {
			return lacks(m, value)
		}
	}
	return false
}

func lacks(m protoreflect.Message, name string) bool {
	if m == nil {
		return false
	}
	field := m.Descriptor().Fields().ByName(protoreflect.Name(name))
	return field != nil && !m.Has(field)
}

func maskOf(m protoreflect.Message) []string {
	field := m.Descriptor().Fields().ByName("update_mask")
	if field == nil {
		return nil
	}
	mask, _ := m.Get(field).Message().Interface().(*fieldmaskpb.FieldMask)
	return mask.GetPaths()
}

// member returns the message that one element of a path leads to, nil if it is
// none.
func member(m protoreflect.Message, to *validate.FieldPathElement) protoreflect.Message {
	field := m.Descriptor().Fields().ByName(protoreflect.Name(to.GetFieldName()))
	switch {
	case field == nil || field.Message() == nil || field.IsMap():
		return nil
	case field.IsList():
		if list := m.Get(field).List(); int(to.GetIndex()) < list.Len() {
			return list.Get(int(to.GetIndex())).Message()
		}
		return nil
	default:
		return m.Get(field).Message()
	}
}
