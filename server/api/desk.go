package api

import (
	"context"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/workflow"
	"fieldclue/sync/protocol"
)

// registerDesk registers the routes of the desk: what is done with the records of each kind in kinds.go, views that put
// several records together in the file of their desk, and records of any kind here.
func (s *Server) registerDesk() {
	s.route(fiber.MethodGet, "/v1/records/:id", "getRecord", signedIn, s.one(""))
	s.route(fiber.MethodGet, "/v1/records/:id/history", "getRecordHistory", signedIn, s.history(""))
	s.registerDescribed()
	s.registerKinds()
	s.registerReview()
	s.registerClues()
	s.registerCampaigns()
	s.registerReference()
	s.registerInbox()
}

// post registers a click: a command of the life cycle, allowed by the action of the access table.
func (s *Server) post(path, operationID string, action access.Action, h fiber.Handler) {
	s.route(fiber.MethodPost, path, operationID, may(action), h)
}

func (s *Server) get(path, operationID string, h fiber.Handler) {
	s.route(fiber.MethodGet, path, operationID, signedIn, h)
}

// seen is the body of a click without arguments, and part of every other: the version of the record that was decided
// on.
type seen struct {
	Version int64 `json:"version"`
}

func (v seen) check() error {
	if v.Version < 1 {
		return field.Refuse(field.CodeMissingField, "version is missing: the version of the record that you decided on.").
			InChinese("缺少 version，即您据以作出决定的记录版本。")
	}
	return nil
}

type checked interface{ check() error }

// clicked is the handler of a click: the body is read into an R, the record comes back as it stands then.
func clicked[R checked, ID ~string](do func(ctx context.Context, act workflow.Act, id ID, req R) (*field.Record, error)) fiber.Handler {
	return func(c *fiber.Ctx) error {
		req, err := decode[R](c)
		if err != nil {
			return err
		}
		if err := req.check(); err != nil {
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
		r, err := do(c.UserContext(), act, ID(id), req)
		if err != nil {
			return err
		}
		return reply(c, protocol.FromRecord(r))
	}
}

// making is the handler that makes a record of what the body says; given tells the id that the client chose, if it did.
func making[R any](s *Server, do func(context.Context, workflow.Act, field.RecordID, R) (*field.Record, error), given func(R) string) fiber.Handler {
	return func(c *fiber.Ctx) error {
		req, err := decode[R](c)
		if err != nil {
			return err
		}
		act, err := actOf(c)
		if err != nil {
			return err
		}
		id := field.RecordID(given(req))
		if id == "" {
			id = s.idFor(c, act)
		}
		r, err := do(c.UserContext(), act, id, req)
		if err != nil {
			return err
		}
		return created(c, protocol.FromRecord(r))
	}
}

// idFor makes the id of a record for which the client chose none. A click that is repeated under its Idempotency-Key
// gets the same id again.
func (s *Server) idFor(c *fiber.Ctx, act workflow.Act) field.RecordID {
	if c.Get("Idempotency-Key") == "" {
		return field.RandomID(s.now())
	}
	return field.DeriveID(time.Unix(1_600_000_001, 0), "click", string(act.Device), strconv.FormatInt(act.Number, 10), c.Path())
}

func actOf(c *fiber.Ctx) (workflow.Act, error) {
	device, number, err := click(c)
	return workflow.Act{Actor: actor(c), Device: device, Number: number}, err
}

// idIn reads the id of the path. What is no id names nothing.
func idIn(c *fiber.Ctx) (field.RecordID, error) {
	id := c.Params("id")
	if !field.ValidID(id) {
		return "", field.Refuse(field.CodeNotFound, "")
	}
	return field.RecordID(id), nil
}

// askIn reads the page that is asked for.
func askIn(c *fiber.Ctx) (workflow.Ask, error) {
	ask := workflow.Ask{After: c.Query("after")}
	n, err := numberIn(c, "limit", 0, workflow.MaxPage)
	ask.Limit = n
	return ask, err
}

// numberIn reads a number from 1 to most out of the query.
func numberIn(c *fiber.Ctx, name string, otherwise, most int) (int, error) {
	given := c.Query(name)
	if given == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(given)
	if err != nil || n < 1 || n > most {
		return 0, field.Refuse(field.CodeBadRequest, "%s is a number from 1 to %d.", name, most).InChinese("%s 须为 1 至 %d 的数。", name, most)
	}
	return n, nil
}

// listed is the handler of a list.
func listed[T any](list func(c *fiber.Ctx, ask workflow.Ask) (workflow.Page[T], error)) fiber.Handler {
	return func(c *fiber.Ctx) error {
		ask, err := askIn(c)
		if err != nil {
			return err
		}
		page, err := list(c, ask)
		if err != nil {
			return err
		}
		return reply(c, page)
	}
}

// viewed is the handler of one view of one record.
func viewed[T any, ID ~string](view func(ctx context.Context, who *access.Actor, id ID) (T, error)) fiber.Handler {
	return func(c *fiber.Ctx) error {
		id, err := idIn(c)
		if err != nil {
			return err
		}
		v, err := view(c.UserContext(), actor(c), ID(id))
		if err != nil {
			return err
		}
		return reply(c, v)
	}
}

// one is the handler that gives one record of a kind; the empty kind takes all.
func (s *Server) one(kind field.Kind) fiber.Handler {
	return viewed(func(ctx context.Context, who *access.Actor, id field.RecordID) (protocol.PulledRecord, error) {
		r, err := s.flow.Record(ctx, who, kind, id)
		if err != nil {
			return protocol.PulledRecord{}, err
		}
		return protocol.FromRecord(r), nil
	})
}

// history is the handler that tells what happened to a record of a kind; the empty kind takes all.
func (s *Server) history(kind field.Kind) fiber.Handler {
	return listed(func(c *fiber.Ctx, ask workflow.Ask) (workflow.Page[workflow.Event], error) {
		id, err := idIn(c)
		if err != nil {
			return workflow.Page[workflow.Event]{}, err
		}
		return s.flow.History(c.UserContext(), actor(c), kind, id, ask)
	})
}

func stateIn(c *fiber.Ctx) field.State { return field.State(c.Query("state")) }
