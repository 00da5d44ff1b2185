package api

import (
	"context"
	"strings"
	"unicode/utf8"

	"connectrpc.com/connect"
)

const (
	authorHeader   = "Strata-Author"
	maxAuthorBytes = 256
	anonymous      = "anonymous"
)

// authorOf returns who makes a call: who they say they are, as nothing proves it
// yet.
func authorOf(ctx context.Context) string {
	info, ok := connect.CallInfoForHandlerContext(ctx)
	if !ok {
		return anonymous
	}
	name := strings.TrimSpace(info.RequestHeader().Get(authorHeader))
	if name == "" || len(name) > maxAuthorBytes || !utf8.ValidString(name) {
		return anonymous
	}
	return name
}
