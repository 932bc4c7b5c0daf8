package api

import (
	"maps"

	"github.com/gofiber/fiber/v2"

	"fieldclue/server/access"
	"fieldclue/server/accounts"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/server/workflow"
	"fieldclue/sync/protocol"
)

func (s *Server) registerPeople() {
	s.route(fiber.MethodPost, "/v1/orgs", "createOrg", may("org.create"), s.createOrg)
	s.route(fiber.MethodGet, "/v1/orgs", "listOrgs", signedIn, s.listOrgs)
	s.route(fiber.MethodPatch, "/v1/orgs/:code", "editOrg", may("org.edit"), s.editOrg)
	s.route(fiber.MethodGet, "/v1/orgs/:code/space", "getSpace", may("org.edit"), s.getSpace)
	s.route(fiber.MethodPost, "/v1/people", "createPerson", may("person.create"), s.createPerson)
	s.route(fiber.MethodGet, "/v1/people", "listPeople", signedIn, s.listPeople)
	s.route(fiber.MethodGet, "/v1/people/:id", "getPerson", signedIn, s.getPerson)
	s.route(fiber.MethodPatch, "/v1/people/:id", "editPerson", may("person.edit"), s.editPerson)
	s.route(fiber.MethodPost, "/v1/people/:id/leave", "leave", may("person.leave"), s.leave)
	s.route(fiber.MethodGet, "/v1/people/:id/work", "listWork", signedIn, s.listWork)
	s.route(fiber.MethodPost, "/v1/people/:id/hand-over", "handOver", signedIn, s.handOver)
	s.route(fiber.MethodPost, "/v1/people/:id/device-codes", "makeDeviceCode", may("code.create"), s.makeDeviceCode)
	s.route(fiber.MethodPost, "/v1/people/:id/password-codes", "makePasswordCode", may("code.create"), s.makePasswordCode)
	s.route(fiber.MethodGet, "/v1/accounts", "listAccounts", signedIn, s.listAccounts)
	s.route(fiber.MethodGet, "/v1/sign-ins", "listSignIns", signedIn, s.listSignIns)
	s.route(fiber.MethodGet, "/v1/devices", "listDevices", signedIn, s.listDevices)
	s.route(fiber.MethodPost, "/v1/devices/:id/revoke", "revokeDevice", may("device.revoke"), s.revokeDevice)
	s.route(fiber.MethodPost, "/v1/devices/:id/move", "moveDevice", may("device.move"), s.moveDevice)
	s.route(fiber.MethodPost, "/v1/devices/:id/handed-in", "handedIn", handsIn, s.handedIn)
	s.route(fiber.MethodGet, "/v1/enums", "enums", open, s.enums)
}

// admin is who clicks, in the form that accounts takes.
func admin(c *fiber.Ctx) (accounts.Act, error) {
	device, number, err := click(c)
	return accounts.Act{Actor: actor(c), Device: device, Number: number}, err
}

func (s *Server) createOrg(c *fiber.Ctx) error {
	req, err := decode[struct {
		Code     field.OrgID   `json:"code"`
		Name     string        `json:"name"`
		NameEN   string        `json:"nameEn"`
		Region   string        `json:"region"`
		Partners []field.OrgID `json:"partners"`
	}](c)
	if err != nil {
		return err
	}
	act, err := admin(c)
	if err != nil {
		return err
	}
	r, err := s.accounts.CreateOrg(c.UserContext(), act, accounts.Org{
		Code: req.Code, Name: req.Name, NameEN: req.NameEN, Region: req.Region, Partners: req.Partners,
	})
	if err != nil {
		return err
	}
	return created(c, protocol.FromRecord(r))
}

