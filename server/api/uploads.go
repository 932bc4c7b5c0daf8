package api

import (
	"github.com/gofiber/fiber/v2"

	"fieldclue/media/intake"
	"fieldclue/media/receipt"
	"fieldclue/server/api/guard"
	"fieldclue/server/api/tus"
)

// registerUploads puts the routes of tus behind the sign-in. Asking what is spoken (OPTIONS) is open, as tus wants it.
func (s *Server) registerUploads(svc *intake.Service, keys receipt.Holder) {
	s.route(fiber.MethodGet, "/v1/receipt-key", "receiptKey", open, receiptKey(keys))
	one := tus.Path + "/{id}"
	s.routes = append(s.routes,
		Route{fiber.MethodOptions, tus.Path, "uploadOptions", open},
		Route{fiber.MethodOptions, one, "uploadOptionsOne", open},
		Route{fiber.MethodPost, tus.Path, "uploadCreate", handsIn},
		Route{fiber.MethodHead, one, "uploadOffset", handsIn},
		Route{fiber.MethodPatch, one, "uploadPiece", handsIn},
		Route{fiber.MethodDelete, one, "uploadEnd", handsIn},
	)
	s.app.Use(tus.Path, func(c *fiber.Ctx) error {
		c.Locals(routeKey, one)
		if c.Path() == tus.Path {
			c.Locals(routeKey, tus.Path)
		}
		if err := checkQuery(c, ""); err != nil { // no upload has a parameter
			return err
		}
		if c.Method() == fiber.MethodOptions {
			return c.Next()
		}
		if err := s.admit(c, handsIn); err != nil {
			return err
		}
		if err := c.Next(); err != nil {
			return err
		}
		if c.Method() == fiber.MethodPost || c.Method() == fiber.MethodPatch {
			s.metrics.uploaded.Add(float64(guard.Came(c)))
		}
		return nil
	})
	tus.Register(s.app, svc, uploader)
}

// receiptKey publishes the keys with which receipts are checked: the present one, and those before it.
func receiptKey(keys receipt.Holder) fiber.Handler {
	return func(c *fiber.Ctx) error {
		ring, err := keys(c.UserContext())
		if err != nil {
			return err
		}
		return reply(c, ring.Keys.Publish())
	}
}
