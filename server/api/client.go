package api

import (
	"net/netip"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// trust is the addresses and networks of proxies whose word about a client is believed.
type trust []netip.Prefix

// trustIn reads addresses and networks. What is neither is nobody's; the configuration has refused it.
func trustIn(proxies []string) trust {
	var t trust
	for _, text := range proxies {
		if p, err := netip.ParsePrefix(text); err == nil {
			if p.Addr().Is4In6() && p.Bits() >= 96 {
				p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
			}
			t = append(t, p.Masked())
		} else if a, err := netip.ParseAddr(text); err == nil {
			a = a.Unmap().WithZone("")
			t = append(t, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return t
}

func (t trust) has(a netip.Addr) bool {
	for _, p := range t {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// client is the address of who asks, one for each client and spelling. X-Forwarded-For counts when a trusted proxy sent
// it: each proxy appends whom it spoke with, so what is read is the last address that a trusted one appended, from the
// right over those of trusted proxies. Everything to the left of it is what a stranger wrote.
func (s *Server) client(c *fiber.Ctx) string {
	at, ok := addressIn(c.Context().RemoteAddr().String())
	if !ok {
		return ""
	}
	var said []string
	for _, line := range c.Request().Header.PeekAll(fiber.HeaderXForwardedFor) { // several lines are one list
		said = append(said, strings.Split(string(line), ",")...)
	}
	for i := len(said) - 1; i >= 0 && s.trusted.has(at); i-- {
		before, ok := addressIn(strings.TrimSpace(said[i]))
		if !ok {
			break // "unknown", or nonsense: the proxy that appended it stands for the client
		}
		at = before
	}
	return at.String()
}

// addressIn reads an address with or without a port: 192.0.2.1, 192.0.2.1:443, 2001:db8::1, [2001:db8::1]:443.
func addressIn(text string) (netip.Addr, bool) {
	if p, err := netip.ParseAddrPort(text); err == nil {
		return p.Addr().Unmap().WithZone(""), true
	}
	if inner, ok := strings.CutPrefix(text, "["); ok {
		text, ok = strings.CutSuffix(inner, "]")
		if !ok {
			return netip.Addr{}, false
		}
	}
	a, err := netip.ParseAddr(text)
	return a.Unmap().WithZone(""), err == nil
}

// overTLS reports whether the client's own connection was encrypted, as the nearest proxy says when it is a trusted
// one.
func (s *Server) overTLS(c *fiber.Ctx) bool {
	if c.Context().IsTLS() {
		return true
	}
	at, ok := addressIn(c.Context().RemoteAddr().String())
	if !ok || !s.trusted.has(at) {
		return false
	}
	lines := c.Request().Header.PeekAll(fiber.HeaderXForwardedProto)
	if len(lines) == 0 {
		return false
	}
	all := strings.Split(string(lines[len(lines)-1]), ",")
	return strings.EqualFold(strings.TrimSpace(all[len(all)-1]), "https")
}
