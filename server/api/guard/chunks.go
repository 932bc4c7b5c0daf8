package guard

import (
	"bufio"
	"errors"
	"io"
	"math"
	"net/http/httputil"
	"time"

	"fieldclue/server/field"
)

// chunks reads a body that comes in chunks (RFC 9112, 7.1) and ends where its sender says so, not where the link does.
// Beneath it a stream reads the connection itself, with the same deadlines as any body.
type chunks struct {
	raw   *stream
	src   *bufio.Reader // over raw
	dec   io.Reader     // over src
	most  int64         // bytes that are taken
	got   int64
	err   error // what ended it; io.EOF when it is complete
	ended bool  // the last chunk and what follows it were read
}

// trailerMost is how many lines may follow the last chunk; they are not looked at.
const trailerMost = 16

// newChunks takes what fasthttp gives as a body, which has to be told that it is without end: fasthttp's own reader of
// chunks takes a connection that is cut between two of them for the end.
func newChunks(raw *stream, most int64) *chunks {
	raw.length = math.MaxInt64
	src := bufio.NewReader(raw)
	return &chunks{raw: raw, src: src, dec: httputil.NewChunkedReader(src), most: most}
}

// Read follows io.Reader.
func (c *chunks) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := c.dec.Read(p)
	c.got += int64(n)
	switch {
	case c.got > c.most:
		c.err = field.Refuse(field.CodeBodyTooLarge, "")
		return 0, c.err
	case errors.Is(err, io.EOF):
		c.err = c.trailer()
	case err != nil:
		c.err = c.broken(err)
	}
	if n > 0 {
		return n, nil // the error comes with the next read
	}
	return 0, c.err
}

// trailer reads what follows the last chunk: io.EOF when it is there.
func (c *chunks) trailer() error {
	for range trailerMost {
		line, err := c.src.ReadSlice('\n')
		switch {
		case err != nil:
			return c.broken(err)
		case len(line) == 1 || len(line) == 2 && line[0] == '\r':
			c.ended = true
			return io.EOF
		}
	}
	return field.Refuse(field.CodeBadRequest, "Too much follows the last chunk.").InChinese("最后一个分块之后的内容过多。")
}

// broken tells a link that broke from chunks that are none.
func (c *chunks) broken(err error) error {
	if c.raw.err != nil {
		return c.raw.err
	}
	return field.Refuse(field.CodeBadRequest, "The body is not what Transfer-Encoding: chunked says.").
		InChinese("请求内容与 Transfer-Encoding: chunked 的格式不符。").Because(err)
}

func (c *chunks) declared() int64 { return Unknown }

func (c *chunks) came() int64 { return c.got }

// Interrupt follows stream.Interrupt.
func (c *chunks) Interrupt() { c.raw.Interrupt() }

// settle follows stream.settle, but drains nothing: what a handler left unread ends the connection, and so does what
// came after the body, for the next request would not see it.
func (c *chunks) settle(wait time.Duration) bool {
	clean := c.ended && c.src.Buffered() == 0
	c.raw.length = c.raw.got
	if c.err == nil {
		c.err = io.ErrClosedPipe
	}
	return c.raw.settle(wait) && clean
}
