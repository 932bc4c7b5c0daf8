// Package field holds the nouns of field inspection and their rules: records, kinds, life cycles, error codes.
//
// It is pure: no I/O, no clock, hardly a library. Open kinds.go first (what records there are and which fields they
// have), then the file of a noun (report.go, clue.go, …) for its life cycle.
package field
