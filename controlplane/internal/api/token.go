package api

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"

	"google.golang.org/protobuf/proto"

	"github.com/strata-exp/strata/internal/rpc"
)

// defaultPageSize is how many entries a page has where the request does not say.
const defaultPageSize = 50

// listRequest is what all requests for a page have in common.
type listRequest interface {
	proto.Message
	GetPageSize() int32
	GetPageToken() string
}

func pageSize(r listRequest) int {
	if n := r.GetPageSize(); n > 0 {
		return int(n)
	}
	return defaultPageSize
}

// cursor is where a page begins.
type cursor struct {
	// revision is the one that all pages come from, 0 for lists that have none.
	revision int64
	// position is the list's own.
	position string
}

// digestBytes is how much of the digest of a request is in a token: enough to
// see a slip, which is all that it is for.
const digestBytes = 8

// token returns the page token that leads a request to the cursor. It is good for
// requests with the same filters only.
func (c cursor) token(r listRequest) (string, error) {
	digest, err := filters(r)
	if err != nil {
		return "", err
	}
	text := binary.AppendUvarint(digest, uint64(c.revision))
	return base64.RawURLEncoding.EncodeToString(append(text, c.position...)), nil
}

// readCursor returns the cursor of a request's page token, the zero cursor if it
// has none.
func readCursor(r listRequest) (cursor, error) {
	if r.GetPageToken() == "" {
		return cursor{}, nil
	}
	digest, err := filters(r)
	if err != nil {
		return cursor{}, err
	}
	text, err := base64.RawURLEncoding.DecodeString(r.GetPageToken())
	if err != nil {
		return cursor{}, rpc.Invalidf("page_token", "is no token: send the next_page_token of a page as it is, or leave it out")
	}
	text, ok := bytes.CutPrefix(text, digest)
	revision, n := binary.Uvarint(text)
	if !ok || n <= 0 {
		return cursor{}, rpc.Invalidf("page_token", "is of another request: send it with the filters that the page before had, or leave it out")
	}
	return cursor{revision: int64(revision), position: string(text[n:])}, nil
}

// filters stands for what a request says beside where its page begins and how
// long it is.
func filters(r listRequest) ([]byte, error) {
	sum, err := digest(r, "page_size", "page_token")
	return sum[:digestBytes], err
}
