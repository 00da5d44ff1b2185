// Package plan says what a change of a configuration does to users: who gets
// another variant, which parameters change, meet or hide each other, and what
// is allowed but seldom meant.
//
// [Make] is a pure function. It knows no store, clock or environment, and equal
// states and options give equal plans, byte for byte.
//
// # What it looks at
//
// Moves and parameters come from what was touched alone. What layers do to each
// other can only happen between layers that have slots of the same service, so
// for each service that is touched its layers are put in order of evaluation,
// and the paths that their variants write into one tree (see scope). A change
// of notes alone does nothing to users and looks at no service.
//
// # Exact shares
//
// A parameter is hidden from those users for whom a layer that is evaluated
// earlier sets it too. As long as no order matters that is a product over
// layers, which runs along with the order of evaluation (see product). Order
// matters where one layer has an object at a path and a later one something
// else: the object shields what is below it. Then the states that the path can
// be in are followed from layer to layer (see chain). Layers that share salt and
// hash key are followed slot by slot in both.
//
// All of this is integer arithmetic, rounded once. There is one way out, for
// configurations that nobody has by accident: where objects meet other values and
// the states are too many to follow, as many layers share salts in pairs, or
// thousands of layers do so at thousands of paths, shielding is left out of
// account and the share is marked as the largest possible one.
package plan
