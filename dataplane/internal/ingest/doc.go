// Package ingest takes what experiments are judged by: exposures and events. It
// serves strata.serving.v1.EventService, checks what comes, and hands what is well
// formed to a Sink. It does not look for duplicates: those who read the entries
// tell them by their insert_id.
package ingest