func (s *Server) editOrg(c *fiber.Ctx) error {
	req, err := decode[struct {
		Version  int64       `json:"version"`
		Name     field.Value `json:"name"`
		NameEN   field.Value `json:"nameEn"`
		Region   field.Value `json:"region"`
		Partners field.Value `json:"partners"`

		SpaceLimit field.Value `json:"spaceLimit"`
	}](c)
	if err != nil {
		return err
	}
	set := given(map[string]field.Value{
		"name": req.Name, "nameEn": req.NameEN, "region": req.Region, "partners": req.Partners, "spaceLimit": req.SpaceLimit,
	})
	act, err := admin(c)
	if err != nil {
		return err
	}
	r, err := s.accounts.EditOrg(c.UserContext(), act, field.OrgID(c.Params("code")), req.Version, set)
	if err != nil {
		return err
	}
	return reply(c, protocol.FromRecord(r))
}

// given leaves the values that the request named.
func given(values map[string]field.Value) map[string]field.Value {
	maps.DeleteFunc(values, func(_ string, v field.Value) bool { return v == nil })
	return values
}

func (s *Server) listOrgs(c *fiber.Ctx) error {
	return s.listKind(c, store.Query{Kinds: []field.Kind{field.KindOrg}})
}

func (s *Server) createPerson(c *fiber.Ctx) error {
	req, err := decode[struct {
		ID       field.RecordID `json:"id"`
		Org      field.OrgID    `json:"org"`
		Login    string         `json:"login"`
		Password string         `json:"password"`
		Name     string         `json:"name"`
		Title    string         `json:"title"`
		Roles    []access.Grant `json:"roles"`
	}](c)
	if err != nil {
		return err
	}
	act, err := admin(c)
	if err != nil {
		return err
	}
	if req.Org == "" {
		req.Org = act.Actor.Org
	}
	r, code, err := s.accounts.CreatePerson(c.UserContext(), act, req.Org,
		accounts.Person{ID: req.ID, Name: req.Name, Title: req.Title, Roles: req.Roles}, req.Login, req.Password)
	if err != nil {
		return err
	}
	return created(c, newPerson{protocol.FromRecord(r), codeOf(code)})
}

// newPerson is a person's record, with the code for the first device beside it.
type newPerson struct {
	protocol.PulledRecord
	DeviceCode *accounts.Code `json:"deviceCode,omitempty"`
}

func codeOf(code accounts.Code) *accounts.Code {
	if code.Code == "" {
		return nil
	}
	return &code
}

func (s *Server) getPerson(c *fiber.Ctx) error {
	id, err := idIn(c)
	if err != nil {
		return err
	}
	r, err := s.flow.Person(c.UserContext(), actor(c), field.UserID(id))
	if err != nil {
		return err
	}
	return reply(c, protocol.FromRecord(r))
}

func (s *Server) editPerson(c *fiber.Ctx) error {
	req, err := decode[struct {
		Version int64       `json:"version"`
		Name    field.Value `json:"name"`
		Title   field.Value `json:"title"`
		Roles   field.Value `json:"roles"`
	}](c)
	if err != nil {
		return err
	}
	set := given(map[string]field.Value{"name": req.Name, "title": req.Title, "roles": req.Roles})
	id, err := idIn(c)
	if err != nil {
		return err
	}
	act, err := admin(c)
	if err != nil {
		return err
	}
	r, err := s.accounts.EditPerson(c.UserContext(), act, field.UserID(id), req.Version, set)
	if err != nil {
		return err
	}
	return reply(c, protocol.FromRecord(r))
}

func (s *Server) listWork(c *fiber.Ctx) error {
	id, err := idIn(c)
	if err != nil {
		return err
	}
	work, err := s.flow.WorkOf(c.UserContext(), actor(c), field.UserID(id))
	if err != nil {
		return err
	}
	return reply(c, work)
}

