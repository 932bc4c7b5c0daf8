// Package exactjson reads and writes JSON where its bytes count: a push, the body of an entry, the row of a record, the
// answer to a question. Ordinary documents are read with encoding/json.
//
// exact.go is the general way, by github.com/go-json-experiment/json, the coming encoding/json: names to the letter and
// each once, which the present one does not ask. Begin there. The rest is written by hand, for one reason each:
//
//   - Scanner (scan.go) steps over JSON without copying it. sync/protocol reads pushes with it, server/store/sqlite its rows, and
//     server/store/mongo turns values into BSON and learns whether they come back as the same bytes. No decoder hands out values as
//     slices of what came, and each costs more: of a push of 50 findings of 1.2 KB 0.16 ms by the Scanner, 0.25 by go-json-experiment,
//     0.45 by encoding/json; of a row of 8 fields 1.0, 2.8 and 5.3 µs (the best of 15 runs, one core).
//   - Writer and AppendText (write.go, text.go) write the bytes that encoding/json wrote into the first logs, for hashes cover them.
//     They must stay the same whatever a library makes of JSON; tests compare the two. An entry of 50 findings takes 0.25 ms with its
//     hash, by encoding/json 0.39, by go-json-experiment 0.47 and it writes other bytes.
//   - Depth and Leaves (tolerant.go) look at what nobody has checked, without recursion: whether it is nested too deeply to be
//     given to a parser (both libraries go down to 10,000 levels), and which texts and numbers it says, for a number of a person is
//     found in what is no JSON, too.
//
// None of it knows what the JSON says.
package exactjson
