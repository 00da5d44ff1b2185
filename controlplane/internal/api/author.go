package api

import (
	"context"
	"strings"
	"unicode/utf8"

	"connectrpc.com/connect"

	"github.com/strata-exp/strata/internal/auth"
)

const (
	authorHeader   = "Strata-Author"
	maxAuthorBytes = 256
)

// authorOf returns who makes a call: the name of the key that signed it, after
// the name of who is behind it, if the caller says that.
func authorOf(ctx context.Context) string {
	key := ""
	if p, ok := auth.FromContext(ctx); ok {
		key = p.Name
	}
	info, ok := connect.CallInfoForHandlerContext(ctx)
	if !ok {
		return key
	}
	name := strings.TrimSpace(info.RequestHeader().Get(authorHeader))
	author := name + " via " + key
	if name == "" || name == key || len(author) > maxAuthorBytes || !utf8.ValidString(name) {
		return key
	}
	return author
}
