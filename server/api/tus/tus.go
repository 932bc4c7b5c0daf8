// Package tus speaks tus 1.0.0 (https://tus.io/protocols/resumable-upload) for media/intake.
//
// Core, creation, creation-with-upload, checksum, termination and expiration. Here are headers and methods only; what
// an upload is and what becomes of it stands in media/intake, and the bodies come through server/api/guard, with a
// Content-Length or in chunks. Start with Register; Install is what goes around every answer.
package tus

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"fieldclue/media/blob"
	"fieldclue/media/intake"
	"fieldclue/server/api/guard"
	"fieldclue/server/field"
)

// Path is where uploads live. The guard needs a Stream rule for it.
const Path = "/v1/uploads"

// ReceiptHeader carries the base64 of the receipt's JSON once a photo is stored and recorded.
const ReceiptHeader = "Fieldclue-Receipt"

const (
	version    = "1.0.0"
	extensions = "creation,creation-with-upload,checksum,termination,expiration"
	bodyType   = "application/offset+octet-stream"

	methodHeader = "X-HTTP-Method-Override"
)

// Register adds the routes to an app, or to a group without a prefix. who tells the signed-in uploader; a middleware
// before has made sure that there is one. Failures are returned as *field.Error.
func Register(r fiber.Router, svc *intake.Service, who func(*fiber.Ctx) intake.Uploader) {
	h := &handler{svc: svc, who: who}
	r.Options(Path, h.options)
	r.Options(Path+"/:id", h.options)
	r.Post(Path, h.speaks(h.create))
	r.Head(Path+"/:id", h.speaks(h.head))
	r.Patch(Path+"/:id", h.speaks(h.patch))
	r.Delete(Path+"/:id", h.speaks(h.terminate))
}

// Install goes around everything that an app answers below Path, refusals of other handlers too. A request may name its
// method in X-HTTP-Method-Override (clients of old Java cannot send PATCH), may end its path with a slash, and every
// answer says which tus this is. Call it after guard.Install and before the app serves.
func Install(app *fiber.App) {
	srv := app.Server()
	inner := srv.Handler
	srv.Handler = func(ctx *fasthttp.RequestCtx) {
		path := string(ctx.Path())
		if path != Path && !strings.HasPrefix(path, Path+"/") {
			inner(ctx)
			return
		}
		if short := strings.TrimSuffix(path, "/"); short != path {
			ctx.URI().SetPath(short)
		}
		sent := string(ctx.Method())
		if named := strings.ToUpper(string(ctx.Request.Header.Peek(methodHeader))); slices.Contains(fiber.DefaultMethods, named) {
			ctx.Request.Header.SetMethod(named)
		}
		inner(ctx)
		ctx.Request.Header.SetMethod(sent) // whether the answer has a body follows from this one
		Mark(&ctx.Response)
	}
}

// Mark says in an answer which tus this is.
func Mark(r *fasthttp.Response) { r.Header.Set("Tus-Resumable", version) }

// Status is the HTTP status that tus demands for a code, where it differs from that of the code's kind.
func Status(code field.Code) (status int, ok bool) {
	switch code {
	case field.CodeTusVersion:
		return http.StatusPreconditionFailed, true
	case field.CodeHashMismatch:
		return 460, true // Checksum Mismatch, as the checksum extension names it
	case field.CodeUploadExpired:
		return http.StatusGone, true
	default:
		return 0, false
	}
}

type handler struct {
	svc *intake.Service
	who func(*fiber.Ctx) intake.Uploader
}

// speaks refuses other versions of the protocol, and a method that there is none of.
func (h *handler) speaks(next fiber.Handler) fiber.Handler {
	return func(c *fiber.Ctx) error {
		if named := c.Get(methodHeader); named != "" && !strings.EqualFold(named, c.Method()) {
			return field.Refuse(field.CodeMethodNotAllowed, "")
		}
		if c.Get("Tus-Resumable") != version {
			c.Set("Tus-Version", version)
			return field.Refuse(field.CodeTusVersion, "")
		}
		return next(c)
	}
}

func (h *handler) options(c *fiber.Ctx) error {
	c.Set("Tus-Version", version)
	c.Set("Tus-Extension", extensions)
	c.Set("Tus-Max-Size", strconv.FormatInt(h.svc.MaxSize(), 10))
	c.Set("Tus-Checksum-Algorithm", "sha256,sha1")
	return c.SendStatus(fiber.StatusNoContent)
}

func (h *handler) create(c *fiber.Ctx) error {
	req, err := request(c)
	if err != nil {
		return err
	}
	body, length := guard.Body(c)
	var check *intake.Checksum
	if length != 0 {
		if check, err = piece(c); err != nil {
			return err
		}
	}
	who := h.who(c)
	var u intake.Upload
	if length != 0 {
		u, err = h.svc.Send(c.UserContext(), who, req, intake.Piece{Length: length, Body: body, Check: check})
	} else {
		u, err = h.svc.Create(c.UserContext(), who, req)
	}
	if u.ID != "" { // also when its bytes broke off
		c.Set(fiber.HeaderLocation, Path+"/"+u.ID)
	}
	if err != nil {
		return err
	}
	state(c, u)
	return c.SendStatus(fiber.StatusCreated)
}

func (h *handler) head(c *fiber.Ctx) error {
	u, err := h.svc.Head(c.UserContext(), h.who(c), id(c))
	c.Set(fiber.HeaderCacheControl, "no-store")
	if err != nil {
		return err
	}
	state(c, u)
	c.Set("Upload-Length", strconv.FormatInt(u.Size, 10))
	if c.Set("Upload-Metadata", u.Metadata); u.Metadata == "" {
		c.Set("Upload-Metadata", pairs("photoId", u.PhotoID, "sha256", string(u.Sum), "filetype", u.Type))
	}
	return c.SendStatus(fiber.StatusOK)
}

