package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"

	"fieldclue/server/field"
)

// conn is one connection with its prepared statements; one goroutine at a time uses it. It speaks to the driver itself:
// database/sql would add a lock, a conversion and an allocation to every column of every row.
type conn struct {
	c     driver.Conn
	stmts map[string]driver.Stmt
	known map[string]string // the paths of fields, each once
	size  int               // how many fields the last record had: the next one is mostly alike
}

// A list has as many shapes as its filter; past this number of statements all are dropped and prepared again.
const maxStatements = 200

func dial(file, mode string) (*conn, error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	path := filepath.ToSlash(abs)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive letter
	}
	name := url.URL{Scheme: "file", Path: path, RawQuery: "mode=" + mode + "&_busy_timeout=5000"}
	c, err := (&sqlite.Driver{}).Open(name.String())
	if err != nil {
		return nil, broken("open "+filepath.Base(file), err)
	}
	return &conn{c: c, stmts: map[string]driver.Stmt{}, known: map[string]string{}}, nil
}

func (c *conn) close() error {
	return errors.Join(c.forget(), c.c.Close())
}

func (c *conn) forget() error {
	var errs []error
	for _, st := range c.stmts {
		errs = append(errs, st.Close())
	}
	clear(c.stmts)
	return errors.Join(errs...)
}

// prepare gives a statement that is planned once. That holds as long as its limit is an expression, "LIMIT ?+0": the
// number of a bare "LIMIT ?" goes into the plan, and SQLite plans such a statement again whenever a number is bound.
func (c *conn) prepare(query string) (driver.Stmt, error) {
	if st, ok := c.stmts[query]; ok {
		return st, nil
	}
	if len(c.stmts) >= maxStatements {
		if err := c.forget(); err != nil {
			return nil, err
		}
	}
	st, err := c.c.Prepare(query)
	if err != nil {
		return nil, fmt.Errorf("%w in %s", err, query)
	}
	c.stmts[query] = st
	return st, nil
}

// exec runs a statement and returns how many rows it changed.
func (c *conn) exec(query string, args []driver.NamedValue) (int64, error) {
	st, err := c.prepare(query)
	if err != nil {
		return 0, err
	}
	res, err := st.(driver.StmtExecContext).ExecContext(context.Background(), args)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// run is for statements that are said once.
func (c *conn) run(ctx context.Context, query string) error {
	_, err := c.c.(driver.ExecerContext).ExecContext(ctx, query, nil)
	return err
}

var errEnough = errors.New("enough rows")

// query calls each for every row until it returns an error; errEnough ends it well. A row is valid during the call. A
// context that can end costs a goroutine, so short reads pass none and long ones do.
func (c *conn) query(ctx context.Context, query string, args []driver.NamedValue, each func(row []driver.Value) error) error {
	st, err := c.prepare(query)
	if err != nil {
		return err
	}
	rows, err := st.(driver.StmtQueryContext).QueryContext(ctx, args)
	if err != nil {
		return err
	}
	row := make([]driver.Value, len(rows.Columns()))
	for n := 1; ; n++ {
		if err = rows.Next(row); err != nil {
			break
		}
		if err = each(row); err != nil {
			break
		}
		if n%256 == 0 && ctx.Err() != nil {
			err = ctx.Err()
			break
		}
	}
	if err == io.EOF || err == errEnough {
		err = nil
	}
	return errors.Join(err, rows.Close())
}

// values numbers arguments as the driver wants them.
func values(vs ...driver.Value) []driver.NamedValue {
	out := make([]driver.NamedValue, len(vs))
	for i, v := range vs {
		out[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return out
}

// text, number and raw read a column whose type the tables declare.
func text(v driver.Value) string  { s, _ := v.(string); return s }
func number(v driver.Value) int64 { n, _ := v.(int64); return n }
func raw(v driver.Value) []byte   { b, _ := v.([]byte); return b }

// The primary result codes of SQLite that the store tells apart.
const (
	codeBusy       = 5
	codeReadOnly   = 8
	codeInterrupt  = 9
	codeIO         = 10
	codeCorrupt    = 11
	codeFull       = 13
	codeCantOpen   = 14
	codeConstraint = 19
	codeNoDatabase = 26
)

func resultCode(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// Damaged reports whether an error says that the file is no database, or no longer one.
func Damaged(err error) bool {
	return resultCode(err) == codeCorrupt || resultCode(err) == codeNoDatabase
}

func isBusy(err error) bool { return resultCode(err) == codeBusy }

// broken gives an error of the engine a code. Errors that have one, or that the contract names, pass as they are.
func broken(op string, err error) error {
	var known *field.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || resultCode(err) == codeInterrupt {
		return late(op, err)
	}
	code := field.CodeInternal
	switch resultCode(err) {
	case codeFull:
		code = field.CodeStorageFull
	case codeBusy, codeReadOnly, codeIO, codeCantOpen:
		code = field.CodeStoreDown
	}
	e := field.Refuse(code, "").Because(err)
	e.Op = "sqlite " + op
	return e
}

// late is the answer when the caller's time is over.
func late(op string, err error) error {
	e := field.Refuse(field.CodeBusy, "").Because(err)
	e.Op = "sqlite " + op
	return e
}

func closed(op string) error {
	e := field.Refuse(field.CodeStoreDown, "")
	e.Op = "sqlite " + op
	return e.Because(errClosed)
}

var errClosed = errors.New("the store is closed")
