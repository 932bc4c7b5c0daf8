// Package verify turns the bytes of a photo into facts.
//
// Here are the media type by magic bytes, the dimensions before anything is decoded, the EXIF values under their tag
// names and the perceptual hash. Nothing here judges: whether a place or a time fits the visit is for server/checks.
// All functions are pure, take hostile input and do not panic. Start with File in facts.go.
package verify
