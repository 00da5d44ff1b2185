package revision

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/strata-exp/strata/db/dbsqlc"
)

// chain returns the hash that stands for a revision and all before it: the
// SHA-256 of
//
//	"strata revision 1" || parent's hash || revision || checksum || microseconds
//	since 1970 || origin || origin's revision || origin's environment || author ||
//	message
//
// where numbers are 8 bytes in big-endian order, and texts and hashes are
// preceded by their length as such a number.
func chain(row dbsqlc.InsertRevisionParams) []byte {
	var b []byte
	number := func(n int64) { b = binary.BigEndian.AppendUint64(b, uint64(n)) }
	text := func(t string) {
		number(int64(len(t)))
		b = append(b, t...)
	}
	text("strata revision 1")
	text(string(row.ParentHash))
	number(row.Revision)
	text(string(row.Checksum))
	number(row.CreatedAt.UnixMicro())
	number(int64(row.Origin))
	number(row.OriginRevision)
	text(row.OriginEnvironment)
	text(row.Author)
	text(row.Message)
	sum := sha256.Sum256(b)
	return sum[:]
}