func (s *Server) handOver(c *fiber.Ctx) error {
	req, err := decode[struct {
		To     field.UserID     `json:"to"`
		Reason string           `json:"reason"`
		Items  []field.RecordID `json:"items"`
	}](c)
	if err != nil {
		return err
	}
	id, err := idIn(c)
	if err != nil {
		return err
	}
	act, err := actOf(c)
	if err != nil {
		return err
	}
	out, err := s.flow.HandOver(c.UserContext(), act, field.UserID(id), req.To, req.Reason, req.Items)
	if err != nil {
		return err
	}
	return reply(c, out)
}

func (s *Server) makeDeviceCode(c *fiber.Ctx) error {
	req, err := decode[struct {
		After field.DeviceID `json:"after"`
	}](c)
	if err != nil {
		return err
	}
	return s.makeCode(c, func(act accounts.Act, id field.UserID) (accounts.Code, error) {
		return s.accounts.DeviceCode(c.UserContext(), act, id, req.After)
	})
}

func (s *Server) makePasswordCode(c *fiber.Ctx) error {
	return s.makeCode(c, func(act accounts.Act, id field.UserID) (accounts.Code, error) {
		return s.accounts.PasswordCode(c.UserContext(), act, id)
	})
}

func (s *Server) makeCode(c *fiber.Ctx, make func(accounts.Act, field.UserID) (accounts.Code, error)) error {
	id, err := idIn(c)
	if err != nil {
		return err
	}
	act, err := admin(c)
	if err != nil {
		return err
	}
	code, err := make(act, field.UserID(id))
	if err != nil {
		return err
	}
	return created(c, code)
}

func (s *Server) listAccounts(c *fiber.Ctx) error {
	return paged(c, func(after store.Place, limit int) ([]accounts.AccountView, []store.Place, error) {
		return s.accounts.Accounts(c.UserContext(), actor(c), after, limit)
	})
}

func (s *Server) listSignIns(c *fiber.Ctx) error {
	return paged(c, func(after store.Place, limit int) ([]accounts.SignInView, []store.Place, error) {
		return s.accounts.SignIns(c.UserContext(), actor(c), field.UserID(c.Query("person")), after, limit)
	})
}

// paged answers a page of a list whose items say where they stand.
func paged[T any](c *fiber.Ctx, list func(after store.Place, limit int) ([]T, []store.Place, error)) error {
	limit, err := pageLimit(c)
	if err != nil {
		return err
	}
	after, err := store.ParseCursor(c.Query("after"))
	if err != nil {
		return err
	}
	items, places, err := list(after.Place, limit+1)
	if err != nil {
		return err
	}
	page := workflow.Page[T]{Items: items}
	if len(items) > limit {
		page.Items, page.Next = items[:limit], store.Cursor{Place: places[limit-1]}.String()
	}
	return reply(c, page)
}

func (s *Server) listPeople(c *fiber.Ctx) error {
	q := store.Query{Kinds: []field.Kind{field.KindPerson}}
	if org := c.Query("org"); org != "" {
		q.Scope = field.MakeScope(field.ScopeOrg, org)
	}
	return s.listKind(c, q)
}

func (s *Server) leave(c *fiber.Ctx) error {
	req, err := decode[struct {
		Version int64  `json:"version"`
		Reason  string `json:"reason"`
	}](c)
	if err != nil {
		return err
	}
	act, err := admin(c)
	if err != nil {
		return err
	}
	r, err := s.accounts.Leave(c.UserContext(), act, field.UserID(c.Params("id")), req.Version, req.Reason)
	if err != nil {
		return err
	}
	work, err := s.flow.WorkOf(c.UserContext(), actor(c), field.UserID(r.ID))
	if field.Is(err, field.CodeNotFound) { // a person of another organisation: what is done there is not for who made it
		work, err = workflow.OpenWork{Items: []workflow.Work{}, Whole: true}, nil
	}
	if err != nil {
		return err
	}
	return reply(c, struct {
		protocol.PulledRecord
		OpenWork workflow.OpenWork `json:"openWork"`
	}{protocol.FromRecord(r), work})
}

