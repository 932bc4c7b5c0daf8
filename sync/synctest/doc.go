// Package synctest holds a simulated phone and a bad link, for tests and for the demo.
//
// A Phone is a real client: it knows the server by its public HTTP API alone and keeps all it has in one directory, so
// that it survives the end of its process at any moment. A Link is an http.RoundTripper between a phone and the server
// that cuts connections, loses answers, repeats requests and waits, as its seed says. Open phone.go first; journal.go is
// how a phone remembers, push.go, pull.go and upload.go are what it says to the server, link.go is what stands between.
// cutter.go is a bad network of real TCP, for uploads.
//
// What a phone promises. Everything that was written with Write is on disk when Write returns. The operations of one
// Write reach the server in their order, and in one batch as long as they fit; those that wait for photos follow when
// the photos have arrived. A batch that was sent once keeps its number and its bytes until the server has answered it.
// A photo's file is freed only on a receipt that the server's published key has signed for exactly these bytes. When a
// scope is lost or starts afresh, what was written there stays in the outbox and is sent.
//
// Not here: screens, background work, encryption of what is on disk. Time, chance and waiting come from outside.
package synctest
