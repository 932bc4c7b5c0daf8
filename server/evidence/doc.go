// Package evidence is what becomes of photos once their bytes have come: it joins uploads to the log, looks at what
// arrived, and keeps legal holds.
//
// photos.go is the ledger of uploads: what was declared there, also in operations that were kept for review, that the
// bytes are safe, and the flag of bytes that stand elsewhere. examine.go turns an original into facts, renditions and
// flags, recheck.go judges again when the times of a visit are corrected, renditions.go makes small pictures anew.
// holds.go holds the originals that a registered clue rests on, as docs/decisions/holds.md says. space.go tells
// administrators when the space for photos runs out.
//
// Not here: how bytes come (media/intake), what they say (media/verify), the rules that raise flags (server/checks),
// how likenesses are found (server/alike), and how people see all this (server/workflow).
package evidence
