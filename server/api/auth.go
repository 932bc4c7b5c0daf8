package api

import (
	"github.com/gofiber/fiber/v2"

	"fieldclue/server/accounts"
	"fieldclue/server/field"
)

func (s *Server) registerAuth() {
	s.route(fiber.MethodGet, "/v1/setup", "setupState", open, s.setupState)
	s.route(fiber.MethodPost, "/v1/setup", "setUp", open, s.setUp)
	s.route(fiber.MethodPost, "/v1/auth/sign-in", "signIn", open, s.signIn)
	s.route(fiber.MethodPost, "/v1/auth/refresh", "refresh", open, s.refresh)
	s.route(fiber.MethodPost, "/v1/auth/reset", "resetPassword", open, s.resetPassword)
	s.route(fiber.MethodPost, "/v1/auth/sign-out", "signOut", signedIn, s.signOut)
	s.route(fiber.MethodPost, "/v1/auth/password", "changePassword", signedIn, s.changePassword)
	s.route(fiber.MethodGet, "/v1/me", "me", signedIn, s.me)
}

// setupState tells a page whether to ask for a sign-in or for the first set-up.
func (s *Server) setupState(c *fiber.Ctx) error {
	open, err := s.accounts.SetupOpen(c.UserContext())
	if err != nil {
		return err
	}
	return reply(c, struct {
		Open bool `json:"open"`
	}{open})
}

func (s *Server) setUp(c *fiber.Ctx) error {
	req, err := decode[struct {
		Code string `json:"code"`
		Org  struct {
			Code   field.OrgID `json:"code"`
			Name   string      `json:"name"`
			NameEN string      `json:"nameEn"`
			Region string      `json:"region"`
		} `json:"org"`
		Name     string          `json:"name"`
		Login    string          `json:"login"`
		Password string          `json:"password"`
		Device   accounts.Device `json:"device"`
	}](c)
	if err != nil {
		return err
	}
	tokens, err := s.accounts.SetUp(c.UserContext(), accounts.Setup{
		Code: req.Code, Name: req.Name, Login: req.Login, Password: req.Password, Device: req.Device,
		Org: accounts.Org{Code: req.Org.Code, Name: req.Org.Name, NameEN: req.Org.NameEN, Region: req.Org.Region},
	}, s.client(c))
	if err != nil {
		return err
	}
	return created(c, tokens)
}

func (s *Server) signIn(c *fiber.Ctx) error {
	tokens, err := s.enter(c, false)
	if err != nil {
		return err
	}
	return reply(c, tokens)
}

// enter opens a session, of an app or of a browser, with what the body says.
func (s *Server) enter(c *fiber.Ctx, browser bool) (accounts.Tokens, error) {
	req, err := decode[struct {
		Login    string          `json:"login"`
		Password string          `json:"password"`
		Device   accounts.Device `json:"device"`
		Code     string          `json:"code"`
	}](c)
	if err != nil {
		return accounts.Tokens{}, err
	}
	return s.accounts.SignIn(c.UserContext(), accounts.Attempt{
		Login: req.Login, Password: req.Password, Device: req.Device, Code: req.Code, Browser: browser,
	}, s.client(c))
}

func (s *Server) refresh(c *fiber.Ctx) error {
	req, err := decode[struct {
		RefreshToken string         `json:"refreshToken"`
		Device       field.DeviceID `json:"device"`
		Nonce        string         `json:"nonce"`
	}](c)
	if err != nil {
		return err
	}
	tokens, err := s.accounts.Refresh(c.UserContext(), req.RefreshToken, req.Device, req.Nonce)
	if err != nil {
		return err
	}
	return reply(c, tokens)
}

func (s *Server) signOut(c *fiber.Ctx) error {
	if err := s.accounts.SignOut(c.UserContext(), pass(c)); err != nil {
		return err
	}
	if cookie(c) != "" {
		s.giveCookie(c, "")
	}
	return done(c)
}

func (s *Server) changePassword(c *fiber.Ctx) error {
	req, err := decode[struct {
		Login   string `json:"login"`
		Present string `json:"present"`
		Next    string `json:"next"`
	}](c)
	if err != nil {
		return err
	}
	if err := s.accounts.ChangePassword(c.UserContext(), pass(c), req.Login, req.Present, req.Next, s.client(c)); err != nil {
		return err
	}
	return done(c)
}

func (s *Server) resetPassword(c *fiber.Ctx) error {
	req, err := decode[struct {
		Login    string `json:"login"`
		Code     string `json:"code"`
		Password string `json:"password"`
	}](c)
	if err != nil {
		return err
	}
	if err := s.accounts.Reset(c.UserContext(), req.Login, req.Code, req.Password, s.client(c)); err != nil {
		return err
	}
	return done(c)
}

func (s *Server) me(c *fiber.Ctx) error {
	if secret := cookie(c); secret != "" {
		s.giveCookie(c, secret) // for as long again: a page asks this first
	}
	return reply(c, struct {
		User   accounts.User  `json:"user"`
		Device field.DeviceID `json:"device"`
	}{accounts.AsUser(actor(c)), actor(c).Device})
}
