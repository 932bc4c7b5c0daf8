package badlink_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"fieldclue/sync/badlink"
)

// Both ends of many connections, each of which must end within the bytes that it may pass, in each of the three ways.
func TestACutterLetsNoConnectionLive(t *testing.T) {
	const most, patience = 200_000, 2 * time.Second
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	type end struct {
		bytes int64
		err   error
	}
	got := make(chan end, 100)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				_ = conn.SetReadDeadline(time.Now().Add(patience)) // that it falls silent is noticed so
				n, err := io.Copy(io.Discard, conn)
				got <- end{n, err}
			}()
		}
	}()
	c, err := badlink.NewCutter(ln.Addr().String(), badlink.CutterOptions{Seed: 4, Most: most})
	if err != nil {
		t.Fatal(err)
	}
	const connections = 60
	file := make([]byte, 2*most)
	for range connections {
		go func() {
			conn, err := net.Dial("tcp", c.Addr())
			if err != nil {
				t.Error(err)
				return
			}
			_ = conn.SetDeadline(time.Now().Add(patience))
			_, _ = io.Copy(conn, bytes.NewReader(file)) // it is cut, or the deadline ends it
			_ = conn.Close()
		}()
	}
	var fin, rst, silence int
	var passed int64
	for range connections {
		e := <-got
		passed += e.bytes
		switch {
		case e.bytes < 1 || e.bytes > most:
			t.Errorf("%d bytes passed", e.bytes)
		case e.err == nil:
			fin++
		case errors.Is(e.err, syscall.ECONNRESET):
			rst++
		case errors.Is(e.err, os.ErrDeadlineExceeded):
			silence++
		default:
			t.Error(e.err)
		}
	}
	if err := errors.Join(c.Close(), ln.Close()); err != nil {
		t.Fatal(err)
	}
	n := c.Counts()
	if fin == 0 || rst == 0 || silence == 0 || n.Connections != connections || n.Passed < passed || n.FIN != fin || n.RST != rst || n.Silence != silence {
		t.Fatalf("the server saw %d, %d, %d and %d bytes; counted were %+v", fin, rst, silence, passed, n)
	}
}

// An answer is lost after the request was passed whole.
func TestACutterLosesAnswers(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(conn, conn) // until it ends
				_ = conn.Close()
			}()
		}
	}()
	c, err := badlink.NewCutter(ln.Addr().String(), badlink.CutterOptions{Seed: 4, Most: 2_000})
	if err != nil {
		t.Fatal(err)
	}
	var clients sync.WaitGroup
	for range 60 {
		clients.Go(func() {
			conn, err := net.Dial("tcp", c.Addr())
			if err != nil {
				t.Error(err)
				return
			}
			for b := make([]byte, 50); ; {
				_ = conn.SetDeadline(time.Now().Add(time.Second)) // ends what falls silent
				if _, err := conn.Write(b); err != nil {
					break
				}
				if _, err := io.ReadFull(conn, b); err != nil {
					break
				}
			}
			_ = conn.Close()
		})
	}
	clients.Wait()
	if err := errors.Join(ln.Close(), c.Close()); err != nil {
		t.Fatal(err)
	}
	if n := c.Counts(); n.Answers == 0 || n.FIN+n.RST+n.Silence != 60 {
		t.Fatalf("%+v", n)
	}
}
