// Package store holds the shapes that the two stores, sqlite and mongo, share: log entries, queries, working documents.
// The interfaces are declared by those who call them; storetest is the contract that both pass.
package store