func (h *handler) patch(c *fiber.Ctx) error {
	check, err := piece(c)
	if err != nil {
		return err
	}
	offset, err := number(c, "Upload-Offset")
	if err != nil {
		return err
	}
	body, length := guard.Body(c)
	u, err := h.svc.Append(c.UserContext(), h.who(c), id(c), intake.Piece{Offset: offset, Length: length, Body: body, Check: check})
	if err != nil {
		return err
	}
	state(c, u)
	return c.SendStatus(fiber.StatusNoContent)
}

func (h *handler) terminate(c *fiber.Ctx) error {
	if err := h.svc.Terminate(c.UserContext(), h.who(c), id(c)); err != nil {
		return err
	}
	return c.SendStatus(fiber.StatusNoContent)
}

func state(c *fiber.Ctx, u intake.Upload) {
	c.Set("Upload-Offset", strconv.FormatInt(u.Offset, 10))
	if u.Receipt == nil {
		c.Set("Upload-Expires", u.Expires.UTC().Format(http.TimeFormat))
		return
	}
	c.Set(ReceiptHeader, base64.StdEncoding.EncodeToString(u.Receipt))
}

// id is cloned because Fiber lends its strings only until the handler returns.
func id(c *fiber.Ctx) string { return strings.Clone(c.Params("id")) }

// request reads the headers of a creation.
func request(c *fiber.Ctx) (intake.Request, error) {
	if c.Get("Upload-Defer-Length") != "" {
		return intake.Request{}, field.Refuse(field.CodeBadRequest, "Send Upload-Length: the size of a photo is known.").
			InChinese("请发送 Upload-Length：照片的大小是已知的。")
	}
	size, err := number(c, "Upload-Length")
	if err != nil {
		return intake.Request{}, err
	}
	header := c.Get("Upload-Metadata")
	meta, err := metadata(header)
	if err != nil {
		return intake.Request{}, err
	}
	for key, value := range meta {
		if field.HasIdentity(key) || field.HasIdentity(value) {
			return intake.Request{}, field.Refuse(field.CodeIdentityInText, "Upload-Metadata holds an ID, phone or bank card number. Send no file name.").
				InChinese("Upload-Metadata 中含有身份证号、电话号码或银行卡号，请勿发送文件名。")
		}
	}
	if meta["photoId"] == "" || meta["sha256"] == "" {
		return intake.Request{}, field.Refuse(field.CodeBadRequest, "Upload-Metadata needs photoId and sha256, and may give filetype.").
			InChinese("Upload-Metadata 须有 photoId 和 sha256，可有 filetype。")
	}
	sum, err := blob.ParseSum(meta["sha256"])
	if err != nil {
		return intake.Request{}, err
	}
	return intake.Request{PhotoID: meta["photoId"], Sum: sum, Size: size, Type: meta["filetype"], Metadata: kept(header)}, nil
}

// kept is what is kept of the metadata, as it was written. What is not needed is not kept: the name of a file may be
// somebody's.
func kept(header string) string {
	var all []string
	for pair := range strings.SplitSeq(header, ",") {
		switch key, _, _ := strings.Cut(strings.TrimSpace(pair), " "); key {
		case "photoId", "sha256", "filetype":
			all = append(all, pair)
		default:
			continue
		}
	}
	return strings.TrimSpace(strings.Join(all, ","))
}

// pairs writes metadata from keys and values in turn.
func pairs(all ...string) string {
	var b strings.Builder
	for i := 0; i < len(all); i += 2 {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(all[i] + " " + base64.StdEncoding.EncodeToString([]byte(all[i+1])))
	}
	return b.String()
}

// metadata decodes pairs of a key and a base64 value, separated by commas. A key may stand alone.
func metadata(header string) (map[string]string, error) {
	bad := field.Refuse(field.CodeBadRequest, "Upload-Metadata is a list of keys, each with a space and a base64 value, separated by commas.").
		InChinese("Upload-Metadata 须为以逗号分隔的键，每个键后接一个空格和 base64 值。")
	if len(header) > 4096 {
		return nil, bad
	}
	m := map[string]string{}
	for pair := range strings.SplitSeq(header, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(pair), " ")
		b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(value))
		if err != nil {
			return nil, bad
		}
		if _, twice := m[key]; twice {
			return nil, bad
		}
		m[strings.Clone(key)] = string(b)
	}
	return m, nil
}

// piece checks the headers that go with bytes.
func piece(c *fiber.Ctx) (*intake.Checksum, error) {
	if media, _, _ := strings.Cut(c.Get(fiber.HeaderContentType), ";"); !strings.EqualFold(strings.TrimSpace(media), bodyType) {
		return nil, field.Refuse(field.CodeUnsupportedType, "Send the bytes as %s.", bodyType).InChinese("请以 %s 类型发送文件内容。", bodyType)
	}
	header := c.Get("Upload-Checksum")
	if header == "" {
		return nil, nil
	}
	algorithm, encoded, _ := strings.Cut(header, " ")
	sum, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		sum = nil // refused for its length
	}
	return intake.NewChecksum(strings.Clone(algorithm), sum)
}

func number(c *fiber.Ctx, header string) (int64, error) {
	text := c.Get(header)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || text[0] == '+' {
		return 0, field.Refuse(field.CodeBadRequest, "%s is a whole number of bytes.", header).InChinese("%s 须为整数字节数。", header)
	}
	return n, nil
}
