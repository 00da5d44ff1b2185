// Package api serves strata.serving.v1.EvaluationService, over gRPC, gRPC-Web
// and Connect, and as plain JSON.
//
// Evaluate and BatchEvaluate do without the generated messages: a request is
// read straight into the engine's form and an answer is put together from text
// that the engine holds, because protobuf's Struct would cost many times what
// the evaluation does. The codecs of this package are where that happens; what
// they read and write is what protojson and protobuf would, and tests hold them
// to it. The handlers know nothing of it.
package api
