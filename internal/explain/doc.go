// Package explain turns the engine's explanations into the message that is sent
// and the text that people read. Servers and the command line share it, so that
// an explanation reads the same wherever it was made.
//
// The text is made from the message, not from the engine's own form: a command
// has no more than that from a server. It is plain, without colours, and keeps
// to 80 columns as far as names and values let it.
package explain
