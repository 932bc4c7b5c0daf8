package store

import "fieldclue/server/field"

// What an index of pictures that look alike (server/alike) asks of both stores beside the log. Checked by storetest:
//
//	Hashes(ctx, after, limit)  the perceptual hashes of the photos that are no tombstones, each with its scope: a page of
//	                           those that follow on after, in an order of the store's own. Every photo that has a hash from
//	                           the first page to the last, and keeps it, is there once; what changes meanwhile shows in
//	                           Changed

// Hash is the perceptual hash of one photo.
type Hash struct {
	Scope field.Scope
	Value string // as the photo's record has it, such as "phash/goimagehash-1.1.0:8f1e…"
	Place Place  // of the photo in lists
}
