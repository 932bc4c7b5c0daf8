package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	mongooptions "go.mongodb.org/mongo-driver/mongo/options"
	"go.mongodb.org/mongo-driver/mongo/readconcern"
	"go.mongodb.org/mongo-driver/mongo/writeconcern"
	_ "modernc.org/sqlite" // the driver of the embedded store

	"fieldclue/media/blob/miniotest"
	"fieldclue/server/field"
)

// bare is the engines without the server: the same documents, as durable, by the same number of clients.
type bare struct {
	o              options
	how, photosHow string
	seq            []int64 // of each client's scope

	sqlite *sql.DB
	one    sync.Mutex // SQLite has one writer

	mongo        *mongo.Client
	db           *mongo.Database
	transactions bool

	dir     string
	minio   *minio.Client
	picture []byte
	server  *httptest.Server // the sink
}

const bareBucket = "bare"

func openBare(ctx context.Context, o options, s3 miniotest.Config) (*bare, error) {
	b := &bare{o: o, seq: make([]int64, o.clients), dir: filepath.Join(o.dir, "bare")}
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return nil, err
	}
	var err error
	if b.picture, err = picture(o.photoBytes); err != nil {
		return nil, err
	}
	if o.store == "sqlite" {
		err = b.openSQLite(ctx)
	} else {
		err = b.openMongo(ctx)
	}
	if err != nil {
		return nil, err
	}
	b.server = httptest.NewServer(http.HandlerFunc(b.sink))
	b.server.Client().Transport.(*http.Transport).MaxIdleConnsPerHost = o.clients //nolint:forcetypeassert // documented
	b.photosHow = "write, fsync, rename, fsync of the directory"
	if o.blobs == "minio" {
		b.photosHow = "PutObject by minio-go"
		b.minio, err = minio.New(s3.Endpoint, &minio.Options{Creds: credentials.NewStaticV4(s3.AccessKey, s3.SecretKey, "")})
		if err != nil {
			return nil, err
		}
		if err := b.minio.MakeBucket(ctx, bareBucket, minio.MakeBucketOptions{ObjectLocking: true}); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (b *bare) openSQLite(ctx context.Context) error {
	b.how = "one transaction: an entry, the records, the head"
	pragmas := url.Values{"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(10000)"}}
	var err error
	if b.sqlite, err = sql.Open("sqlite", "file:"+filepath.Join(b.dir, "bare.db")+"?"+pragmas.Encode()); err != nil {
		return err
	}
	b.sqlite.SetMaxOpenConns(1)
	_, err = b.sqlite.ExecContext(ctx, `
		CREATE TABLE log (scope TEXT, seq INTEGER, body BLOB, PRIMARY KEY (scope, seq)) WITHOUT ROWID;
		CREATE TABLE records (id TEXT PRIMARY KEY, scope TEXT, version INTEGER, body BLOB) WITHOUT ROWID;
		CREATE INDEX changed ON records (scope, version);
		CREATE TABLE heads (scope TEXT PRIMARY KEY, seq INTEGER) WITHOUT ROWID;`)
	return err
}

func (b *bare) openMongo(ctx context.Context) error {
	var err error
	b.mongo, err = mongo.Connect(ctx, mongooptions.Client().ApplyURI(b.o.mongoURI))
	if err != nil {
		return err
	}
	journaled := true
	b.db = b.mongo.Database(fmt.Sprintf("bare_%d", time.Now().Unix()), mongooptions.Database().
		SetWriteConcern(&writeconcern.WriteConcern{W: "majority", Journal: &journaled}))
	for name, keys := range map[string]bson.D{"log": {{Key: "scope", Value: 1}, {Key: "seq", Value: 1}}, "records": {{Key: "scope", Value: 1}, {Key: "version", Value: 1}}} {
		_, err := b.db.Collection(name).Indexes().CreateOne(ctx, mongo.IndexModel{Keys: keys, Options: mongooptions.Index().SetUnique(name == "log")})
		if err != nil {
			return err
		}
	}
	var hello struct {
		SetName string `bson:"setName"`
	}
	if err := b.db.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello); err != nil {
		return err
	}
	b.transactions = hello.SetName != ""
	b.how = "one transaction by the driver: an entry, the records, the head"
	if !b.transactions {
		b.how = "no transactions on this server: three plain writes by the driver"
	}
	return nil
}

func (b *bare) close(ctx context.Context) error {
	b.server.Close()
	if b.sqlite != nil {
		return b.sqlite.Close()
	}
	return errors.Join(b.db.Drop(ctx), b.mongo.Disconnect(ctx))
}

// write stores batches of new documents as the server does: the log's entry, the records, the scope's head.
func (b *bare) write(size int) func(ctx context.Context, client, n int) (float64, error) {
	return func(ctx context.Context, client, _ int) (float64, error) {
		b.seq[client]++
		scope, seq := fmt.Sprintf("site/%d", client), b.seq[client]
		ids := make([]field.RecordID, size)
		var entry []byte
		for i := range ids {
			ids[i] = newID()
			entry = append(entry, facts...)
		}
		var err error
		if b.sqlite != nil {
			err = b.writeSQLite(ctx, scope, seq, ids, entry)
		} else {
			err = b.writeMongo(ctx, scope, seq, ids, entry)
		}
		return float64(size), err
	}
}

