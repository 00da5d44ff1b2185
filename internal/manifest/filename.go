package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
)

// longestName is how many bytes of an id are in a file's name.
const longestName = 100

// names are the names in one folder that are taken, in lower case: on some file
// systems two names that differ by case alone are one.
type names map[string]bool

// namesIn returns the names that are taken in a folder, which need not exist.
func namesIn(folder string) (names, error) {
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	taken := names{}
	for _, entry := range entries {
		taken[strings.ToLower(entry.Name())] = true
	}
	return taken, nil
}

// pick takes a name for the file of an id: the id itself, if it is fit for a name
// and not taken, or else as much of it as is fit, and a digest.
func (n names) pick(id string) string {
	name := id + ".yaml"
	for i := 1; i == 1 && !fit(id) || n[strings.ToLower(name)]; i++ {
		sum := sha256.Sum256([]byte(id))
		name = fittingPart(id) + "~" + hex.EncodeToString(sum[:8])
		if i > 1 {
			name += "~" + strconv.Itoa(i)
		}
		name += ".yaml"
	}
	n[strings.ToLower(name)] = true
	return name
}

// fit reports whether a file can be called after an id on every file system, by
// a name that readers of folders do not pass over, no shell takes for an option,
// and no other id is given together with a digest.
func fit(id string) bool {
	if id == "" || len(id) > longestName || id[0] == '.' || id[0] == '-' {
		return false
	}
	for i := range len(id) {
		if !fitByte(id[i]) && id[i] != '.' {
			return false
		}
	}
	device, _, _ := strings.Cut(strings.ToLower(id), ".")
	return !slices.Contains(devices, device)
}

// devices are names that Windows keeps for itself, whatever follows a dot.
var devices = []string{
	"con", "prn", "aux", "nul", "com0", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9",
	"lpt0", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
}

func fitByte(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}

// fittingPart returns the beginning of an id, with a line in place of each byte
// that is not fit.
func fittingPart(id string) string {
	part := []byte(id[:min(len(id), longestName)])
	if id == "" {
		part = []byte("_")
	}
	for i, c := range part {
		if !fitByte(c) || i == 0 && c == '-' {
			part[i] = '_'
		}
	}
	return string(part)
}
