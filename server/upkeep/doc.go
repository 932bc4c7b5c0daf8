// Package upkeep looks after what is stored: whether it is whole, copies of it, and the keys that vouch for it. Most of
// it is a command of the program, and is in the file of its name.
//
// verify.go checks everything (files.go reads the files, shelves.go compares working documents with the log),
// rebuild.go makes anew what follows from something else. backup.go copies, puts back and moves; numbers.go lets
// registers pass over what may have been given since a copy was made. keys.go keeps the key that signs, anchor.go signs
// every day where the logs stand, witness.go does so in a file outside, clock.go doubts the server's clock. archive.go
// moves what is old out of the log, start.go refuses a start that would bury evidence, households.go what older
// versions kept where too many read it.
//
// Not here: which engines there are (server/storage), and what the log itself must be (sync/engine).
package upkeep
