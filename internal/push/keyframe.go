package push

import (
	"slices"
	"sync"

	"google.golang.org/protobuf/proto"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
)

// keyFrames makes the frames of access keys, each once per version and
// environment, for all streams. It is safe for concurrent use; the zero
// keyFrames is ready.
type keyFrames struct {
	mu      sync.Mutex
	version int64
	frames  map[string]*servingv1.WatchResponse // of the version, by environment
}

func (k *keyFrames) frame(version int64, keys []*servingv1.PublicKey, environment string) *servingv1.WatchResponse {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.frames == nil || version > k.version {
		k.version, k.frames = version, map[string]*servingv1.WatchResponse{}
	}
	made, ok := k.frames[environment]
	if ok && version == k.version {
		return made
	}
	made = &servingv1.WatchResponse{Frame: &servingv1.WatchResponse_AccessKeys{AccessKeys: &servingv1.AccessKeys{
		Version: version, Keys: followers(keys, environment),
	}}}
	if version == k.version { // and not of a stream that was late
		k.frames[environment] = made
	}
	return made
}

// followers returns the keys that may follow an environment, as keys of that one
// alone: a plane is not told what else they are for.
func followers(keys []*servingv1.PublicKey, environment string) []*servingv1.PublicKey {
	var found []*servingv1.PublicKey
	for _, key := range keys {
		here := len(key.GetEnvironments()) == 0 || slices.Contains(key.GetEnvironments(), environment)
		if here && (key.GetRole() == servingv1.Role_ROLE_PLANE || key.GetRole() == servingv1.Role_ROLE_SDK) {
			key = proto.CloneOf(key)
			key.Environments = []string{environment}
			found = append(found, key)
		}
	}
	return found
}
