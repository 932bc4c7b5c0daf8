package api

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"fieldclue/server/field"
	"fieldclue/server/web"
)

// The screens. A page may run its own files and ask this server, and nothing else; it is asked for again each time, and
// its files, which are named by their content, never. Pages are open to everybody: what they show they ask for like any
// client.

const (
	ownFilesRun = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
		"frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
	forEver = "public, max-age=31536000, immutable"
)

func (s *Server) registerPages(site *web.Site) {
	if site == nil {
		return
	}
	desk := func(c *fiber.Ctx) error {
		c.Locals(routeKey, "/desk")
		c.Set(fiber.HeaderContentSecurityPolicy, ownFilesRun)
		c.Set(fiber.HeaderCacheControl, "no-cache")
		c.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		c.Set("Cross-Origin-Opener-Policy", "same-origin")
		c.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
		return c.Send(site.Desk)
	}
	s.app.Get("/desk", desk)
	s.app.Get("/desk/*", desk)
	s.app.Get("/", func(c *fiber.Ctx) error {
		c.Locals(routeKey, "/")
		return c.Redirect("/desk", fiber.StatusSeeOther)
	})
	s.app.Get(web.Base+"*", func(c *fiber.Ctx) error {
		c.Locals(routeKey, web.Base)
		file, ok := site.Assets[strings.TrimPrefix(c.Path(), web.Base)]
		if !ok {
			return field.Refuse(field.CodeNotFound, "There is no such file. Load the page again.").InChinese("没有该文件，请重新打开页面。")
		}
		c.Set(fiber.HeaderCacheControl, forEver)
		c.Set(fiber.HeaderContentType, file.Type)
		return c.Send(file.Body)
	})
}