func (b *bare) writeSQLite(ctx context.Context, scope string, seq int64, ids []field.RecordID, entry []byte) (err error) {
	b.one.Lock()
	defer b.one.Unlock()
	tx, err := b.sqlite.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	if _, err = tx.ExecContext(ctx, "INSERT INTO log VALUES (?, ?, ?)", scope, seq, entry); err != nil {
		return err
	}
	insert, err := tx.PrepareContext(ctx, "INSERT INTO records VALUES (?, ?, ?, ?)")
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, err = insert.ExecContext(ctx, string(id), scope, seq, facts); err != nil {
			return err
		}
	}
	if _, err = tx.ExecContext(ctx, "INSERT INTO heads VALUES (?, ?) ON CONFLICT (scope) DO UPDATE SET seq = excluded.seq", scope, seq); err != nil {
		return err
	}
	return tx.Commit()
}

func (b *bare) writeMongo(ctx context.Context, scope string, seq int64, ids []field.RecordID, entry []byte) error {
	docs := make([]any, len(ids))
	for i, id := range ids {
		docs[i] = bson.D{{Key: "_id", Value: string(id)}, {Key: "scope", Value: scope}, {Key: "version", Value: seq}, {Key: "facts", Value: facts}}
	}
	all := func(ctx context.Context) error {
		if _, err := b.db.Collection("log").InsertOne(ctx, bson.D{{Key: "scope", Value: scope}, {Key: "seq", Value: seq}, {Key: "body", Value: string(entry)}}); err != nil {
			return err
		}
		if _, err := b.db.Collection("records").InsertMany(ctx, docs); err != nil {
			return err
		}
		_, err := b.db.Collection("heads").UpdateOne(ctx, bson.D{{Key: "_id", Value: scope}}, bson.D{{Key: "$set", Value: bson.D{{Key: "seq", Value: seq}}}}, mongooptions.Update().SetUpsert(true))
		return err
	}
	if !b.transactions {
		return all(ctx)
	}
	session, err := b.mongo.StartSession()
	if err != nil {
		return err
	}
	defer session.EndSession(ctx)
	journaled := true
	_, err = session.WithTransaction(ctx, func(ctx mongo.SessionContext) (any, error) { return nil, all(ctx) }, mongooptions.Transaction().
		SetReadConcern(readconcern.Snapshot()).SetWriteConcern(&writeconcern.WriteConcern{W: "majority", Journal: &journaled}))
	return err
}

// files makes and hashes files for every client.
func (b *bare) files(each int) ([][]declared, error) {
	c := &county{picture: b.picture}
	files := make([][]declared, b.o.clients)
	return files, together(b.o.clients, func(client int) error {
		for range each {
			f := jpegPhoto(c, newID())
			files[client] = append(files[client], declared{sum: f.sum(), file: f})
		}
		return nil
	})
}

// photo stores the next of a client's files.
func (b *bare) photo(files [][]declared) work {
	return func(ctx context.Context, client, n int) (float64, error) {
		if n >= len(files[client]) {
			return 0, errDone
		}
		d := files[client][n]
		return float64(d.file.size()) / 1e6, b.keep(ctx, d.sum, d.file.reader(), d.file.size())
	}
}

func (b *bare) keep(ctx context.Context, name string, content io.Reader, size int64) error {
	if b.minio == nil {
		return b.writeFile(name, content)
	}
	_, err := b.minio.PutObject(ctx, bareBucket, name, content, size, minio.PutObjectOptions{ContentType: "image/jpeg"})
	return err
}

// sink is the least that any server of uploads does: take the body of a request, hash it, keep it. What is posted below
// /link/ is not kept: so much comes over the link and through the hash at best.
func (b *bare) sink(w http.ResponseWriter, r *http.Request) {
	hash := sha256.New()
	body := io.TeeReader(r.Body, hash)
	var err error
	dir, name := path.Split(r.URL.Path)
	if dir == linkOnly {
		_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, body, make([]byte, sinkBuffer))
	} else {
		err = b.keep(r.Context(), name, body, r.ContentLength)
	}
	if err == nil && hex.EncodeToString(hash.Sum(nil)) != name {
		err = errors.New("other bytes")
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

const (
	linkOnly   = "/link/"
	sinkBuffer = 512 << 10 // as large as the server's
)

// photoByHTTP sends the next of a client's files to the sink.
func (b *bare) photoByHTTP(files [][]declared) work { return b.post("/", files) }

// photoByLink sends it there only to be hashed.
func (b *bare) photoByLink(files [][]declared) work { return b.post(linkOnly, files) }

func (b *bare) post(below string, files [][]declared) work {
	return func(ctx context.Context, client, n int) (float64, error) {
		if n >= len(files[client]) {
			return 0, errDone
		}
		d := files[client][n]
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.server.URL+below+d.sum, d.file.reader())
		if err != nil {
			return 0, err
		}
		req.ContentLength = d.file.size()
		resp, err := b.server.Client().Do(req)
		if err != nil {
			return 0, err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		if err = errors.Join(err, resp.Body.Close()); err == nil && resp.StatusCode != http.StatusOK {
			err = errors.New(resp.Status)
		}
		return float64(d.file.size()) / 1e6, err
	}
}

func (b *bare) writeFile(name string, content io.Reader) error {
	f, err := os.CreateTemp(b.dir, "new-")
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{f}, content, make([]byte, sinkBuffer))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), filepath.Join(b.dir, name)); err != nil {
		return err
	}
	d, err := os.Open(b.dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
