// Package rpc is the edge of every server: what turns an error into an answer,
// what bounds a request before it is read, and how an HTTP server is set up.
//
// Clients see codes, reasons and fields from one table, and never the text of
// an error that the table does not know: that goes to the log, under a reference
// that the client is told.
package rpc
