// Package manifest reads and writes a configuration in the file format of
// docs/semantics.md: a folder of layers, a folder of experiments and, if there
// are any, a file of declared fields and a folder of declared services; one of
// these files alone; or a bundle that has all in one.
//
// The data plane's file source, the command line and the conformance runner all
// read files through it, so that a file that one of them takes is taken by all.
// Its business is syntax and shape: JSON and YAML, types, unknown and missing
// keys, defaults. What a configuration means is for the engine to judge;
// [Set.Compile] asks it and puts its faults back into words of files and lines.
// Notes, which say something to people, are read and written and never judged.
//
// Reading is strict, because a file that two readers understand differently
// moves users between variants. A key stands once; nothing is rounded without a
// word; YAML is what JSON can say, with scalars as in the core schema of YAML
// 1.2, whatever a library would make of them: no stays "no", 2024-01-02 stays a
// string, and there are no anchors, aliases, merges or tags. And it is
// thorough: one pass lists every fault of every file.
//
// Writing is the reverse, for people who read and compare what was written:
// whatever can be read can be written and is then read as the same, and what can
// not is refused. A string has no quotes only where no reader of YAML 1.1 or 1.2
// would take it for anything else.
//
// Loading is all or nothing, so nothing is returned beside faults. The package
// watches nothing, writes no file but in [WriteFolder], and has no clock.
package manifest
