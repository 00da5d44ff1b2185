// Package lifecycle says which changes carry an experiment through its life:
//
//	DRAFT -> RUNNING <-> PAUSED
//	RUNNING or PAUSED -> CONCLUDED -> ARCHIVED, DRAFT -> ARCHIVED
//
// Its functions are pure: from an environment as it is and a request they make
// changes, and write nothing. None changes what another experiment has, holds or
// lets rest. Where a request asks for what is so already there are no changes.
//
// Their errors are *rpc.Refusal. Any other error means that the environment
// contradicts itself, or that what rests in a layer could not be read.
package lifecycle
