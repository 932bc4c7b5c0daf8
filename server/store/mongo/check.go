package mongo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
	"go.mongodb.org/mongo-driver/x/bsonx/bsoncore"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

// Check keeps the contract in server/store. Every document is compared, member by member, with the one that this
// program writes for what it reads there: what reading leaves out, and queries and people see, is named. Open has seen
// to the indexes.
func (s *Store) Check(ctx context.Context, found func(store.Flaw)) error {
	ch := checker{s: s, found: found, logs: map[field.Scope]bool{}}
	for _, look := range []func(context.Context) error{ch.collections, ch.log, ch.heads, ch.records, ch.docs} {
		if err := look(ctx); err != nil {
			return fault("Check", err)
		}
	}
	return nil
}

type checker struct {
	s     *Store
	found func(store.Flaw)
	logs  map[field.Scope]bool // which scopes are known to have a log
}

func (ch *checker) flaw(help, where, what string, args ...any) {
	ch.found(store.Flaw{Where: where, What: fmt.Sprintf(what, args...), Help: help})
}

// collections names what this program did not make.
func (ch *checker) collections(ctx context.Context) error {
	db := ch.s.log.Database()
	known := []string{logName, scopesName, recordsName}
	for _, shelf := range shelfNames {
		known = append(known, string(shelf))
	}
	specs, err := db.ListCollectionSpecifications(ctx, bson.D{})
	if err != nil {
		return err
	}
	views := map[string]field.Kind{}
	for _, kind := range ch.s.kinds {
		views[viewName(kind)] = kind
	}
	for _, spec := range specs {
		kind, isView := views[spec.Name]
		switch {
		case slices.Contains(known, spec.Name) && spec.Type != "view", strings.HasPrefix(spec.Name, "system."):
		case slices.Contains(known, spec.Name):
			ch.found(store.Flaw{Where: spec.Name, What: "it is a view and should be a collection", Help: store.HelpRestore, Blind: true})
		case isView && spec.Type == "view":
			if !sameView(spec.Options, kind) {
				ch.flaw("drop it: the next start makes it anew", spec.Name, "the view shows something else than the records of its kind")
			}
		default:
			ch.flaw("look at it in mongosh and drop it there", spec.Name, "this program did not make it")
		}
	}
	return nil
}

func sameView(have bson.Raw, kind field.Kind) bool {
	want, err := bson.Marshal(bson.D{{Key: "viewOn", Value: recordsName}, {Key: "pipeline", Value: viewOf(kind)}})
	if err != nil {
		return false
	}
	for _, name := range []string{"viewOn", "pipeline"} {
		if have.Lookup(name).String() != bson.Raw(want).Lookup(name).String() {
			return false
		}
	}
	return true
}

// scan reads a whole collection, however long that takes.
func (ch *checker) scan(ctx context.Context, c *mongo.Collection, o *options.FindOptions, do func(name string, doc []byte) error) error {
	return find(ctx, c, bson.D{}, o, func(doc []byte) error {
		return do(c.Name()+" "+nameOf(doc), doc)
	})
}

func nameOf(doc []byte) string {
	id := bsoncore.Document(doc).Lookup("_id")
	if text, ok := id.StringValueOK(); ok {
		return text
	}
	return id.String()
}

