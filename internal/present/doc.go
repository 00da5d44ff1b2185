// Package present writes what the control plane answers: as text for people, and
// as JSON or YAML for programs.
//
// Text is plain, without colours, and keeps to 100 columns as far as ids let it.
// What comes from a server is never written to a terminal as it is: characters
// that do not show are escaped. Long lists and values are cut, and say so; JSON
// and YAML have everything, each time in the same bytes for the same message.
package present
