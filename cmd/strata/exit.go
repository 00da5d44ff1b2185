package main

import "fmt"

// exitCode is the error of a command that has said all there is to say, and
// tells the rest by its exit code.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// exitChanges is how commands exit that were asked for changes and found some.
const exitChanges exitCode = 2

// exitCodes is the help of those commands.
const exitCodes = "Exits with 0 if there are no changes, with 2 if there are, and with 1 on an error."
