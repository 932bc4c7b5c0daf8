package api

import (
	"encoding/json"
	"time"

	"github.com/gofiber/fiber/v2"

	"fieldclue/media/blob"
	"fieldclue/media/intake"
	"fieldclue/server/api/tus"
	"fieldclue/server/field"
)

// registerSealed: the way of photo bytes past this server, for phones on good links. What an upload is, and that tus
// can take it over, stands in media/intake.
func (s *Server) registerSealed(svc *intake.Service) {
	s.route(fiber.MethodPost, "/v1/sealed-uploads", "sealUpload", handsIn, sealUpload(svc))
	s.route(fiber.MethodPost, "/v1/sealed-uploads/:id/confirm", "confirmUpload", handsIn, confirmUpload(svc))
}

// sealedUpload is where an upload stands: with a receipt it is done, with a put the bytes may go there.
type sealedUpload struct {
	ID      string          `json:"id"`
	PhotoID string          `json:"photoId"`
	Upload  string          `json:"upload"` // path of the same upload for tus
	Receipt json.RawMessage `json:"receipt,omitempty"`
	Put     *sealedPut      `json:"put,omitempty"`
}

type sealedPut struct {
	Method string            `json:"method"`
	URL    string            `json:"url"`
	Header map[string]string `json:"header"`
	Until  time.Time         `json:"until"`
}

func uploader(c *fiber.Ctx) intake.Uploader {
	return intake.Uploader{User: string(actor(c).User), Device: string(actor(c).Device)}
}

func sealedFrom(u intake.Upload) sealedUpload {
	return sealedUpload{ID: u.ID, PhotoID: u.PhotoID, Upload: tus.Path + "/" + u.ID, Receipt: u.Receipt}
}

func sealUpload(svc *intake.Service) fiber.Handler {
	return func(c *fiber.Ctx) error {
		req, err := decode[struct {
			PhotoID string `json:"photoId"`
			SHA256  string `json:"sha256"`
			Size    int64  `json:"size"`
			Type    string `json:"type"`
		}](c)
		if err != nil {
			return err
		}
		if req.PhotoID == "" {
			return field.Refuse(field.CodeMissingField, "photoId is missing: that of the declared photo.").
				InChinese("缺少 photoId，即已声明照片的编号。")
		}
		sum, err := blob.ParseSum(req.SHA256)
		if err != nil {
			return err
		}
		u, put, err := svc.Seal(c.UserContext(), uploader(c), intake.Request{PhotoID: req.PhotoID, Sum: sum, Size: req.Size, Type: req.Type})
		if err != nil {
			return err
		}
		answer := sealedFrom(u)
		if put != nil {
			answer.Put = &sealedPut{Method: fiber.MethodPut, URL: put.URL, Header: put.Header, Until: put.Until}
		}
		return reply(c, answer)
	}
}

func confirmUpload(svc *intake.Service) fiber.Handler {
	return func(c *fiber.Ctx) error {
		u, err := svc.Confirm(c.UserContext(), uploader(c), c.Params("id"))
		if err != nil {
			return err
		}
		return reply(c, sealedFrom(u))
	}
}