// differing names the members that two documents do not have in common, or not alike; of an inner document, its
// members.
func differing(have, want []byte) []string {
	a, b := members(have), members(want)
	var names []string
	for name, v := range a {
		w, ok := b[name]
		delete(b, name)
		switch {
		case ok && v.Type == w.Type && bytes.Equal(v.Data, w.Data):
		case ok && name == "_sync" && v.Type == bson.TypeEmbeddedDocument:
			for _, inner := range differing(v.Data, w.Data) {
				names = append(names, name+"."+inner)
			}
		default:
			names = append(names, name)
		}
	}
	for name := range b {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func members(doc []byte) map[string]bsoncore.Value {
	all := map[string]bsoncore.Value{}
	_ = each(doc, func(key []byte, v bsoncore.Value) error { // what is cut is missing
		all[string(key)] = v
		return nil
	})
	return all
}

const notAsWritten = "%s is not as this program writes it"

// log looks at the columns of the entries. Their bodies are read by who verifies them.
func (ch *checker) log(ctx context.Context) error {
	o := options.Find().SetProjection(bson.D{{Key: "body", Value: 0}})
	err := ch.scan(ctx, ch.s.log, o, func(name string, doc []byte) error {
		e, err := decodeEntry(doc)
		if err != nil {
			ch.flaw(store.HelpRestore, name, "it cannot be read: %v", err)
			return nil
		}
		want := members(encodeEntry(&e))
		delete(want, "body")
		have := members(doc)
		if v, ok := have["bundle"]; ok {
			if text, ok := v.StringValueOK(); !ok || len(text) != 64 {
				ch.flaw(store.HelpRestore, name, notAsWritten, "bundle")
			}
			delete(have, "bundle")
		}
		for _, member := range differing(document(have), document(want)) {
			ch.flaw(store.HelpRestore, name, notAsWritten, member)
		}
		if e.Seq < 1 {
			ch.flaw(store.HelpRestore, name, "its number is %d", e.Seq)
		}
		return nil
	})
	if err != nil {
		return err
	}
	both := bson.D{{Key: "bundle", Value: bson.D{{Key: "$exists", Value: true}}}, {Key: "body", Value: bson.D{{Key: "$exists", Value: true}}}}
	return find(ctx, ch.s.log, both, options.Find().SetProjection(up("_id")), func(doc []byte) error {
		ch.flaw(store.HelpRestore, logName+" "+nameOf(doc), "it has a body, and names a bundle for it")
		return nil
	})
}

// document puts members together again, in the order of their names.
func document(all map[string]bsoncore.Value) []byte {
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	at, d := bsoncore.AppendDocumentStart(nil)
	for _, name := range names {
		d = bsoncore.AppendValueElement(d, name, all[name])
	}
	return closeDocument(d, at)
}

func (ch *checker) heads(ctx context.Context) error {
	return ch.scan(ctx, ch.s.scopes, options.Find(), func(name string, doc []byte) error {
		h, err := decodeHead(doc)
		if err != nil {
			ch.flaw(store.HelpRebuild, name, "it cannot be read: %v", err)
			return nil
		}
		for _, member := range differing(doc, encodeHead(&h)) {
			ch.flaw(store.HelpRebuild, name, notAsWritten, member)
		}
		return nil
	})
}

func (ch *checker) records(ctx context.Context) error {
	return ch.scan(ctx, ch.s.records, options.Find(), func(name string, doc []byte) error {
		r, err := decodeRecord(doc)
		if err != nil {
			ch.flaw(store.HelpRebuild, name, "it cannot be read: %v", err)
			return nil
		}
		for _, member := range differing(doc, encodeRecord(r)) {
			ch.flaw(store.HelpRebuild, name, notAsWritten, member)
		}
		known, err := ch.hasLog(ctx, r.Scope)
		if err == nil && !known {
			ch.flaw(store.HelpRebuild, name, "it is of %s, which has no log", r.Scope)
		}
		return err
	})
}

func (ch *checker) hasLog(ctx context.Context, scope field.Scope) (bool, error) {
	if known, asked := ch.logs[scope]; asked {
		return known, nil
	}
	err := ch.s.log.FindOne(ctx, bson.D{{Key: "scope", Value: string(scope)}}, options.FindOne().SetProjection(up("_id"))).Err()
	if err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
		return false, err
	}
	ch.logs[scope] = err == nil
	return err == nil, nil
}

func (ch *checker) docs(ctx context.Context) error {
	for _, shelf := range shelfNames {
		err := ch.scan(ctx, ch.s.shelves[shelf], options.Find(), func(name string, doc []byte) error {
			d, err := decodeDoc(shelf, doc)
			if err != nil {
				ch.flaw(store.HelpRestore, name, "it cannot be read: %v", err)
				return nil
			}
			for _, member := range differing(doc, encodeDoc(&d, d.Version)) {
				ch.flaw(store.HelpRestore, name, notAsWritten, member)
			}
			if d.ID == "" {
				ch.flaw("delete it: nothing reads it", name, "it has no name")
			}
			if d.Version < 1 {
				ch.flaw(store.HelpRestore, name, "its version is %d", d.Version)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Mend keeps the contract in server/store. What lists find a record by is part of its document here, so it removes the
// records whose scope has no log, or that have no id of this program's.
func (s *Store) Mend(ctx context.Context) ([]field.RecordID, error) {
	var gone []field.RecordID
	var ids []bson.RawValue
	ch := checker{s: s, logs: map[field.Scope]bool{}}
	err := ch.scan(ctx, s.records, options.Find().SetProjection(up("scope")), func(name string, doc []byte) error {
		id := bson.Raw(doc).Lookup("_id")
		scope, isText := bson.Raw(doc).Lookup("scope").StringValueOK()
		known, err := ch.hasLog(ctx, field.Scope(scope))
		if err == nil && (id.Type != bson.TypeString || !isText || !known) {
			gone = append(gone, field.RecordID(strings.TrimPrefix(name, recordsName+" ")))
			ids = append(ids, bson.RawValue{Type: id.Type, Value: bytes.Clone(id.Value)})
		}
		return err
	})
	for i := 0; i < len(ids) && err == nil; i++ {
		_, err = s.records.DeleteOne(ctx, bson.D{{Key: "_id", Value: ids[i]}})
	}
	return gone, fault("Mend", err)
}
