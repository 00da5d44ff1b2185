package explain

import (
	"strings"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// cells is how many characters a layer's slots are drawn with.
const cells = 50

// bar draws a layer's slots: the range, which may be nil, and the slot in it.
// A cell belongs to the range if any of its slots does, so that no range is too
// small to be seen.
func bar(slot int32, r *configv1.Range) string {
	const perCell = engine.Slots / cells
	at := slot / perCell
	var b strings.Builder
	b.WriteByte('[')
	for cell := range int32(cells) {
		switch {
		case cell == at:
			b.WriteRune('▼')
		case r.GetStart() < (cell+1)*perCell && cell*perCell < r.GetEnd():
			b.WriteRune('█')
		default:
			b.WriteRune('·')
		}
	}
	b.WriteByte(']')
	return b.String()
}
