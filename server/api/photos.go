package api

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"fieldclue/media/blob"
	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/workflow"
)

// Blobs is what is read here of the photo bytes. The contract stands in media/blob.
type Blobs interface {
	Open(ctx context.Context, sum blob.Sum, offset, length int64) (io.ReadCloser, error)
	Stat(ctx context.Context, sum blob.Sum) (blob.Info, error)
	Ping(ctx context.Context) error
}

func (s *Server) registerPhotos() {
	for _, b := range []struct{ path, operationID, field, what string }{
		{"/v1/photos/:id/original", "photoOriginal", "sha256", workflow.ViewOriginal},
		{"/v1/photos/:id/small", "photoSmall", "small", workflow.ViewSmall},
		{"/v1/photos/:id/large", "photoLarge", "large", workflow.ViewLarge},
	} {
		h := s.photoBytes(b.field, b.what)
		s.route(fiber.MethodGet, b.path, b.operationID, signedIn, h)
		s.serve(fiber.MethodHead, s.routes[len(s.routes)-1], b.path, h)
	}
}

// sendTime bounds how long one answer with bytes may take. What is missing then is asked for by Range.
const sendTime = 15 * time.Minute

// keepFor is how long a browser may show bytes again without asking. Asking is noted as looking, also when the bytes
// are there already, so what somebody has on the screen is in the log for this window or the one before.
var keepFor = "private, max-age=" + strconv.Itoa(int(field.ViewWindow/time.Second))

// photoBytes serves the bytes whose hash stands in a field of the photo: the original or a rendition. Bytes that have
// not arrived, or a rendition that has not been made, are CodeNotFound. That somebody looks is in the log before the
// first byte leaves.
func (s *Server) photoBytes(name, what string) fiber.Handler {
	return func(c *fiber.Ctx) error {
		photo, err := s.photo(c)
		if err != nil {
			return err
		}
		return s.bytesOf(c, photo, name, what)
	}
}

func (s *Server) bytesOf(c *fiber.Ctx, photo *field.Record, name, what string) error {
	sum := photo.Text(name)
	if sum == "" || photo.Fields["receipt"] == nil { // a voided photo that has arrived stays to be seen
		return field.Refuse(field.CodeNotFound, "These bytes are not here yet.").InChinese("该文件内容尚未到达。").About(string(photo.ID))
	}
	info, err := s.blobs.Stat(c.UserContext(), blob.Sum(sum))
	if err != nil {
		return err
	}
	tag := `"` + sum + `"`
	c.Set(fiber.HeaderETag, tag)
	c.Set(fiber.HeaderCacheControl, keepFor)
	c.Set(fiber.HeaderAcceptRanges, "bytes")
	seen := func() error { return s.flow.RecordView(c.UserContext(), actor(c), photo, what) }
	if strings.Contains(c.Get(fiber.HeaderIfNoneMatch), tag) {
		if err := seen(); err != nil {
			return err
		}
		return notModified(c)
	}
	media := "image/jpeg" // renditions always are
	if name == "sha256" {
		media = photo.Text("type")
	}
	file, _ := field.PhotoTypeOf(media)
	c.Set(fiber.HeaderContentType, file.Code)
	c.Set(fiber.HeaderContentDisposition, `inline; filename="`+string(photo.ID)+"-"+name+file.Ext+`"`)
	return s.sendRange(c, info, tag, seen)
}

// photo loads the photo of the path, if the actor may see it.
func (s *Server) photo(c *fiber.Ctx) (*field.Record, error) {
	records, err := s.store.Records(c.UserContext(), []field.RecordID{field.RecordID(c.Params("id"))})
	if err != nil {
		return nil, err
	}
	if len(records) == 0 || records[0].Kind != field.KindPhoto || !access.MayRead(actor(c), records[0].Scope, records[0].Info) {
		return nil, field.Refuse(field.CodeNotFound, "")
	}
	return records[0], nil
}

// sendRange answers with the bytes, or with the single range of them that was asked for (RFC 9110, section 14). When
// they are at hand it calls first, and sends them if that succeeds.
func (s *Server) sendRange(c *fiber.Ctx, info blob.Info, tag string, first func() error) error {
	offset, length, ranged, err := rangeOf(c.Get(fiber.HeaderRange), info.Size)
	if err != nil {
		c.Set(fiber.HeaderContentRange, "bytes */"+strconv.FormatInt(info.Size, 10))
		return err
	}
	if other := c.Get(fiber.HeaderIfRange); other != "" && other != tag {
		offset, length, ranged = 0, info.Size, false
	}
	if ranged {
		partial(c)
		c.Set(fiber.HeaderContentRange, "bytes "+strconv.FormatInt(offset, 10)+"-"+strconv.FormatInt(offset+length-1, 10)+"/"+strconv.FormatInt(info.Size, 10))
	}
	if c.Method() == fiber.MethodHead {
		c.Response().SkipBody = true
		c.Response().Header.SetContentLength(int(length))
		return nil
	}
	// The bytes leave after the handler has returned, so they must not end with the deadline of the request.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.UserContext()), sendTime)
	r, err := s.blobs.Open(ctx, info.Sum, offset, length)
	if err != nil {
		cancel()
		return err
	}
	if err := first(); err != nil {
		cancel()
		return errors.Join(err, r.Close())
	}
	c.Context().SetBodyStream(&ending{ReadCloser: r, cancel: cancel}, int(length)) // fasthttp closes it
	return nil
}

type ending struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (e *ending) Close() error {
	defer e.cancel()
	return e.ReadCloser.Close()
}

// rangeOf reads a Range header. What is not one range of bytes is ignored, as RFC 9110 permits; a range that begins
// behind the end is CodeRangeInvalid.
func rangeOf(header string, size int64) (offset, length int64, ranged bool, err error) {
	spec, ok := strings.CutPrefix(header, "bytes=")
	first, last, dash := strings.Cut(spec, "-")
	if !ok || !dash || strings.Contains(spec, ",") {
		return 0, size, false, nil
	}
	from, fromErr := strconv.ParseUint(strings.TrimSpace(first), 10, 62)
	to, toErr := strconv.ParseUint(strings.TrimSpace(last), 10, 62)
	switch {
	case first == "" && toErr == nil: // the last n bytes
		n := min(int64(to), size)
		if n == 0 {
			return 0, 0, false, field.Refuse(field.CodeRangeInvalid, "")
		}
		return size - n, n, true, nil
	case fromErr != nil || last != "" && (toErr != nil || to < from):
		return 0, size, false, nil
	case int64(from) >= size:
		return 0, 0, false, field.Refuse(field.CodeRangeInvalid, "")
	case last == "":
		return int64(from), size - int64(from), true, nil
	}
	return int64(from), min(int64(to), size-1) - int64(from) + 1, true, nil
}
