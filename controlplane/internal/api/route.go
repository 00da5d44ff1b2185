package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/strata-exp/strata/internal/rpc"
)

// route is a procedure and how its handler is made.
type route struct {
	procedure string
	method    protoreflect.MethodDescriptor
	handler   func(maxAnswer int64, options ...connect.HandlerOption) http.Handler
	// lasts is for how long a unary call may go on beyond what the server lets
	// calls take; it then ends when the server stops.
	lasts time.Duration
}

// streams reports whether the procedure is answered by a stream.
func (r *route) streams() bool { return r.method.IsStreamingServer() }

// message is a pointer to a generated message.
type message[T any] interface {
	*T
	proto.Message
}

// unary is the route of a unary procedure. What the schema says of it, that it
// can be called by GET for instance, comes from its descriptor.
func unary[Q, A any, Request message[Q], Answer message[A]](
	procedure string, call func(context.Context, Request) (Answer, error),
) route {
	method := methodOf(procedure)
	handler := func(maxAnswer int64, options ...connect.HandlerOption) http.Handler {
		bounded := func(ctx context.Context, in *incoming[Request]) (*A, error) {
			answer, err := call(ctx, in.message)
			if err == nil {
				err = bound(answer, maxAnswer)
			}
			return answer, err
		}
		return connect.NewUnaryHandlerSimple(procedure, bounded,
			append(options, connect.WithSchema(method), connect.WithIdempotency(idempotencyOf(method)))...)
	}
	return route{procedure: procedure, method: method, handler: handler}
}

// stream is the route of a procedure that is answered by a stream.
func stream[Q, A any, Request message[Q], Answer message[A]](
	procedure string, call func(ctx context.Context, request Request, send func(Answer) error) error,
) route {
	method := methodOf(procedure)
	handler := func(maxAnswer int64, options ...connect.HandlerOption) http.Handler {
		bounded := func(ctx context.Context, in *incoming[Request], s *connect.ServerStream[A]) error {
			return call(ctx, in.message, func(answer Answer) error {
				if err := bound(answer, maxAnswer); err != nil {
					return err
				}
				defer bySendDeadline(ctx)()
				return s.Send(answer)
			})
		}
		return connect.NewServerStreamHandlerSimple(procedure, bounded,
			append(options, connect.WithSchema(method), connect.WithIdempotency(idempotencyOf(method)))...)
	}
	return route{procedure: procedure, method: method, handler: handler}
}

func bound(answer proto.Message, most int64) error {
	if int64(proto.Size(answer)) > most {
		return &rpc.TooLarge{What: "the answer", MaxBytes: most}
	}
	return nil
}

// methodOf returns the descriptor of a procedure, nil if there is none, which
// newValidation tells of.
func methodOf(procedure string) protoreflect.MethodDescriptor {
	name := strings.ReplaceAll(strings.TrimPrefix(procedure, "/"), "/", ".")
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		return nil
	}
	method, _ := found.(protoreflect.MethodDescriptor)
	return method
}

func idempotencyOf(method protoreflect.MethodDescriptor) connect.IdempotencyLevel {
	options, _ := method.Options().(*descriptorpb.MethodOptions)
	switch options.GetIdempotencyLevel() {
	case descriptorpb.MethodOptions_NO_SIDE_EFFECTS:
		return connect.IdempotencyNoSideEffects
	case descriptorpb.MethodOptions_IDEMPOTENT:
		return connect.IdempotencyIdempotent
	default:
		return connect.IdempotencyUnknown
	}
}

// incoming is a request as it was read. What is wrong with it is kept in it,
// because an error that a codec returned would reach the client without reason
// and field.
type incoming[Request proto.Message] struct {
	message Request
	err     error
}

// received is an incoming of any type.
type received interface {
	// read fills the message by a function that says what is wrong with it.
	read(unmarshal func(proto.Message) error)
	// result returns the message, or what was wrong with it.
	result() (proto.Message, error)
}

func (in *incoming[Request]) read(unmarshal func(proto.Message) error) {
	in.message, _ = in.message.ProtoReflect().Type().New().Interface().(Request)
	in.err = unmarshal(in.message)
}

func (in *incoming[Request]) result() (proto.Message, error) { return in.message, in.err }
