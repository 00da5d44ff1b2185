package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/present"
	"github.com/strata-exp/strata/internal/settings"
)

func newCall(env settings.LookupEnv) *cobra.Command {
	c := newConnection(env)
	command := &cobra.Command{
		Use:   "call METHOD [JSON]",
		Short: "Call a method of the admin API, with a request in JSON",
		Long: `Call a method of the admin API, with a request in JSON, and print its answer. It is
what curl would do if it could sign.

METHOD is a service and its method, such as ExperimentService/List. JSON is read
from standard input where it is -, and {} if it is left out.`,
		Example: `  strata call ExperimentService/List '{"environment": "demo", "states": ["EXPERIMENT_STATE_RUNNING"]}'`,
		Args:    cobra.RangeArgs(1, 2), ValidArgsFunction: completeMethod,
	}
	c.asAuthor().registerServer(command)
	command.RunE = c.with(func(command *cobra.Command, s *server, args []string) error {
		method, err := findMethod(args[0])
		if err != nil {
			return err
		}
		request, err := readRequest(command.InOrStdin(), method, args[1:])
		if err != nil {
			return err
		}
		answer, err := s.call(command.Context(), method, request)
		if err != nil {
			return err
		}
		return present.JSON(command.OutOrStdout(), answer)
	})
	return command
}

const adminPackage = "strata.admin.v1"

// unaryMethods yields all methods of the admin API that are no streams.
func unaryMethods(yield func(protoreflect.MethodDescriptor) bool) {
	for _, file := range []protoreflect.FileDescriptor{
		adminv1.File_strata_admin_v1_environment_proto, adminv1.File_strata_admin_v1_layer_proto,
		adminv1.File_strata_admin_v1_experiment_proto, adminv1.File_strata_admin_v1_field_proto,
		adminv1.File_strata_admin_v1_revision_proto, adminv1.File_strata_admin_v1_preview_proto,
		adminv1.File_strata_admin_v1_plane_proto, adminv1.File_strata_admin_v1_access_key_proto,
	} {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				if m := methods.Get(j); !m.IsStreamingServer() && !m.IsStreamingClient() && !yield(m) {
					return
				}
			}
		}
	}
}

func methodName(m protoreflect.MethodDescriptor) string {
	return string(m.Parent().Name()) + "/" + string(m.Name())
}

func findMethod(name string) (protoreflect.MethodDescriptor, error) {
	short := strings.TrimPrefix(strings.TrimPrefix(name, "/"), adminPackage+".")
	for m := range unaryMethods {
		if methodName(m) == short {
			return m, nil
		}
	}
	return nil, fmt.Errorf("there is no method %q to call: want one such as ExperimentService/List", name)
}

func completeMethod(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var names []cobra.Completion
	if len(args) == 0 {
		for m := range unaryMethods {
			names = append(names, methodName(m))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// readRequest reads a request as protobuf's JSON has it.
func readRequest(in io.Reader, method protoreflect.MethodDescriptor, args []string) (*dynamicpb.Message, error) {
	text := []byte("{}")
	if len(args) > 0 {
		text = []byte(args[0])
	}
	if string(text) == "-" {
		var err error
		if text, err = io.ReadAll(in); err != nil {
			return nil, err
		}
	}
	request := dynamicpb.NewMessage(method.Input())
	if err := protojson.Unmarshal(text, request); err != nil {
		return nil, fmt.Errorf("the request is no %s: %w", method.Input().Name(), err)
	}
	return request, nil
}

// call calls a method by its descriptor.
func (s *server) call(ctx context.Context, method protoreflect.MethodDescriptor, request *dynamicpb.Message) (*dynamicpb.Message, error) {
	url := s.url + "/" + adminPackage + "." + methodName(method)
	client := connect.NewClient[dynamicpb.Message, dynamicpb.Message](s.client, url, s.options,
		connect.WithSchema(method),
		connect.WithResponseInitializer(func(_ connect.Spec, message any) error {
			if answer, ok := message.(*dynamicpb.Message); ok {
				*answer = *dynamicpb.NewMessage(method.Output())
			}
			return nil
		}))
	answer, err := client.CallUnary(ctx, connect.NewRequest(request))
	if err != nil {
		return nil, err
	}
	return answer.Msg, nil
}
