// Package allocate decides which slots of a layer each variant of an experiment
// gets, so that as few users as possible get another variant than before.
//
// [Allocate] is a pure function of a layer and what is wanted of it: it knows no
// salts, users, clocks or stores. [ByPercent] and [ByWeight] turn what people
// ask for into slots.
//
// # Who moves
//
// A variant that is to have fewer slots gives up exactly the difference, and no
// other slot leaves its variant. What is given up goes to variants of the same
// experiment that are to have more. To free it and take fresh slots instead
// would change what twice as many users get, use up free traffic, and draw new
// users into the experiment whenever its weights change. Only what no variant
// wants is freed.
//
// What variants want beyond that comes from slots that nobody has, in this
// order:
//
//  1. those that rest after the same variant, whose users come back to what they
//     had;
//  2. those that rest after the same experiment, as they would have moved if
//     they had stayed in it;
//  3. those that are free for all;
//  4. if the request ignores rests, those that rest after other experiments, the
//     soonest rested first.
//
// # Which slots
//
// Of the ways to move so many slots, one is looked for that leaves few ranges
// and few gaps, step by step and not by trying all: fill what lies between two
// ranges of the taker, then what touches one, and where nothing does take the
// shortest run of slots that is long enough, or else the longest ones. A new
// range is put away from those of other variants of its experiment, so that both
// have room to grow: two variants that grow together in an empty layer have one
// range each, up to 100 %. A variant that shrinks loses its shortest ranges
// first.
//
// The result depends on the request alone, and not on the order of its lists.
package allocate