func (s *Server) listDevices(c *fiber.Ctx) error {
	limit, err := pageLimit(c)
	if err != nil {
		return err
	}
	devices, err := s.accounts.Devices(c.UserContext(), actor(c), field.DeviceID(c.Query("after")), limit+1)
	if err != nil {
		return err
	}
	page := workflow.Page[accounts.Enrolled]{Items: devices}
	if len(devices) > limit {
		page.Items = devices[:limit]
		page.Next = string(devices[limit-1].ID)
	}
	return reply(c, page)
}

func (s *Server) revokeDevice(c *fiber.Ctx) error {
	act, err := admin(c)
	if err != nil {
		return err
	}
	device, err := s.accounts.RevokeDevice(c.UserContext(), act, field.DeviceID(c.Params("id")))
	if err != nil {
		return err
	}
	return reply(c, device)
}

func (s *Server) moveDevice(c *fiber.Ctx) error {
	req, err := decode[because](c)
	if err != nil {
		return err
	}
	if err := req.check(); err != nil {
		return err
	}
	act, err := admin(c)
	if err != nil {
		return err
	}
	device, err := s.accounts.MoveDevice(c.UserContext(), act, field.DeviceID(c.Params("id")), req.Version, req.Reason)
	if err != nil {
		return err
	}
	return reply(c, device)
}

func (s *Server) handedIn(c *fiber.Ctx) error {
	if err := s.accounts.HandedIn(c.UserContext(), pass(c), field.DeviceID(c.Params("id"))); err != nil {
		return err
	}
	return done(c)
}

const (
	pageDefault = 50
	pageMost    = 200
)

// pageLimit reads ?limit: 1 to 200, 50 when it is not given.
func pageLimit(c *fiber.Ctx) (int, error) {
	if c.Query("limit") == "" {
		return pageDefault, nil
	}
	n := c.QueryInt("limit", -1)
	if n < 1 || n > pageMost {
		return 0, field.Refuse(field.CodeBadRequest, "limit is between 1 and %d.", pageMost).InChinese("limit 须在 1 至 %d 之间。", pageMost)
	}
	return n, nil
}

// listKind answers a page of records that the actor may see.
func (s *Server) listKind(c *fiber.Ctx, q store.Query) error {
	limit, err := pageLimit(c)
	if err != nil {
		return err
	}
	page, err := s.flow.Query(c.UserContext(), actor(c), q, workflow.Ask{After: c.Query("after"), Limit: limit})
	if err != nil {
		return err
	}
	return reply(c, page)
}

type kindInfo struct {
	Kind     field.Kind     `json:"kind"`
	ZH       string         `json:"zh"`
	EN       string         `json:"en"`
	States   []field.Choice `json:"states"`
	Commands []field.Choice `json:"commands"`
	Fields   []field.Choice `json:"fields"`
}

// enums gives every enum, kind, state, command and role with its labels in Chinese and English.
func (s *Server) enums(c *fiber.Ctx) error {
	kinds := []kindInfo{}
	for _, spec := range field.Kinds() {
		k := kindInfo{Kind: spec.Kind, ZH: spec.ZH, EN: spec.EN, States: spec.States, Commands: []field.Choice{}, Fields: []field.Choice{}}
		for _, cmd := range spec.Commands {
			k.Commands = append(k.Commands, field.Choice{Code: cmd.Name, ZH: cmd.ZH, EN: cmd.EN})
		}
		for _, f := range spec.Fields {
			k.Fields = append(k.Fields, field.Choice{Code: f.Name, ZH: f.ZH, EN: f.EN})
		}
		kinds = append(kinds, k)
	}
	return reply(c, struct {
		Enums map[string][]field.Choice `json:"enums"`
		Kinds []kindInfo                `json:"kinds"`
		Roles []field.Choice            `json:"roles"`
	}{field.Enums(), kinds, access.Roles()})
}
