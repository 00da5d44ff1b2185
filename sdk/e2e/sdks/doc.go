// Package sdks runs the three SDKs as processes of their own, for tests and
// benchmarks that treat them alike. Each language has a driver, a small program
// around its client that reads questions from its input and writes answers and
// changes to its output, as JSON, a line each:
//
//	{"do": "evaluate", "service": "s", "context": {...}, "paths": ["a.b"]}
//	{"answer": {"revision": 7, "parameters": [{"value": 1, "reason": "SPLIT", ...}]}}
//	{"do": "status"}
//	{"answer": {"state": "READY", "revision": 7, "stale_millis": 0, "dropped": 0}}
//	{"do": "measure", "service": "s", "contexts": [...], "paths": [...], "millis": 500}
//	{"answer": {"nanos": 1234, "memory": 1000000}}
//	{"change": {"state": "READY", "revision": 8, "keys": ["s.a.b"], "at": 1700000000000000}}
//
// The settings come from the environment, as for everybody; STRATA_SERVICES, with
// commas, is the drivers' own. A driver ends, and closes its client, with its input.
package sdks
